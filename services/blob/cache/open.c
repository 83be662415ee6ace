/* Opening the cache: its directory, and what is in it already. */
#include "services/blob/cache/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "libcommon/crypto/encode.h"
#include "services/blob/cache/internal.h"

enum {
	SEGMENT_BYTES_LEAST = 4 * CACHE_PIECE_MAX,
	ROWS_MOST = 1024 * 1024, /* of a segment: 64 of them are read at the start, and their pieces have numbers of 32 bits */
};

/* No cache counts so far: such a name is not ours, and who went on from it would come to the last number. */
#define NUMBER_MOST (UINT64_MAX / 2)

enum err
cache_settings_check(const struct config *config, struct buffer *problems)
{
	if (config->blob_cache_dir.len == 0 || config->blob_cache_size >= CACHE_SIZE_LEAST)
		return ERR_OK;
	buffer_printf(problems, "blob.cache.size: is less than %d MiB\n", CACHE_SIZE_LEAST / 1024 / 1024);
	return ERR_CONFIG;
}

/* ---- opening */

static enum err
open_failed(const struct config *config, const char *what, int error)
{
	const struct log log = { .service = "blob" };

	log_error(&log, "blob.cache_unused", KV_STR("directory", config->blob_cache_dir), KV_C("operation", what),
	    KV_C("problem", error == EWOULDBLOCK ? "another process has it" : strerror(error)));
	return ERR_UNAVAILABLE;
}

/* What root makes before the process becomes `user` is that user's. */
static bool
give_to_user(int fd, const struct config *config)
{
	const struct passwd *row = config->user.len > 0 && geteuid() == 0 ? getpwnam(config->user.ptr) : NULL;

	return row == NULL || fchown(fd, row->pw_uid, row->pw_gid) == 0;
}

static enum err
directory_open(const struct config *config, int *ret)
{
	const char *path = config->blob_cache_dir.ptr;
	int fd, error;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return open_failed(config, "make", errno);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return open_failed(config, "open", errno);
	/* One that is somebody else's, as a volume's may be, stays as it is; our files are for us alone in any case. */
	fchmod(fd, 0700);
	if (give_to_user(fd, config) && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*ret = fd;
		return ERR_OK;
	}
	error = errno;
	close(fd);
	return open_failed(config, "take", error);
}

static struct cache *
cache_new(int dir, const struct config *config)
{
	uint64_t size = (uint64_t)config->blob_cache_size, least = size / SEGMENT_BYTES_LEAST, buckets = 1024, rows;
	struct cache *cache = MEM_NEW(struct cache);

	cache->log.service = "blob";
	cache->path = config->blob_cache_dir;
	cache->dir = dir;
	cache->slots = least < CACHE_SLOTS ? (unsigned)least : CACHE_SLOTS;
	cache->segment_bytes = size / cache->slots;
	rows = cache->segment_bytes / CACHE_BYTES_PER_ROW;
	cache->rows = rows < ROWS_MOST ? (uint32_t)rows : ROWS_MOST;
	while (buckets < (uint64_t)cache->rows * cache->slots)
		buckets *= 2;
	cache->bucket_mask = (uint32_t)(buckets - 1);
	/* Untouched, it takes no memory. */
	cache->buckets = mem_calloc(buckets, sizeof(*cache->buckets));
	cache->waiting_end = &cache->waiting;
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->work, NULL);
	pthread_cond_init(&cache->landed, NULL);
	return cache;
}

/* ---- reading back */

static int
number_compare(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? 1 : x > y ? -1 : 0;
}

/* The numbers of the segments that are there, the newest first. Temporary ones there are none: a segment is good row by row. */
static void
numbers_read(const struct cache *cache, struct buffer *ret)
{
	int fd = openat(cache->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *file;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((file = readdir(dir)) != NULL) {
		struct str name = str_c(file->d_name), prefix = STR("segment-");
		uint8_t bytes[8];
		uint64_t number = 0;

		if (!str_starts_with(name, prefix) || !hex_read(str_sub(name, prefix.len, SIZE_MAX), bytes, sizeof(bytes)))
			continue;
		for (size_t i = 0; i < sizeof(bytes); i++)
			number = number << 8 | bytes[i];
		buffer_add(ret, str_from(&number, sizeof(number)));
	}
	closedir(dir);
	if (buffer_len(ret) > 0)
		qsort(ret->bytes + ret->start, buffer_len(ret) / sizeof(uint64_t), sizeof(uint64_t), number_compare);
}

/* A piece may be in two segments, when the process ended while it was carried over: the newer, which is there already, counts. */
static void
link_all(struct cache *cache, struct cache_segment *seg)
{
	cache->segments[seg->slot] = seg;
	for (uint32_t i = 0; i < seg->count; i++) {
		struct cache_entry *entry = &seg->entries[i];
		struct cache_key key = { entry->object, entry->at, entry->len };
		struct cache_segment *other;

		if (entry->len > 0 && index_find(cache, &key, &other) != NULL)
			entry->len = 0;
		if (entry->len > 0)
			index_link(cache, seg, i);
	}
	metric_add(METRIC_BLOB_CACHE_BYTES, (int64_t)seg->end);
}

static void
read_back(struct cache *cache)
{
	struct buffer numbers = { 0 };
	unsigned slot = 0;
	uint64_t number;

	numbers_read(cache, &numbers);
	for (size_t at = 0; at < buffer_len(&numbers); at += sizeof(number)) {
		struct cache_segment *seg;

		memcpy(&number, numbers.bytes + numbers.start + at, sizeof(number));
		if (number >= cache->next_number && number < NUMBER_MOST)
			cache->next_number = number + 1;
		seg = slot < cache->slots - 1 && number < NUMBER_MOST ? segment_load(cache, number) : NULL;
		if (seg == NULL) {
			segment_unlink(cache, number);
			continue;
		}
		seg->slot = slot++;
		link_all(cache, seg);
	}
	buffer_clear(&numbers);
}

struct cache *
cache_open(const struct config *config)
{
	struct cache *cache;
	int dir;

	if (config->blob_cache_dir.len == 0 || directory_open(config, &dir) != ERR_OK)
		return NULL;
	cache = cache_new(dir, config);
	read_back(cache);
	if (writer_start(cache) == ERR_OK)
		return cache;
	open_failed(config, "thread", EAGAIN);
	cache->is_stopping = true;
	cache_close(cache);
	return NULL;
}

void
cache_close(struct cache *cache)
{
	if (cache == NULL)
		return;
	if (!cache->is_stopping)
		writer_stop(cache);
	for (unsigned i = 0; i < cache->slots; i++) {
		if (cache->segments[i] != NULL) {
			metric_add(METRIC_BLOB_CACHE_BYTES, -(int64_t)cache->segments[i]->end);
			segment_unref(cache->segments[i]);
		}
	}
	close(cache->dir);
	free(cache->buckets);
	pthread_mutex_destroy(&cache->lock);
	pthread_cond_destroy(&cache->work);
	pthread_cond_destroy(&cache->landed);
	free(cache);
}
