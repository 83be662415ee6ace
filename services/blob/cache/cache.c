/* The cache: opening it, reading its files back, and the calls. */
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

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "libcommon/crypto/encode.h"
#include "services/blob/cache/internal.h"

enum {
	SEGMENT_BYTES_LEAST = 4 * CACHE_PIECE_MAX,
	ROWS_MOST = 1024 * 1024, /* of a segment: 64 of them are read at the start, and their pieces have numbers of 32 bits */
};

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
cache_new(int dir, uint64_t size)
{
	uint64_t least = size / SEGMENT_BYTES_LEAST, buckets = 1024, rows;
	struct cache *cache = MEM_NEW(struct cache);

	cache->log.service = "blob";
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
		if (number >= cache->next_number)
			cache->next_number = number + 1;
		seg = slot < cache->slots - 1 ? segment_load(cache, number) : NULL;
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
	cache = cache_new(dir, (uint64_t)config->blob_cache_size);
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

/* ---- a disk that fails */

bool
cache_is_on(const struct cache *cache)
{
	return cache->off_until_ms == 0 || clock_left_ms(cache->off_until_ms) == 0;
}

void
cache_switch_off(struct cache *cache, const char *operation, int error)
{
	if (!cache_is_on(cache))
		return;
	cache->off_until_ms = clock_mono_ms() + CACHE_OFF_MS;
	log_warn(&cache->log, "blob.cache_off", KV_C("operation", operation), KV_C("problem", strerror(error)),
	    KV_INT("seconds", CACHE_OFF_MS / 1000));
}

/* ---- flights, with the lock held */

static struct cache_flight *
flight_find(struct cache *cache, const struct cache_key *key)
{
	struct cache_flight *flight = cache->flights;

	while (flight != NULL && (flight->key.at != key->at || flight->key.len != key->len ||
	    memcmp(flight->key.object.bytes, key->object.bytes, sizeof(key->object.bytes)) != 0))
		flight = flight->next;
	return flight;
}

static bool
is_flying(const struct cache *cache, uint64_t number)
{
	const struct cache_flight *flight = cache->flights;

	while (flight != NULL && flight->number != number)
		flight = flight->next;
	return flight != NULL;
}

static void
flight_wait(struct cache *cache, const struct cache_flight *flight, int64_t deadline_ms)
{
	struct timespec until = clock_timespec(deadline_ms);
	uint64_t number = flight->number;

	while (is_flying(cache, number) && clock_left_ms(deadline_ms) > 0)
		pthread_cond_clockwait(&cache->landed, &cache->lock, CLOCK_MONOTONIC, &until);
}

static void
flight_begin(struct cache *cache, struct cache_flight *flight)
{
	flight->number = ++cache->flight_number;
	flight->next = cache->flights;
	cache->flights = flight;
}

/* ---- the calls */

/* Read what the index has, the lock being given back meanwhile. False: it is not readable, and gone. */
static bool
read_entry(struct cache *cache, struct cache_segment *seg, struct cache_entry *entry, const struct cache_key *key, char *ret)
{
	uint64_t place = entry->place;
	bool is_read;
	int error;

	entry->is_used = true;
	seg->users++;
	pthread_mutex_unlock(&cache->lock);
	is_read = segment_read(seg, place, key->len, ret);
	error = errno;
	pthread_mutex_lock(&cache->lock);
	segment_unref(seg);
	if (is_read)
		return true;
	if (error != 0)
		cache_switch_off(cache, "read", error);
	metric_add(METRIC_BLOB_CACHE_DROPPED, 1);
	entry = index_find(cache, key, &seg);
	if (entry != NULL)
		index_unlink(cache, seg, entry);
	return false;
}

/* With the lock held. Waits once for somebody else's flight; what is not there then is each one's own to read. */
static bool
find_or_fly(struct cache *cache, const struct cache_key *key, char *ret, int64_t deadline_ms, struct cache_flight *flight)
{
	bool has_waited = false;

	while (cache_is_on(cache)) {
		struct cache_segment *seg;
		struct cache_entry *entry = index_find(cache, key, &seg);
		struct cache_waiting *waiting = entry == NULL ? writer_find(cache, key) : NULL;
		struct cache_flight *other = flight_find(cache, key);

		if (entry != NULL && read_entry(cache, seg, entry, key, ret))
			return true;
		if (waiting != NULL) {
			memcpy(ret, waiting->bytes, key->len);
			return true;
		}
		if (entry != NULL)
			continue;
		if (other == NULL || has_waited) {
			if (!has_waited)
				flight_begin(cache, flight);
			return false;
		}
		flight_wait(cache, other, deadline_ms);
		has_waited = true;
	}
	return false;
}

bool
cache_get(struct cache *cache, const struct cache_key *key, char *ret, int64_t deadline_ms, struct cache_flight *flight)
{
	bool is_hit;

	*flight = (struct cache_flight){ .key = *key };
	if (cache == NULL)
		return false;
	pthread_mutex_lock(&cache->lock);
	is_hit = find_or_fly(cache, key, ret, deadline_ms, flight);
	pthread_mutex_unlock(&cache->lock);
	metric_add(is_hit ? METRIC_BLOB_CACHE_HITS : METRIC_BLOB_CACHE_MISSES, 1);
	return is_hit;
}

/* With the lock held. */
static void
keep(struct cache *cache, const struct cache_key *key, struct str bytes)
{
	struct cache_segment *seg;

	if (bytes.len > 0 && bytes.len <= CACHE_PIECE_MAX && cache_is_on(cache) && index_find(cache, key, &seg) == NULL &&
	    writer_find(cache, key) == NULL)
		writer_add(cache, key, bytes.ptr);
}

void
cache_landed(struct cache *cache, struct cache_flight *flight, struct str bytes)
{
	struct cache_flight **at;

	if (cache == NULL)
		return;
	pthread_mutex_lock(&cache->lock);
	if (bytes.len == flight->key.len)
		keep(cache, &flight->key, bytes);
	for (at = &cache->flights; *at != NULL && *at != flight; at = &(*at)->next)
		continue;
	if (*at != NULL) {
		*at = flight->next;
		pthread_cond_broadcast(&cache->landed);
	}
	pthread_mutex_unlock(&cache->lock);
}

void
cache_keep(struct cache *cache, const struct uuid *object, uint64_t at, struct str bytes)
{
	struct cache_key key = { *object, at, (uint32_t)bytes.len };

	if (cache == NULL || bytes.len > CACHE_PIECE_MAX)
		return;
	pthread_mutex_lock(&cache->lock);
	keep(cache, &key, bytes);
	pthread_mutex_unlock(&cache->lock);
}

void
cache_drop(struct cache *cache, const struct cache_key *key)
{
	struct cache_segment *seg;
	struct cache_entry *entry;

	metric_add(METRIC_BLOB_CACHE_DROPPED, 1);
	pthread_mutex_lock(&cache->lock);
	entry = index_find(cache, key, &seg);
	if (entry != NULL)
		index_unlink(cache, seg, entry);
	pthread_mutex_unlock(&cache->lock);
}

/* Take one piece of it away; false: there is none. */
static bool
forget_one(struct cache *cache, const struct uuid *object)
{
	struct cache_segment *seg;
	struct cache_entry *entry, gone;
	uint32_t row;

	entry = index_find_object(cache, object, &seg);
	if (entry == NULL)
		return false;
	gone = *entry;
	row = (uint32_t)(entry - seg->entries);
	index_unlink(cache, seg, entry);
	seg->users++;
	pthread_mutex_unlock(&cache->lock);
	segment_erase(seg, row, gone.place, gone.len);
	pthread_mutex_lock(&cache->lock);
	segment_unref(seg);
	return true;
}

void
cache_forget(struct cache *cache, const struct uuid *object)
{
	if (cache == NULL)
		return;
	pthread_mutex_lock(&cache->lock);
	writer_forget(cache, object);
	while (forget_one(cache, object))
		continue;
	pthread_mutex_unlock(&cache->lock);
}
