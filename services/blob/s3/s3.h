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
	S3_REPLY_BYTES = 2 * 1024 * 1024,
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
	_Atomic int64_t ahead_ms;
	atomic_bool has_clock;
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
	int64_t deadline_ms;
	bool is_once;                  /* no second try */
};

/*
 * Send it, again and again while the store is away, busy, slow or cuts the connection, until the deadline. *ret is the last answer;
 * its strings live in `arena`.
 *
 * ERR_OK           2xx
 * ERR_NONEXISTENT  404
 * ERR_CORRUPT      the object is shorter than what was asked for
 * ERR_CLOCK        the store refuses the time of our signature
 * ERR_DENIED, ERR_INVALID, ..  by status; logged, as failures of the store are
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
