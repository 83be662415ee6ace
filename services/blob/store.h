/*
 * Where objects are: one interface, and a constant for each back end (s3/, dir/). Objects are bytes under an id, written once.
 *
 * Every call may be made by any thread, but one put is one thread's at a time. Deadlines are monotonic; what passes by itself is tried
 * again until then. Passing failures are ERR_UNAVAILABLE, ERR_BUSY, ERR_DEADLINE; they never mean that an object is not there.
 */
#ifndef SORA_BLOB_STORE_H
#define SORA_BLOB_STORE_H

#include "libcommon/config/config.h"
#include "libcommon/core/random.h"

struct store_object {
	struct uuid id;
	int64_t put_ms; /* by the store's clock */
	uint64_t size;
};

/* How far a store's clock is ahead of ours, as it was seen last. */
struct store_clock {
	_Atomic int64_t ahead_ms;
	_Atomic int64_t seen_ms; /* monotonic; 0: never */
};

enum {
	STORE_CLOCK_APART_MS = 10 * 60 * 1000, /* past this nothing is stored, for fences compare the clocks */
	STORE_CLOCK_KEPT_MS = 60 * 1000,       /* what was wrong longer ago may have been set right */
};

/* It is `theirs_ms` there, now. */
void store_clock_note(struct store_clock *clock, int64_t theirs_ms);
bool store_clock_is_apart(const struct store_clock *clock);

struct store_ops {
	const char *name; /* the setting blob.store */
	bool is_near;     /* a read takes about as long as one of the cache: several may be done one after the other */

	/* Make it ready for use. Settings that can not be are ERR_CONFIG, with a line in `problems`; the store itself is not asked. */
	enum err (*open)(const struct config *config, struct buffer *problems, void **ret_store);
	/* The process ends: nobody waits any longer for a store that is away. NULL: there is nothing that waits. */
	void (*stop)(void *store);
	void (*close)(void *store);
	/* Make the place where objects go (a bucket, a directory); there already is ERR_OK. */
	enum err (*create)(void *store, struct buffer *problems, int64_t deadline_ms);
	/* Is it there, and may we use it? A line in `problems` if not. */
	enum err (*check)(void *store, struct buffer *problems, int64_t deadline_ms);

	/* Write an object: begin, write.., commit; after a failure, and to give up, abort. Nothing is visible before the commit. */
	enum err (*put_begin)(void *store, const struct uuid *id, void **ret_put);
	enum err (*put_write)(void *put, struct str bytes, int64_t deadline_ms);
	/* ERR_OK: it is durable, and `put` is gone. Else `put` is still to be aborted. */
	enum err (*put_commit)(void *put, int64_t deadline_ms);
	void (*put_abort)(void *put);

	/* Exactly `len` bytes. ERR_NONEXISTENT: no such object; ERR_CORRUPT: it is shorter. */
	enum err (*read)(void *store, const struct uuid *id, uint64_t offset, size_t len, char *ret, int64_t deadline_ms);
	/* What is not there has been removed. */
	enum err (*remove)(void *store, const struct uuid *id, int64_t deadline_ms);
	/* Up to `limit` objects that come after `after` (NULL: from the first), in the store's own fixed order. */
	enum err (*list)(void *store, const struct uuid *after, size_t limit, struct store_object *ret, size_t *ret_count,
	    bool *ret_more, int64_t deadline_ms);
	const struct store_clock *(*clock)(const void *store);
	/* Remove what dead uploads left behind that is older than `age_ms`. */
	enum err (*clean)(void *store, int64_t age_ms, int64_t deadline_ms);
};

extern const struct store_ops dir_store;
extern const struct store_ops s3_store;

/* By name; NULL: there is none. */
const struct store_ops *store_find(struct str name);

/* "ab/cd/<32 hex digits>": spread by the id's last bytes, which are random, while its first are the time. NUL-terminated. */
enum { STORE_PATH_BYTES = 38 };
void store_path(const struct uuid *id, char ret[STORE_PATH_BYTES + 1]);
/* False: this is no path of ours. */
bool store_path_read(struct str path, struct uuid *ret_id);

#endif
