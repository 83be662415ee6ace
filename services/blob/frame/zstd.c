/* One frame's compression, by zstd (its only includer). */
#include "services/blob/frame/zstd.h"

#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

#include "libcommon/core/mem.h"

/* Mail is stored once and read a few times: level 1 takes nearly all that higher levels find, in a fraction of the time. */
enum { LEVEL = 1 };

struct pair {
	struct pair *next;
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pair *idle;

static struct pair *
pair_take(void)
{
	struct pair *pair;

	pthread_mutex_lock(&lock);
	pair = idle;
	if (pair != NULL)
		idle = pair->next;
	pthread_mutex_unlock(&lock);
	if (pair != NULL)
		return pair;
	pair = MEM_NEW(struct pair);
	pair->compress = ZSTD_createCCtx();
	pair->decompress = ZSTD_createDCtx();
	if (pair->compress == NULL || pair->decompress == NULL)
		abort();
	return pair;
}

static void
pair_give(struct pair *pair)
{
	pthread_mutex_lock(&lock);
	pair->next = idle;
	idle = pair;
	pthread_mutex_unlock(&lock);
}

size_t
frame_compress(struct str plain, char *ret)
{
	struct pair *pair = pair_take();
	size_t len = plain.len > 1 ? ZSTD_compressCCtx(pair->compress, ret, plain.len - 1, plain.ptr, plain.len, LEVEL) : 0;

	pair_give(pair);
	return ZSTD_isError(len) ? 0 : len;
}

bool
frame_decompress(struct str stored, char *ret, size_t len)
{
	struct pair *pair = pair_take();
	size_t got = ZSTD_decompressDCtx(pair->decompress, ret, len, stored.ptr, stored.len);

	pair_give(pair);
	return got == len;
}
