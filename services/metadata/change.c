/* Calls that are one change: their keys, and their way through the queue. */
#include "libcommon/core/clock.h"
#include "services/metadata/queue.h"

static const int64_t key_keep_ms = 25 * 3600 * 1000LL, key_life_ms = 24 * 3600 * 1000LL;

struct uuid
key_part(struct uuid key, uint64_t n)
{
	uint64_t low;

	/* The time in front stays, the random tail is moved on. */
	memcpy(&low, key.bytes + 8, sizeof(low));
	low += n * 0x9e3779b97f4a7c15ULL;
	memcpy(key.bytes + 8, &low, sizeof(low));
	return key;
}

void
key_args(struct pg_args *args, struct uuid key)
{
	char *bytes = arena_alloc(args->arena, sizeof(key.bytes));

	memcpy(bytes, key.bytes, sizeof(key.bytes));
	pg_arg_bytes(args, str_from(bytes, sizeof(key.bytes)));
	pg_arg_int(args, key_keep_ms);
}

enum err
key_check(struct uuid key)
{
	return uuid_ms(key) + key_life_ms < clock_wall_ms() ? ERR_STALE : ERR_OK;
}

static void
change_done(struct write *write, enum err err, const struct effects *effects)
{
	struct change_call *call = write->context;

	if (err == ERR_OK)
		err = effects->status;
	for (const struct refusal *r = call->refusals; err != ERR_OK && r && r->err != ERR_OK; r++)
		if (r->err == err)
			call->rpc->detail = str_c(r->detail);
	if (err == ERR_OK)
		err = call->answer(call, effects);
	if (err != ERR_AGAIN)
		rpc_finish(call->rpc, err);
}

enum err
change_call_new(struct rpc *rpc, uint64_t account, const struct pg_statement *statement, const void *request,
    enum err (*answer)(struct change_call *, const struct effects *), struct change_call **ret)
{
	struct change_call *call;

	if (rpc->method->needs_key)
		TRY(key_check(rpc->key));
	call = ARENA_NEW(rpc->arena, struct change_call);
	call->rpc = rpc;
	call->request = request;
	call->answer = answer;
	call->write = (struct write){ .arena = rpc->arena, .account = account, .deadline_ms = rpc->deadline_ms, .statement = statement,
		.done = change_done, .context = call };
	call->write.args.arena = rpc->arena;
	*ret = call;
	return ERR_OK;
}

enum err
change_call_submit(struct change_call *call)
{
	struct metadata *metadata = call->rpc->service;
	struct rpc *rpc = call->rpc;
	enum err err;

	rpc_defer(rpc);
	err = queue_submit(metadata->queue, &call->write);
	if (err != ERR_OK)
		rpc_finish(rpc, err);
	return ERR_OK;
}

enum err
change_call_again(struct change_call *call)
{
	struct metadata *metadata = call->rpc->service;
	enum err err = queue_submit(metadata->queue, &call->write);

	return err == ERR_OK ? ERR_AGAIN : err;
}
