/* Delete: an object, by its name. */
#include "services/blob/blob.h"

enum err
delete_rpc(struct rpc *rpc, const BlobDeleteRequest *req, BlobEmpty *reply)
{
	struct blob *blob = rpc->service;
	struct uuid object;

	(void)reply;
	TRY(ref_name_decode(str_from(req->object.data, req->object.len), &object));
	TRY(blob->ops->remove(blob->store, &object, blob_store_deadline(rpc)));
	cache_forget(blob->cache, &object);
	return ERR_OK;
}
