/* Capabilities: what scripts may require, and how far they may go. */
#include "services/sieve/server.h"

enum err
sieve_capabilities_rpc(struct rpc *rpc, const SieveEmpty *req, SieveCapabilitiesReply *reply)
{
	struct sieve_server *server = rpc->service;
	size_t count = 0;

	(void)req;
	while (sieve_extension_name(count) != NULL)
		count++;
	reply->extension = ARENA_ARRAY(rpc->arena, ProtobufCBinaryData, count + 1);
	for (; reply->n_extension < count; reply->n_extension++)
		reply->extension[reply->n_extension] = sieve_data(str_c(sieve_extension_name(reply->n_extension)));
	reply->script_bytes = server->limits.source_bytes;
	reply->redirects = (uint32_t)server->limits.redirects;
	return ERR_OK;
}
