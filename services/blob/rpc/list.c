/* List: the objects that there are, a page at a time. */
#include "services/blob/blob.h"

enum { PAGE = 1000 };

static void
fill_reply(struct arena *arena, const struct store_object *objects, size_t count, BlobListReply *reply)
{
	reply->n_object = count;
	reply->object = ARENA_ARRAY(arena, BlobListReply__Object *, count);
	for (size_t i = 0; i < count; i++) {
		BlobListReply__Object *object = ARENA_NEW(arena, BlobListReply__Object);

		blob_list_reply__object__init(object);
		object->name = (ProtobufCBinaryData){ REF_NAME_BYTES, arena_alloc(arena, REF_NAME_BYTES) };
		ref_name_encode(&objects[i].id, object->name.data);
		object->put_ms = objects[i].put_ms;
		object->size = objects[i].size;
		reply->object[i] = object;
	}
}

enum err
list_rpc(struct rpc *rpc, const BlobListRequest *req, BlobListReply *reply)
{
	struct blob *blob = rpc->service;
	size_t limit = req->limit > 0 && req->limit < PAGE ? req->limit : PAGE, count;
	struct store_object *objects = ARENA_ARRAY(rpc->arena, struct store_object, limit);
	struct uuid after;
	bool is_more;

	if (req->after.len > 0)
		TRY(ref_name_decode(str_from(req->after.data, req->after.len), &after));
	TRY(blob->ops->list(blob->store, req->after.len ? &after : NULL, limit, objects, &count, &is_more,
	    blob_store_deadline(rpc)));
	fill_reply(rpc->arena, objects, count, reply);
	reply->more = is_more;
	return ERR_OK;
}
