/* The Sieve service: what its parts share. A request goes rpc/ > wire.c and cache.c > the engine (sieve.h). */
#ifndef SORA_SIEVE_SERVER_H
#define SORA_SIEVE_SERVER_H

#include "libcommon/bus/bus.h"
#include "proto/sieve.server.h"
#include "services/sieve/cache.h"
#include "services/sieve/sieve.h"

struct sieve_server {
	const struct service_context *context;
	struct sieve_limits limits;
	struct sieve_cache *cache;
};

/* What the configuration allows a script. */
struct sieve_limits sieve_limits_from(const struct config *config);

/* ---- wire.c: between the messages of the bus and the engine's structs; strings stay where they are, arrays are the arena's */

static inline struct str
sieve_str(ProtobufCBinaryData data)
{
	return str_from(data.data, data.len);
}

static inline ProtobufCBinaryData
sieve_data(struct str s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *)s.ptr };
}

/* But for the answers, which have scripts. */
void sieve_wire_input(const SieveInput *wire, struct arena *arena, struct sieve_input *ret_input);
void sieve_wire_need(const SieveNeed *wire, struct sieve_need *ret_need);
void sieve_wire_result(const struct sieve_result *result, struct arena *arena, SieveFilterReply *reply);

/* ---- rpc/ */

enum err sieve_check_rpc(struct rpc *rpc, const SieveCheckRequest *req, SieveCheckReply *reply);
enum err sieve_filter_rpc(struct rpc *rpc, const SieveFilterRequest *req, SieveFilterReply *reply);
enum err sieve_capabilities_rpc(struct rpc *rpc, const SieveEmpty *req, SieveCapabilitiesReply *reply);
enum err sieve_ping_rpc(struct rpc *rpc, const SieveEmpty *req, SievePingReply *reply);

#endif
