/* Ping: who answers. */
#include "services/sieve/server.h"
#include "version.h"

enum err
sieve_ping_rpc(struct rpc *rpc, const SieveEmpty *req, SievePingReply *reply)
{
	(void)req;
	reply->version = (char *)arena_cstr(rpc->arena, STR(SORA_VERSION));
	return ERR_OK;
}
