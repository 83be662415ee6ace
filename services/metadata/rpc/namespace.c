/* Create, Delete, Rename, Subscribe: the tree of mailboxes. */
#include "services/metadata/rpc/rpc.h"

static const struct refusal refusals[] = {
	{ ERR_LIMIT, "the account has too many mailboxes or subscriptions" },
	{ ERR_TOO_BIG, "a name below it would be too long" },
	{ ERR_OK, NULL },
};

static enum err
answer_nothing(struct change_call *call, const struct effects *effects)
{
	(void)call;
	(void)effects;
	return ERR_OK;
}

static enum err
answer_created(struct change_call *call, const struct effects *effects)
{
	MetadataCreateReply *reply = (MetadataCreateReply *)call->rpc->reply;

	reply->mailbox = effects->answer.count > 0 ? (uint64_t)effects->answer.items[0] : 0;
	return ERR_OK;
}

static enum err
tree_call(struct rpc *rpc, uint64_t account, const struct pg_statement *statement, const void *req,
    enum err (*answer)(struct change_call *, const struct effects *), struct change_call **ret)
{
	TRY(change_call_new(rpc, account, statement, req, answer, ret));
	(*ret)->refusals = refusals;
	(*ret)->write.is_alone = true;
	pg_arg_int(&(*ret)->write.args, (int64_t)account);
	if (rpc->method->needs_key)
		key_args(&(*ret)->write.args, rpc->key);
	pg_arg_timeline(&(*ret)->write.args);
	return ERR_OK;
}

enum err
rpc_create(struct rpc *rpc, const MetadataCreateRequest *req, MetadataCreateReply *reply)
{
	static const struct pg_statement statement = { "create", "SELECT * FROM namespace_create($1, $2, $3, $4, $5, $6)" };
	struct change_call *call;
	struct str name;

	(void)reply;
	TRY(authorise(rpc, req->account));
	TRY(mailbox_name_new(rpc->arena, str_of(req->name), &name));
	TRY(tree_call(rpc, req->account, &statement, req, answer_created, &call));
	pg_arg_bytes(&call->write.args, name);
	pg_arg_int4(&call->write.args, (int32_t)(req->attributes & SPECIAL_USES));
	return change_call_submit(call);
}

enum err
rpc_delete(struct rpc *rpc, const MetadataDeleteRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "delete", "SELECT * FROM namespace_delete($1, $2, $3, $4, $5)" };
	struct change_call *call;

	(void)reply;
	TRY(authorise(rpc, req->account));
	TRY(tree_call(rpc, req->account, &statement, req, answer_nothing, &call));
	pg_arg_bytes(&call->write.args, mailbox_name(rpc->arena, str_of(req->name)));
	return change_call_submit(call);
}

enum err
rpc_rename(struct rpc *rpc, const MetadataRenameRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "rename", "SELECT * FROM namespace_rename($1, $2, $3, $4, $5, $6)" };
	struct change_call *call;
	struct str to;

	(void)reply;
	TRY(authorise(rpc, req->account));
	TRY(mailbox_name_new(rpc->arena, str_of(req->to), &to));
	TRY(tree_call(rpc, req->account, &statement, req, answer_nothing, &call));
	pg_arg_bytes(&call->write.args, mailbox_name(rpc->arena, str_of(req->from)));
	pg_arg_bytes(&call->write.args, to);
	return change_call_submit(call);
}

enum err
rpc_subscribe(struct rpc *rpc, const MetadataSubscribeRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "subscribe", "SELECT * FROM namespace_subscribe($1, $2, $3, $4)" };
	struct change_call *call;
	struct str name = mailbox_name(rpc->arena, str_of(req->name));

	(void)reply;
	TRY(authorise(rpc, req->account));
	if (req->subscribed)
		TRY(mailbox_name_new(rpc->arena, str_of(req->name), &name));
	TRY(tree_call(rpc, req->account, &statement, req, answer_nothing, &call));
	pg_arg_bytes(&call->write.args, name);
	pg_arg_bool(&call->write.args, req->subscribed);
	return change_call_submit(call);
}
