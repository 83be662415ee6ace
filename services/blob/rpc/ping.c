/* Ping: who answers, and what time it is here and in the store. */
#include "libcommon/core/clock.h"
#include "services/blob/blob.h"
#include "version.h"

enum err
ping_rpc(struct rpc *rpc, const BlobEmpty *req, BlobPingReply *reply)
{
	struct blob *blob = rpc->service;
	const struct store_clock *clock = blob->ops->clock(blob->store);

	(void)req;
	reply->version = (char *)arena_cstr(rpc->arena, STR(SORA_VERSION));
	reply->now_ms = clock_wall_ms();
	if (clock->seen_ms != 0)
		reply->store_ms = reply->now_ms + clock->ahead_ms;
	return ERR_OK;
}
