/* Watch: a frontend's long poll for events. */
#include "services/metadata/watch.h"

#include "services/metadata/rpc/rpc.h"

enum { INTERESTS_MAX = 100000 };

enum err
rpc_watch(struct rpc *rpc, const MetadataWatchRequest *req, MetadataWatchReply *reply)
{
	struct metadata *metadata = rpc->service;

	if (req->watcher == 0)
		return ERR_INVALID;
	if (req->n_add > INTERESTS_MAX || req->n_remove > INTERESTS_MAX)
		return ERR_LIMIT;
	return watch_poll(metadata->watch, rpc, req, reply);
}
