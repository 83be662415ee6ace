/* Watch: a frontend's long poll for events. */
#include "services/metadata/watch.h"

#include "services/metadata/rpc/rpc.h"

enum err
rpc_watch(struct rpc *rpc, const MetadataWatchRequest *req, MetadataWatchReply *reply)
{
	struct metadata *metadata = rpc->service;

	if (req->watcher == 0)
		return ERR_INVALID;
	return watch_poll(metadata->watch, rpc, req, reply);
}
