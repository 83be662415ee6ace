/*
 * Compact: the bodies of an object that are still wanted, written anew. The object itself stays until metadata knows the new references,
 * and what was written by a Compact that failed is the sweep's.
 */
#include "services/blob/blob.h"

enum { REFS_MAX = 1000 };

/* All must be of one object: that of `object`. */
static enum err
decode_refs(const ProtobufCBinaryData *bytes, size_t count, struct uuid *object, struct blob_ref *ret, uint64_t *ret_stored)
{
	*ret_stored = 0;
	for (size_t i = 0; i < count; i++) {
		TRY(ref_decode(str_from(bytes[i].data, bytes[i].len), &ret[i]));
		if (memcmp(ret[i].object.bytes, object->bytes, sizeof(object->bytes)) != 0)
			return ERR_INVALID;
		*ret_stored += ret[i].stored;
	}
	return ERR_OK;
}

static enum err
copy_bytes(struct blob *blob, const struct blob_ref *from, struct upload *to, int64_t deadline_ms)
{
	for (uint64_t at = 0; at < from->size; at += BUS_CHUNK_MAX) {
		size_t len = from->size - at < BUS_CHUNK_MAX ? (size_t)(from->size - at) : BUS_CHUNK_MAX;
		struct arena arena = { 0 };
		struct str piece;
		enum err err = body_read(blob, from, at, len, &arena, deadline_ms, &piece);

		if (err == ERR_OK)
			err = upload_add(to, piece, deadline_ms);
		arena_clear(&arena);
		TRY(err);
	}
	return ERR_OK;
}

static enum err
copy_body(struct blob *blob, const struct blob_ref *from, int64_t deadline_ms, struct blob_ref *ret)
{
	struct upload *up;
	enum err err;

	TRY(upload_new(blob, &up));
	err = copy_bytes(blob, from, up, deadline_ms);
	if (err != ERR_OK) {
		upload_drop(up);
		return err;
	}
	return upload_finish(up, deadline_ms, ret);
}

static void
add_to_reply(struct arena *arena, const struct blob_ref *ref, BlobCompactReply *reply)
{
	uint8_t *bytes = arena_alloc(arena, REF_BYTES);

	ref_encode(ref, bytes);
	reply->blob[reply->n_blob++] = (ProtobufCBinaryData){ REF_BYTES, bytes };
	if (reply->put_ms == 0 || ref->put_ms < reply->put_ms)
		reply->put_ms = ref->put_ms;
}

enum err
compact_rpc(struct rpc *rpc, const BlobCompactRequest *req, BlobCompactReply *reply)
{
	struct blob_ref *live = ARENA_ARRAY(rpc->arena, struct blob_ref, req->n_live);
	struct blob_ref *dead = ARENA_ARRAY(rpc->arena, struct blob_ref, req->n_dead);
	struct blob_ref first, written;
	uint64_t live_bytes, dead_bytes;

	if (req->n_live == 0 || req->n_live > REFS_MAX)
		return ERR_INVALID;
	TRY(ref_decode(str_from(req->live[0].data, req->live[0].len), &first));
	TRY(decode_refs(req->live, req->n_live, &first.object, live, &live_bytes));
	TRY(decode_refs(req->dead, req->n_dead, &first.object, dead, &dead_bytes));
	if (dead_bytes < live_bytes)
		return ERR_OK;
	reply->blob = ARENA_ARRAY(rpc->arena, ProtobufCBinaryData, req->n_live);
	for (size_t i = 0; i < req->n_live; i++) {
		TRY(copy_body(rpc->service, &live[i], blob_store_deadline(rpc), &written));
		add_to_reply(rpc->arena, &written, reply);
	}
	reply->done = true;
	return ERR_OK;
}
