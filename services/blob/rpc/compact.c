/*
 * Compact: the bodies of an object that are still wanted, written anew. The object itself stays until metadata knows the new references,
 * and what was written by a Compact that failed is the sweep's.
 */
#include "services/blob/pack.h"

enum { REFS_MAX = 1000 };

/* All must be of one object: that of `object`. */
static enum err
decode_refs(const ProtobufCBinaryData *bytes, size_t count, const struct uuid *object, struct blob_ref *ret, uint64_t *ret_stored)
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

/* One Compact under way. */
struct compaction {
	struct rpc *rpc;
	struct blob *blob;
	struct pack pack;      /* of small bodies, not stored yet */
	struct blob_ref *refs; /* where each body is now, when all are stored */
};

/* Checked: a body that is damaged ends it, and nothing is lost. */
static enum err
read_piece(struct compaction *c, const struct blob_ref *from, uint64_t at, struct arena *arena, struct str *ret)
{
	size_t len = from->size - at < BUS_CHUNK_MAX ? (size_t)(from->size - at) : BUS_CHUNK_MAX;
	enum err err = body_read(c->blob, from, at, len, arena, blob_store_deadline(c->rpc), ret);

	return err == ERR_OK ? ERR_OK : blob_unreadable(c->rpc, from, err);
}

static enum err
store_pack(struct compaction *c)
{
	TRY(pack_store(c->blob, &c->pack, blob_store_deadline(c->rpc)));
	pack_clear(&c->pack);
	pack_init(&c->pack);
	return ERR_OK;
}

static enum err
copy_small(struct compaction *c, const struct blob_ref *from, struct blob_ref *ret)
{
	struct arena arena = { 0 };
	struct str body;
	enum err err = read_piece(c, from, 0, &arena, &body);

	if (err == ERR_OK && !pack_has_room(&c->pack, body.len))
		err = store_pack(c);
	if (err == ERR_OK)
		pack_add(&c->pack, seal_keys_first(&c->blob->seal_keys), body, ret);
	arena_clear(&arena);
	return err;
}

static enum err
copy_pieces(struct compaction *c, const struct blob_ref *from, struct upload *to)
{
	for (uint64_t at = 0; at < from->size; at += BUS_CHUNK_MAX) {
		struct arena arena = { 0 };
		struct str piece;
		enum err err = read_piece(c, from, at, &arena, &piece);

		if (err == ERR_OK)
			err = upload_add(to, piece, blob_store_deadline(c->rpc));
		arena_clear(&arena);
		TRY(err);
	}
	return ERR_OK;
}

static enum err
copy_long(struct compaction *c, const struct blob_ref *from, struct blob_ref *ret)
{
	struct upload *up;
	enum err err;

	TRY(upload_new(c->blob, &up));
	err = copy_pieces(c, from, up);
	if (err == ERR_OK)
		return upload_finish(up, blob_store_deadline(c->rpc), ret);
	upload_drop(up);
	return err;
}

static enum err
copy_bodies(struct compaction *c, const struct blob_ref *live, size_t count)
{
	for (size_t i = 0; i < count; i++)
		TRY(live[i].size <= PACK_BODY_MAX ? copy_small(c, &live[i], &c->refs[i]) : copy_long(c, &live[i], &c->refs[i]));
	return c->pack.count > 0 ? store_pack(c) : ERR_OK;
}

static void
fill_reply(struct arena *arena, const struct blob_ref *refs, size_t count, BlobCompactReply *reply)
{
	reply->done = true;
	reply->put_ms = refs[0].put_ms;
	reply->n_blob = count;
	reply->blob = ARENA_ARRAY(arena, ProtobufCBinaryData, count);
	for (size_t i = 0; i < count; i++) {
		reply->blob[i] = (ProtobufCBinaryData){ REF_BYTES, arena_alloc(arena, REF_BYTES) };
		ref_encode(&refs[i], reply->blob[i].data);
	}
}

enum err
compact_rpc(struct rpc *rpc, const BlobCompactRequest *req, BlobCompactReply *reply)
{
	struct compaction c = { .rpc = rpc, .blob = rpc->service };
	struct blob_ref first, *live = ARENA_ARRAY(rpc->arena, struct blob_ref, req->n_live);
	struct blob_ref *dead = ARENA_ARRAY(rpc->arena, struct blob_ref, req->n_dead);
	uint64_t live_bytes, dead_bytes;
	enum err err;

	if (req->n_live == 0 || req->n_live > REFS_MAX)
		return ERR_INVALID;
	TRY(ref_decode(str_from(req->live[0].data, req->live[0].len), &first));
	TRY(decode_refs(req->live, req->n_live, &first.object, live, &live_bytes));
	TRY(decode_refs(req->dead, req->n_dead, &first.object, dead, &dead_bytes));
	if (dead_bytes < live_bytes)
		return ERR_OK;
	if (!blob_clock_is_good(c.blob))
		return ERR_CLOCK;
	c.refs = ARENA_ARRAY(rpc->arena, struct blob_ref, req->n_live);
	pack_init(&c.pack);
	err = copy_bodies(&c, live, req->n_live);
	pack_clear(&c.pack);
	if (err == ERR_OK)
		fill_reply(rpc->arena, c.refs, req->n_live, reply);
	return err;
}
