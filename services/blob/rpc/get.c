/* Get: a range of a body. */
#include "libcommon/core/metrics.h"
#include "services/blob/blob.h"

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
		return blob_unreadable(rpc, &ref, err);
	reply->size = ref.size;
	metric_add(METRIC_BLOB_GETS, 1);
	return ERR_OK;
}
