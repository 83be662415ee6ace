/* Objects as files below one directory: for development, and for a single machine whose disk is trusted. */
#ifndef SORA_BLOB_DIR_DIR_H
#define SORA_BLOB_DIR_DIR_H

#include <stdatomic.h>

#include "libcommon/core/log.h"
#include "services/blob/store.h"

struct dir_store {
	int root, tmp; /* descriptors of the directory, and of tmp/ in it, where files grow */
	char *path;
	unsigned owner, group; /* whose what root makes is, as `user` says; 0: ours */
	struct log log;
	/* Which of ab/ and ab/cd/ are known to be durable in their parents: a file is no safer than the path to it. */
	atomic_uchar durable_outer[256];
	atomic_uchar durable_inner[256 * 256];
	struct store_clock clock;
	struct log_seldom full;
};

/* What errno means for a caller: ENOENT is NONEXISTENT; everything else may pass, and is logged with `what` was tried, a full disk once a minute. */
enum err dir_failed(struct dir_store *dir, const char *what);

/* Make the names in a directory durable, which is at `path` from `at` on. False: errno says why. */
bool dir_sync(int at, const char *path);

enum err dir_put_begin(void *store, const struct uuid *id, void **ret_put);
enum err dir_put_write(void *put, struct str bytes, int64_t deadline_ms);
enum err dir_put_commit(void *put, int64_t deadline_ms);
void dir_put_abort(void *put);

enum err dir_list(void *store, const struct uuid *after, size_t limit, struct store_object *ret, size_t *ret_count,
    bool *ret_more, int64_t deadline_ms);

#endif
