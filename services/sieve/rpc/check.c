/* Check: is this a script, and what is wrong with it? */
#include "services/sieve/server.h"

static SieveCheckReply__Problem *
problem(const struct sieve_problem *from, struct arena *arena)
{
	SieveCheckReply__Problem *wire = ARENA_NEW(arena, SieveCheckReply__Problem);

	sieve_check_reply__problem__init(wire);
	wire->line = from->line;
	wire->column = from->column;
	wire->warning = from->is_warning;
	wire->text = sieve_data(from->text);
	return wire;
}

enum err
sieve_check_rpc(struct rpc *rpc, const SieveCheckRequest *req, SieveCheckReply *reply)
{
	struct sieve_server *server = rpc->service;
	struct sieve_problems problems;
	struct sieve_script *script = NULL;
	enum err err = sieve_compile(sieve_str(req->source), &server->limits, rpc->arena, &script, &problems);

	sieve_script_unref(script);
	if (err == ERR_TOO_BIG)
		return err;
	reply->ok = err == ERR_OK;
	reply->problem = ARENA_ARRAY(rpc->arena, SieveCheckReply__Problem *, problems.count + 1);
	for (; reply->n_problem < problems.count; reply->n_problem++)
		reply->problem[reply->n_problem] = problem(&problems.items[reply->n_problem], rpc->arena);
	return ERR_OK;
}
