/* Objects in S3, spoken to by signed HTTP requests. */
#ifndef SORA_BLOB_S3_S3_H
#define SORA_BLOB_S3_S3_H

#include <pthread.h>
#include <stdatomic.h>

#include "libcommon/core/log.h"
#include "libcommon/crypto/sigv4.h"
#include "libcommon/http/http.h"
#include "services/blob/store.h"

enum {
	/* Objects up to this are one PUT; longer ones are parts of this size. Each put holds at most one part. */
	S3_PART_BYTES = 8 * 1024 * 1024,
	/* All puts together. */
	S3_PUTS_BYTES = 128 * 1024 * 1024,
	/* The last of that is for puts that are no longer than this: small mails do not wait for those who send long ones slowly, or never. */
	S3_KEPT_BYTES = 16 * 1024 * 1024,
	S3_SMALL_BYTES = 2 * 1024 * 1024,
	S3_REPLY_BYTES = 2 * 1024 * 1024,
	/* A store that is consistent only in the end may not yet know of an object as young as this. */
	S3_YOUNG_MS = 30 * 1000,
};

struct s3 {
	struct http *http;
	struct arena arena;
	struct sigv4_keys keys;
	struct str base;   /* "https://host:port", with the bucket before the host unless in the path */
	struct str host;   /* as curl sends it */
	struct str path;   /* "/bucket" or "" */
	struct str bucket, prefix;
	struct log log;
	int64_t young_ms;  /* S3_YOUNG_MS */
	struct store_clock clock;
	struct log_seldom clock_refused;
	atomic_size_t held; /* bytes of memory that puts have taken */
	pthread_mutex_t lock;
	pthread_cond_t stop; /* ends the waits between two tries */
	bool is_stopping;
};

struct s3_call {
	const char *method;
	struct str key;                /* below the prefix; empty: the bucket itself */
	struct sigv4_pair query[4];
	size_t query_count;
	struct str range;              /* value of the Range header */
	struct str body;
	bool has_body;
	char *into;                    /* where a body of exactly `into_bytes` goes; NULL: reply->body */
	size_t into_bytes;
	const char *ending;            /* the closing tag of the XML that says yes: without it the answer is not whole; NULL: no XML */
	bool wants_etag;               /* something is stored: without an ETag the answer is not S3's */
	int64_t deadline_ms;
	bool is_once;                  /* no second try */
	bool is_check;                 /* who asks says himself what came of it */
	bool is_young;                 /* 404 may pass: the object was written a moment ago */
};

/*
 * Send it, again and again while the store is away, busy, slow, cuts the connection or talks nonsense, until the deadline; where it says
 * when to come back (Retry-After), not earlier, and not at all when that is too late. *ret is the last answer; its strings live in `arena`.
 *
 * ERR_OK           2xx, and what it says is what was asked for: no error in the body of a success, XML with its end
 * ERR_NONEXISTENT  404 by the store itself, for an object, an upload, or (without a key) the bucket. A 404 of something that stands
 *                  before it is none
 * ERR_CORRUPT      the object is shorter than what was asked for
 * ERR_CLOCK        the store refuses the time of our signature
 * ERR_DEADLINE, ERR_UNAVAILABLE  with a key, all else: what is wrong between us and the store is nothing that a mail or its reader can help
 * ERR_BUSY, ERR_DENIED, ERR_INVALID, ..  without one, by status
 * Failures are logged here; that our clock is wrong once a minute.
 */
enum err s3_perform(struct s3 *s3, const struct s3_call *call, struct arena *arena, struct http_reply *ret);

/* The key of an object, without the prefix; in `arena`. */
struct str s3_key(struct arena *arena, const struct uuid *id);

enum err s3_put_begin(void *store, const struct uuid *id, void **ret_put);
enum err s3_put_write(void *put, struct str bytes, int64_t deadline_ms);
enum err s3_put_commit(void *put, int64_t deadline_ms);
void s3_put_abort(void *put);

enum err s3_read(void *store, const struct uuid *id, uint64_t offset, size_t len, char *ret, int64_t deadline_ms);
enum err s3_remove(void *store, const struct uuid *id, int64_t deadline_ms);
enum err s3_list(void *store, const struct uuid *after, size_t limit, struct store_object *ret, size_t *ret_count,
    bool *ret_more, int64_t deadline_ms);
enum err s3_clean(void *store, int64_t age_ms, int64_t deadline_ms);

#endif
