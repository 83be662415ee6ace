/* Store: flags and keywords of some messages, 2,000 at a time so that deliveries get in between. */
#include "services/metadata/rpc/rpc.h"

enum { SLICE = 2000 };

static const struct pg_statement store_statement = { "store",
	"SELECT * FROM mailbox_store($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)" };

/* How far it has come. */
struct progress {
	uint64_t slice;
	uint32_t from;
};

/* A conditional STORE is one transaction, as its answer is one: which messages had changed. */
static enum err
slice_args(struct change_call *call)
{
	const MetadataStoreRequest *req = call->request;
	const struct progress *progress = call->context;
	struct pg_args *args = &call->write.args;
	struct str *keywords = ARENA_ARRAY(args->arena, struct str, req->n_keyword + 1);

	*args = (struct pg_args){ .arena = call->rpc->arena };
	for (size_t i = 0; i < req->n_keyword; i++)
		keywords[i] = str_of(req->keyword[i]);
	pg_arg_int(args, (int64_t)req->account);
	key_args(args, key_part(call->rpc->key, progress->slice));
	pg_arg_timeline(args);
	pg_arg_int4(args, (int32_t)req->mailbox);
	TRY(ranges_args(args, req->uids, req->n_uids, progress->from));
	pg_arg_int4(args, req->has_unchanged_since ? INT32_MAX : SLICE);
	pg_arg_int4(args, (int32_t)req->mode);
	pg_arg_int4(args, (int32_t)req->flags);
	pg_arg_byteses(args, keywords, req->n_keyword);
	pg_arg_int_or_null(args, (int64_t)(req->unchanged_since & INT64_MAX), req->has_unchanged_since);
	return ERR_OK;
}

static enum err
answer_store(struct change_call *call, const struct effects *effects)
{
	const MetadataStoreRequest *req = call->request;
	MetadataStoreReply *reply = (MetadataStoreReply *)call->rpc->reply;
	struct progress *progress = call->context;

	if (effects->answer.count == 0)
		return ERR_INTERNAL;
	if (effects->answer.items[0] > 0 && effects->answer.items[0] < UINT32_MAX) {
		progress->slice++;
		progress->from = (uint32_t)effects->answer.items[0] + 1;
		TRY(slice_args(call));
		return change_call_again(call);
	}
	ranges_make(call->rpc->arena, effects->answer.items + 1, effects->answer.count - 1, &reply->n_modified, &reply->modified);
	return sync_after(call->rpc, req->account, req->mailbox, req->have, progress->slice == 0 ? effects : NULL, &reply->sync);
}

enum err
rpc_store(struct rpc *rpc, const MetadataStoreRequest *req, MetadataStoreReply *reply)
{
	struct progress *progress = ARENA_NEW(rpc->arena, struct progress);
	struct change_call *call;

	(void)reply;
	TRY(authorise(rpc, req->account));
	TRY(mail_check(NULL, STR_NONE, req->flags, req->keyword, req->n_keyword));
	if (req->mailbox > INT32_MAX)
		return ERR_NO_MAILBOX;
	if (req->mode > METADATA_STORE_REQUEST__MODE__REPLACE)
		return ERR_INVALID;
	TRY(change_call_new(rpc, req->account, &store_statement, req, answer_store, &call));
	progress->from = 1;
	call->context = progress;
	call->write.mailboxes[call->write.mailbox_count++] = (int32_t)req->mailbox;
	TRY(slice_args(call));
	return change_call_submit(call);
}
