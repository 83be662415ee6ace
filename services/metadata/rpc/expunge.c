/* Expunge: messages leave a mailbox, 2,000 at a time where nobody minds; their rows stay until a purge. */
#include "services/metadata/rpc/rpc.h"

enum { SLICE = 2000 };

static const struct pg_statement expunge_statement = { "expunge",
	"SELECT * FROM mailbox_expunge($1, $2, $3, $4, $5, $6, $7)" };

static enum err
slice_args(struct change_call *call, uint32_t from)
{
	const MetadataExpungeRequest *req = call->request;
	struct pg_args *args = &call->write.args;
	MetadataUidRange every = METADATA_UID_RANGE__INIT, *all = &every;

	every.first = 1;
	every.last = UINT32_MAX;
	*args = (struct pg_args){ .arena = call->rpc->arena };
	pg_arg_int(args, (int64_t)req->account);
	pg_arg_timeline(args);
	pg_arg_int4(args, (int32_t)req->mailbox);
	TRY(ranges_args(args, req->has_uids ? req->uids : &all, req->has_uids ? req->n_uids : 1, from));
	/* What a POP3 client deletes goes at once or not at all: RFC 1939 s. 6. */
	pg_arg_int4(args, req->regardless ? INT32_MAX : SLICE);
	pg_arg_bool(args, req->regardless);
	return ERR_OK;
}

static enum err
answer_expunge(struct change_call *call, const struct effects *effects)
{
	const MetadataExpungeRequest *req = call->request;
	MetadataExpungeReply *reply = (MetadataExpungeReply *)call->rpc->reply;

	if (effects->answer.count == 0)
		return ERR_INTERNAL;
	if (effects->answer.items[0] > 0 && effects->answer.items[0] < UINT32_MAX) {
		TRY(slice_args(call, (uint32_t)effects->answer.items[0] + 1));
		return change_call_again(call);
	}
	return sync_after(call->rpc, req->account, req->mailbox, req->have, effects, &reply->sync);
}

enum err
rpc_expunge(struct rpc *rpc, const MetadataExpungeRequest *req, MetadataExpungeReply *reply)
{
	struct change_call *call;

	(void)reply;
	TRY(authorise(rpc, req->account));
	if (req->mailbox > INT32_MAX)
		return ERR_NO_MAILBOX;
	TRY(change_call_new(rpc, req->account, &expunge_statement, req, answer_expunge, &call));
	call->write.mailboxes[call->write.mailbox_count++] = (int32_t)req->mailbox;
	TRY(slice_args(call, 1));
	return change_call_submit(call);
}
