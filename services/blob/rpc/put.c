/* Put: one body in chunks, or in one call. */
#include "services/blob/pack.h"

static void
fill_reply(struct arena *arena, const struct blob_ref *ref, BlobPutReply *reply)
{
	uint8_t *bytes = arena_alloc(arena, REF_BYTES);

	ref_encode(ref, bytes);
	reply->blob = (ProtobufCBinaryData){ REF_BYTES, bytes };
	reply->put_ms = ref->put_ms;
}

/* ---- small, and in one call */

struct small {
	struct packed packed; /* first: what the packer has is this */
	struct rpc *rpc;
	BlobPutReply *reply;
};

static void
small_done(struct packed *packed, enum err err)
{
	struct small *small = (struct small *)packed;

	if (err == ERR_OK)
		fill_reply(small->rpc->arena, &packed->ref, small->reply);
	rpc_finish(small->rpc, err);
}

/* It may share its object with others that come at this moment: answered when that is durable. */
static enum err
put_small(struct rpc *rpc, const BlobPutRequest *req, BlobPutReply *reply)
{
	struct blob *blob = rpc->service;
	struct small *small = ARENA_NEW(rpc->arena, struct small);

	if (req->offset != 0 || req->total != rpc->chunk.len)
		return ERR_INVALID;
	if (!blob_clock_is_good(blob))
		return ERR_CLOCK;
	*small = (struct small){ { .done = small_done }, rpc, reply };
	rpc_defer(rpc);
	packer_put(blob->packer, rpc->chunk, blob_store_deadline(rpc), &small->packed);
	return ERR_OK;
}

/* ---- in chunks */

/* The upload that this chunk belongs to: a new one, or the one that was parked. */
static enum err
find_upload(struct rpc *rpc, const BlobPutRequest *req, struct upload **ret_upload)
{
	if (req->upload == 0)
		return req->offset == 0 ? upload_new(rpc->service, ret_upload) : ERR_INVALID;
	*ret_upload = upload_take(rpc->service, req->upload);
	/* Expired, or begun at a replica that was replaced: either way the body is to be sent again. */
	return *ret_upload != NULL ? ERR_OK : ERR_STALE;
}

static enum err
finish(struct rpc *rpc, struct upload *up, const BlobPutRequest *req, BlobPutReply *reply)
{
	struct blob_ref ref;

	if (upload_size(up) != req->total) {
		upload_drop(up);
		return ERR_INVALID;
	}
	TRY(upload_finish(up, blob_store_deadline(rpc), &ref));
	fill_reply(rpc->arena, &ref, reply);
	return ERR_OK;
}

enum err
put_rpc(struct rpc *rpc, const BlobPutRequest *req, BlobPutReply *reply)
{
	struct upload *up;
	enum err err;

	if (rpc->chunk.len > BUS_CHUNK_MAX)
		return ERR_INVALID;
	if (req->upload == 0 && req->last && rpc->chunk.len <= PACK_BODY_MAX)
		return put_small(rpc, req, reply);
	TRY(find_upload(rpc, req, &up));
	reply->upload = upload_number(up);
	/* The chunk before, asked for again because its answer was lost. */
	if (!req->last && req->offset + rpc->chunk.len == upload_size(up) && req->offset != upload_size(up)) {
		upload_park(up);
		return ERR_OK;
	}
	err = req->offset == upload_size(up) ? upload_add(up, rpc->chunk, blob_store_deadline(rpc)) : ERR_INVALID;
	if (err != ERR_OK) {
		upload_drop(up);
		return err;
	}
	if (req->last)
		return finish(rpc, up, req, reply);
	upload_park(up);
	return ERR_OK;
}
