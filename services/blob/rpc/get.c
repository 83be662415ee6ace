/* Get: a range of a body. GetMany: several, of those that are at hand. */
#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "services/blob/blob.h"

enum { GETS_MAX = 64 };

/* What is asked for, within the body. */
static enum err
find_range(const BlobGetRequest *req, struct blob_ref *ret_ref, uint64_t *ret_offset, size_t *ret_len)
{
	uint64_t offset, len;

	TRY(ref_decode(str_from(req->blob.data, req->blob.len), ret_ref));
	offset = req->offset < ret_ref->size ? req->offset : ret_ref->size;
	len = req->length < ret_ref->size - offset ? req->length : ret_ref->size - offset;
	*ret_offset = offset;
	*ret_len = len < BUS_CHUNK_MAX ? (size_t)len : BUS_CHUNK_MAX;
	return ERR_OK;
}

enum err
get_rpc(struct rpc *rpc, const BlobGetRequest *req, BlobGetReply *reply)
{
	struct blob_ref ref;
	uint64_t offset;
	size_t len;
	enum err err;

	TRY(find_range(req, &ref, &offset, &len));
	err = body_read(rpc->service, &ref, offset, len, rpc->arena, blob_store_deadline(rpc), &rpc->reply_chunk);
	if (err != ERR_OK)
		return blob_unreadable(rpc, &ref, err);
	reply->size = ref.size;
	metric_add(METRIC_BLOB_GETS, 1);
	return ERR_OK;
}

/* ---- several */

/* One of them, behind those that are in the chunk. False: it is left out. */
static bool
add(struct rpc *rpc, const BlobGetRequest *req, struct buffer *chunk, size_t *ret_len, uint64_t *ret_size)
{
	struct arena arena = { 0 };
	struct blob_ref ref;
	struct str bytes;
	uint64_t offset;
	size_t len;
	bool is_there = find_range(req, &ref, &offset, &len) == ERR_OK && len <= BUS_CHUNK_MAX - buffer_len(chunk) &&
	    body_find(rpc->service, &ref, offset, len, &arena, blob_store_deadline(rpc), &bytes) == ERR_OK;

	if (is_there) {
		buffer_add(chunk, bytes);
		*ret_len = len;
		*ret_size = ref.size;
	}
	arena_clear(&arena);
	return is_there;
}

enum err
get_many_rpc(struct rpc *rpc, const BlobGetManyRequest *req, BlobGetManyReply *reply)
{
	struct buffer chunk = { 0 };
	size_t len;
	uint64_t size;

	if (req->n_get > GETS_MAX)
		return ERR_INVALID;
	reply->place = ARENA_ARRAY(rpc->arena, uint32_t, req->n_get);
	reply->length = ARENA_ARRAY(rpc->arena, uint32_t, req->n_get);
	reply->size = ARENA_ARRAY(rpc->arena, uint64_t, req->n_get);
	/* A disk that is slow has until the deadline; what it has not given by then is left out, too. */
	for (size_t i = 0; i < req->n_get && clock_left_ms(blob_store_deadline(rpc)) > 0; i++) {
		if (!add(rpc, req->get[i], &chunk, &len, &size))
			continue;
		reply->place[reply->n_place++] = (uint32_t)i;
		reply->length[reply->n_length++] = (uint32_t)len;
		reply->size[reply->n_size++] = size;
	}
	rpc->reply_chunk = arena_copy(rpc->arena, buffer_str(&chunk));
	buffer_clear(&chunk);
	metric_add(METRIC_BLOB_GETS, (int64_t)reply->n_place);
	return ERR_OK;
}
