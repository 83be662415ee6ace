/* The blob service: what its parts share. A request goes rpc/ > pack.c, upload.c or body.c > frame/ > store.h (dir/, s3/). */
#ifndef SORA_BLOB_SERVICE_BLOB_H
#define SORA_BLOB_SERVICE_BLOB_H

#include <pthread.h>
#include <stdatomic.h>

#include "libcommon/bus/bus.h"
#include "proto/blob.server.h"
#include "services/blob/cache/cache.h"
#include "services/blob/frame/frame.h"
#include "services/blob/index_cache.h"
#include "services/blob/store.h"

enum {
	BLOB_UPLOAD_IDLE_MS = 2 * 60 * 1000,
	BLOB_UPLOADS_MAX = 512,
	BLOB_ANSWER_MS = 250,                 /* kept of a call's time for its answer to arrive */
};

struct upload;
struct packer;

struct blob {
	const struct store_ops *ops;
	void *store;
	struct log log;
	struct log_seldom clock_refused;
	struct seal_keys seal_keys;
	struct index_cache indexes;
	struct packer *packer;    /* small bodies on their way into the store */
	struct cache *cache;      /* on disk; NULL: there is none. What was just stored is given to cache_keep */

	pthread_mutex_t lock;     /* of what follows */
	pthread_cond_t changed;   /* an upload was parked, or the end */
	struct upload *parked;    /* uploads that wait for their next chunk, the longest waiting first */
	struct upload **parked_end;
	size_t upload_count;      /* those being worked on included */
	int64_t idle_ms;          /* how long one waits for its next chunk: BLOB_UPLOAD_IDLE_MS */
	bool is_stopping;
	pthread_t keeper;         /* ends idle uploads, cleans the store */
};

/* ERR_CONFIG with a line in `problems`. Nothing is asked of the store, no thread runs yet. */
enum err blob_new(const struct config *config, struct buffer *problems, struct blob **ret_blob);
void blob_free(struct blob *blob);
enum err blob_keeper_start(struct blob *blob);
void blob_keeper_stop(struct blob *blob);

/* What the store is asked until, for a call. */
int64_t blob_store_deadline(const struct rpc *rpc);

/*
 * The store's clock and ours are close enough to store something, or were not a minute ago, and may be now: then the put is to be looked at
 * again, once it has shown the clock. False is logged, once a minute.
 */
bool blob_clock_is_good(struct blob *blob);

/* A body that is referred to should be there and whole: when it is not, log its object, and the key that it needs. Returns `err`. */
enum err blob_unreadable(struct rpc *rpc, const struct blob_ref *ref, enum err err);

/*
 * Read `len` bytes of a body from `offset`, which must lie within it; checked, in `arena`. A damaged answer is asked for once more, for the
 * damage may have happened on the way; what is damaged in the cache is read from the store. ERR_NONEXISTENT, ERR_CORRUPT, ERR_CONFIG
 * (sealed, no key), passing failures.
 */
enum err body_read(struct blob *blob, const struct blob_ref *ref, uint64_t offset, size_t len, struct arena *arena,
    int64_t deadline_ms, struct str *ret);

/*
 * The same, of a body that is at hand: a short one, in the cache or in a store that is near. ERR_AGAIN: it is not, and body_read may have it.
 */
enum err body_find(struct blob *blob, const struct blob_ref *ref, uint64_t offset, size_t len, struct arena *arena,
    int64_t deadline_ms, struct str *ret);

/* ---- uploads: owned by who took them; between two chunks they are parked under their number */

/* ERR_BUSY: there are BLOB_UPLOADS_MAX; ERR_CLOCK; the store's errors. */
enum err upload_new(struct blob *blob, struct upload **ret_upload);
uint64_t upload_number(const struct upload *up);
/* Bytes so far. */
uint64_t upload_size(const struct upload *up);
enum err upload_add(struct upload *up, struct str bytes, int64_t deadline_ms);
/* Make it durable; ERR_OK and failure alike free it. */
enum err upload_finish(struct upload *up, int64_t deadline_ms, struct blob_ref *ret);
/* Nothing is stored. */
void upload_drop(struct upload *up);
void upload_park(struct upload *up);
/* NULL: there is none of this number, or another call has it. */
struct upload *upload_take(struct blob *blob, uint64_t number);

/* All of them, when no call can come any more. */
void upload_drop_parked(struct blob *blob);

/* ---- rpc/ */

enum err put_rpc(struct rpc *rpc, const BlobPutRequest *req, BlobPutReply *reply);
enum err abort_rpc(struct rpc *rpc, const BlobAbortRequest *req, BlobEmpty *reply);
enum err get_rpc(struct rpc *rpc, const BlobGetRequest *req, BlobGetReply *reply);
enum err get_many_rpc(struct rpc *rpc, const BlobGetManyRequest *req, BlobGetManyReply *reply);
enum err delete_rpc(struct rpc *rpc, const BlobDeleteRequest *req, BlobEmpty *reply);
enum err list_rpc(struct rpc *rpc, const BlobListRequest *req, BlobListReply *reply);
enum err compact_rpc(struct rpc *rpc, const BlobCompactRequest *req, BlobCompactReply *reply);
enum err ping_rpc(struct rpc *rpc, const BlobEmpty *req, BlobPingReply *reply);

#endif
