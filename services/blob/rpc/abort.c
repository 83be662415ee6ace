/* Abort: give up an upload. One that is not here has ended already. */
#include "services/blob/blob.h"

enum err
abort_rpc(struct rpc *rpc, const BlobAbortRequest *req, BlobEmpty *reply)
{
	struct upload *up = upload_take(rpc->service, req->upload);

	(void)reply;
	if (up != NULL)
		upload_drop(up);
	return ERR_OK;
}
