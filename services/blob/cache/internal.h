/* What the parts of the cache share: open.c, cache.c (the calls) > writer.c (the one thread that writes) > index.c (memory), segment.c (files). */
#ifndef SORA_BLOB_CACHE_INTERNAL_H
#define SORA_BLOB_CACHE_INTERNAL_H

#include <pthread.h>

#include "libcommon/core/log.h"
#include "services/blob/cache/cache.h"

enum {
	CACHE_SLOTS = 64,
	CACHE_BYTES_PER_ROW = 2048,
	CACHE_WAITING_BYTES = 8 * 1024 * 1024,
	CACHE_WAITING_COUNT = 1024,
	CACHE_OFF_MS = 60 * 1000, /* after a failure of the disk */
};

/* A piece in a segment, in the order of its rows. */
struct cache_entry {
	struct uuid object;
	uint64_t at;
	uint64_t place;                  /* in the segment's file */
	uint32_t next;                   /* of the same bucket; 0: none */
	uint32_t len : 31, is_used : 1;  /* 0: there is none, or no more */
};

struct cache_segment {
	int fd;
	uint64_t number;                 /* names the file; the oldest has the lowest */
	unsigned slot;
	unsigned users;                  /* who works with the file; the cache itself is one */
	uint64_t end;                    /* where the next piece goes */
	uint32_t count, room;            /* entries, and how many there is memory for */
	struct cache_entry *entries;
};

/* A piece that waits to be written. */
struct cache_waiting {
	struct cache_waiting *next;
	struct cache_key key;
	bool is_dead;                    /* not wanted any more */
	char bytes[];
};

struct cache {
	struct log log;
	struct str path;                 /* the configuration's */
	int dir;
	uint64_t segment_bytes;
	uint32_t rows;                   /* of a segment */
	unsigned slots;                  /* used of `segments`; one of them is free while nothing is written */

	pthread_mutex_t lock;            /* of what follows */
	pthread_cond_t work;             /* for the writer */
	pthread_cond_t landed;           /* a flight has ended */
	struct cache_segment *segments[CACHE_SLOTS];
	uint64_t next_number;            /* the writer's */
	uint32_t *buckets;               /* of entries, by their object: 1 + slot * rows + row; 0: none */
	uint32_t bucket_mask;
	struct cache_waiting *waiting, **waiting_end;
	size_t waiting_bytes, waiting_count;
	struct cache_flight *flights;
	uint64_t flight_number;
	int64_t off_until_ms;
	bool is_stopping;
	pthread_t writer;
};

/* ---- segment.c: files; no lock is needed but where it says so */

/* How much of a segment the table takes. */
uint64_t segment_data_at(const struct cache *cache);
/* NULL: errno says why. */
struct cache_segment *segment_new(struct cache *cache, uint64_t number);
/* Read the table of a file back. NULL: it is none of ours, or was made with other settings. */
struct cache_segment *segment_load(struct cache *cache, uint64_t number);
void segment_free(struct cache_segment *seg);
void segment_unlink(struct cache *cache, uint64_t number);
bool segment_has_room(const struct cache *cache, const struct cache_segment *seg, uint32_t len);
/* The next piece and its row, at `end` and `count`, which stay as they are. By the writer alone. */
bool segment_write(struct cache_segment *seg, const struct cache_key *key, const char *bytes);
bool segment_read(struct cache_segment *seg, uint64_t place, uint32_t len, char *ret);
/* Take a piece off the disk: its row, and its bytes where the file system can. */
void segment_erase(struct cache_segment *seg, uint32_t row, uint64_t place, uint32_t len);

/* ---- index.c: with the lock held */

struct cache_entry *index_find(struct cache *cache, const struct cache_key *key, struct cache_segment **ret_seg);
/* Any piece of the object. */
struct cache_entry *index_find_object(struct cache *cache, const struct uuid *object, struct cache_segment **ret_seg);
/* Row `row` of a segment is `entry`: put it where it is found. */
void index_link(struct cache *cache, struct cache_segment *seg, uint32_t row);
void index_unlink(struct cache *cache, struct cache_segment *seg, struct cache_entry *entry);
/* The piece that segment_write has written. */
void index_add(struct cache *cache, struct cache_segment *seg, const struct cache_key *key);
/* Take a whole segment out; its file goes when its last user does. */
void index_drop(struct cache *cache, struct cache_segment *seg);
void segment_unref(struct cache_segment *seg);
struct cache_segment *index_oldest(struct cache *cache);
unsigned index_count(const struct cache *cache);

/* ---- writer.c */

enum err writer_start(struct cache *cache);
/* What waits is written first. */
void writer_stop(struct cache *cache);
/* With the lock held. */
struct cache_waiting *writer_find(struct cache *cache, const struct cache_key *key);
void writer_add(struct cache *cache, const struct cache_key *key, const char *bytes);
void writer_forget(struct cache *cache, const struct uuid *object);

/* ---- cache.c, with the lock held */

bool cache_is_on(const struct cache *cache);
/* The disk failed (errno): nothing for a while. */
void cache_switch_off(struct cache *cache, const char *operation, int error);

#endif
