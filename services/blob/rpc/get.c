/* Get: a range of a body. */
#include "libcommon/core/metrics.h"
#include "services/blob/blob.h"

/* A body that is referred to should be there and whole: when it is not, its operator wants its name, and that of the key that is not here. */
static enum err
read_failed(struct rpc *rpc, const struct blob_ref *ref, enum err err)
{
	char path[STORE_PATH_BYTES + 1];

	store_path(&ref->object, path);
	log_error(&rpc->log, "blob.get", KV_C("object", path), KV_STR("key", arena_printf(rpc->arena, "%08x", ref->key_id)), KV_ERR(err));
	return err;
}

enum err
get_rpc(struct rpc *rpc, const BlobGetRequest *req, BlobGetReply *reply)
{
	struct blob_ref ref;
	uint64_t offset, len;
	enum err err;

	TRY(ref_decode(str_from(req->blob.data, req->blob.len), &ref));
	offset = req->offset < ref.size ? req->offset : ref.size;
	len = req->length < ref.size - offset ? req->length : ref.size - offset;
	if (len > BUS_CHUNK_MAX)
		len = BUS_CHUNK_MAX;
	err = body_read(rpc->service, &ref, offset, (size_t)len, rpc->arena, blob_store_deadline(rpc), &rpc->reply_chunk);
	if (err != ERR_OK)
		return read_failed(rpc, &ref, err);
	reply->size = ref.size;
	metric_add(METRIC_BLOB_GETS, 1);
	return ERR_OK;
}
