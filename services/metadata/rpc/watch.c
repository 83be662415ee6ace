/* Watch: a frontend's long poll for events. */
#include "services/metadata/watch.h"

#include "services/metadata/rpc/rpc.h"

enum err
rpc_watch(struct rpc *rpc, const MetadataWatchRequest *req, MetadataWatchReply *reply)
{
	struct metadata *metadata = rpc->service;
	struct claim *claims;

	if (req->watcher == 0 || req->n_token != req->n_add)
		return ERR_INVALID;
	claims = ARENA_ARRAY(rpc->arena, struct claim, req->n_add + 1);
	for (size_t i = 0; i < req->n_add; i++)
		claims[i] = (struct claim){ .token = str_of(req->token[i]), .account = req->add[i] };
	TRY(authorise_claims(rpc, claims, req->n_add));
	return watch_poll(metadata->watch, rpc, req, claims, reply);
}
