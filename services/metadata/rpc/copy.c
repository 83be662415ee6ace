/* Copy and Move: messages get another place, in ascending order of UID, all or none. */
#include "services/metadata/rpc/rpc.h"

static const struct pg_statement copy_statement = { "copy", "SELECT * FROM mailbox_copy($1, $2, $3, $4, $5, $6, $7, $8)" };
static const struct pg_statement move_statement = { "move", "SELECT * FROM mailbox_move($1, $2, $3, $4, $5, $6, $7, $8)" };

static const struct refusal refusals[] = {
	{ ERR_LIMIT, "more than 250,000 messages at once, or more than 1,000 keywords in the mailbox" },
	{ ERR_OK, NULL },
};

static uint32_t *
uids_of(struct arena *arena, const int64_t *items, size_t count)
{
	uint32_t *uids = ARENA_ARRAY(arena, uint32_t, count + 1);

	for (size_t i = 0; i < count; i++)
		uids[i] = (uint32_t)items[i];
	return uids;
}

static enum err
answer_copy(struct change_call *call, const struct effects *effects)
{
	const MetadataCopyRequest *req = call->request;
	MetadataCopyReply *reply = (MetadataCopyReply *)call->rpc->reply;
	struct pg_ints answer = effects->answer;
	size_t many = answer.count >= 2 ? (size_t)answer.items[1] : 0;

	if (answer.count != 2 + 2 * many)
		return ERR_INTERNAL;
	reply->uidvalidity = (uint32_t)answer.items[0];
	reply->n_from_uid = reply->n_to_uid = many;
	reply->from_uid = uids_of(call->rpc->arena, answer.items + 2, many);
	reply->to_uid = uids_of(call->rpc->arena, answer.items + 2 + many, many);
	if (call->write.statement == &copy_statement)
		return ERR_OK;
	return sync_after(call->rpc, req->account, req->mailbox, req->have, effects, &reply->sync);
}

static enum err
run(struct rpc *rpc, const MetadataCopyRequest *req, const struct pg_statement *statement)
{
	struct str name = mailbox_name(rpc->arena, str_of(req->to));
	struct change_call *call;
	struct pg_args *args;

	TRY(authorise(rpc, req->account));
	if (req->mailbox > INT32_MAX)
		return ERR_NO_MAILBOX;
	TRY(change_call_new(rpc, req->account, statement, req, answer_copy, &call));
	call->refusals = refusals;
	call->write.mailboxes[call->write.mailbox_count++] = (int32_t)req->mailbox;
	call->write.names[call->write.name_count++] = name;
	args = &call->write.args;
	pg_arg_int(args, (int64_t)req->account);
	key_args(args, rpc->key);
	pg_arg_timeline(args);
	pg_arg_int4(args, (int32_t)req->mailbox);
	TRY(ranges_args(args, req->uids, req->n_uids, 1));
	pg_arg_bytes(args, name);
	return change_call_submit(call);
}

enum err
rpc_copy(struct rpc *rpc, const MetadataCopyRequest *req, MetadataCopyReply *reply)
{
	(void)reply;
	return run(rpc, req, &copy_statement);
}

enum err
rpc_move(struct rpc *rpc, const MetadataCopyRequest *req, MetadataCopyReply *reply)
{
	(void)reply;
	return run(rpc, req, &move_statement);
}
