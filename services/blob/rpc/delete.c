/* Delete: an object, by a reference to the body in it or by its name. */
#include "services/blob/blob.h"

enum err
delete_rpc(struct rpc *rpc, const BlobDeleteRequest *req, BlobEmpty *reply)
{
	struct blob *blob = rpc->service;
	struct blob_ref ref;

	(void)reply;
	if (req->blob.len > 0)
		TRY(ref_decode(str_from(req->blob.data, req->blob.len), &ref));
	else
		TRY(ref_name_decode(str_from(req->object.data, req->object.len), &ref.object));
	TRY(blob->ops->remove(blob->store, &ref.object, blob_store_deadline(rpc)));
	cache_forget(blob->cache, &ref.object);
	return ERR_OK;
}
