/* Ping: who answers, and what time it is here and in the store. */
#include "libcommon/core/clock.h"
#include "services/blob/blob.h"
#include "version.h"

enum err
ping_rpc(struct rpc *rpc, const BlobEmpty *req, BlobPingReply *reply)
{
	struct blob *blob = rpc->service;
	int64_t ahead_ms;

	(void)req;
	reply->version = (char *)arena_cstr(rpc->arena, STR(SORA_VERSION));
	reply->now_ms = clock_wall_ms();
	if (blob->ops->clock(blob->store, &ahead_ms))
		reply->store_ms = reply->now_ms + ahead_ms;
	return ERR_OK;
}
