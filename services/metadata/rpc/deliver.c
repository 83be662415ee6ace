/* Deliver: one mail for several accounts, each with its own transaction and its own result. */
#include <stdatomic.h>

#include "services/metadata/rpc/rpc.h"

enum { RECIPIENTS_MAX = 10000, TRANSACTION_MAX = 64 };

static const struct pg_statement deliver_statement = { "deliver",
	"SELECT * FROM mail_deliver($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)" },
	filtered_statement = { "deliver_filtered",
	"SELECT * FROM mail_deliver_filtered($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,"
	" $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37)" };

struct delivery;

/* One recipient's; it has an arena of its own, as writers of several accounts work at the same time. */
struct copy {
	struct write write;
	struct arena arena;
	struct delivery *delivery;
	MetadataDeliverReply__Result *result;
};

struct delivery {
	struct rpc *rpc;
	atomic_size_t left;
	struct copy *copies;
	size_t count;
};

/* The last to be done answers the call. */
static void
one_less(struct delivery *delivery)
{
	if (atomic_fetch_sub(&delivery->left, 1) > 1)
		return;
	for (size_t i = 0; i < delivery->count; i++)
		arena_clear(&delivery->copies[i].arena);
	rpc_finish(delivery->rpc, ERR_OK);
}

static void
delivered(struct write *write, enum err err, const struct effects *effects)
{
	struct copy *copy = write->context;

	copy->result->status = err == ERR_OK ? effects->status : err;
	copy->result->again = err == ERR_OK && effects->answer.count > 0 && effects->answer.items[0] == 1;
	one_less(copy->delivery);
}

static void
action_args(struct pg_args *args, const MetadataDeliverRequest__Recipient *to)
{
	struct str *names = ARENA_ARRAY(args->arena, struct str, to->n_action), *keywords;
	int32_t *flags = ARENA_ARRAY(args->arena, int32_t, to->n_action), *places;
	size_t n = 0;

	for (size_t i = 0; i < to->n_action; i++)
		n += to->action[i]->n_keyword;
	keywords = ARENA_ARRAY(args->arena, struct str, n + 1);
	places = ARENA_ARRAY(args->arena, int32_t, n + 1);
	n = 0;
	for (size_t i = 0; i < to->n_action; i++) {
		const MetadataAction *action = to->action[i];

		names[i] = action->fileinto.len > 0 ? mailbox_name(args->arena, str_of(action->fileinto)) : STR("INBOX");
		flags[i] = (int32_t)action->flags;
		for (size_t k = 0; k < action->n_keyword; k++) {
			keywords[n] = str_of(action->keyword[k]);
			places[n++] = (int32_t)i + 1;
		}
	}
	pg_arg_byteses(args, names, to->n_action);
	pg_arg_int4s(args, flags, to->n_action);
	pg_arg_byteses(args, keywords, n);
	pg_arg_int4s(args, places, n);
}

/* In the queue, before the transaction, it is known which mailboxes to lock: the first few, the others are locked as they come. */
static void
lock_names(struct write *write, const MetadataDeliverRequest__Recipient *to)
{
	write->is_alone = to->n_action > WRITE_LOCKS_MAX - 1 || delivery_is_alone(to);
	if (write->is_alone)
		return;
	write->names[write->name_count++] = STR("INBOX");
	for (size_t i = 0; i < to->n_action; i++)
		if (to->action[i]->fileinto.len > 0)
			write->names[write->name_count++] = mailbox_name(write->arena, str_of(to->action[i]->fileinto));
}

/* One mail, into mailboxes by name: the way of most. */
static void
plain_args(struct pg_args *args, const MetadataMail *mail, const MetadataDeliverRequest__Recipient *to)
{
	pg_arg_bytes(args, str_of(mail->blob));
	pg_arg_int(args, mail->put_ms);
	pg_arg_int(args, (int64_t)mail->blob_size);
	pg_arg_int4(args, (int32_t)mail->parser_version);
	pg_arg_bool(args, mail->fields_complete);
	pg_arg_bytes(args, str_of(to->prefix));
	pg_arg_bytes(args, str_of(mail->envelope));
	pg_arg_bytes(args, str_of(mail->bodystructure));
	pg_arg_bytes(args, str_of(mail->body));
	pg_arg_bytes(args, str_of(mail->parts));
	pg_arg_bytes(args, str_of(mail->fields));
	pg_arg_int(args, date_now());
	action_args(args, to);
}

static void
copy_args(struct copy *copy, const MetadataDeliverRequest *req, size_t place)
{
	const MetadataDeliverRequest__Recipient *to = req->recipient[place];
	struct pg_args *args = &copy->write.args;

	args->arena = &copy->arena;
	pg_arg_int(args, (int64_t)to->account);
	key_args(args, key_part(copy->delivery->rpc->key, place));
	pg_arg_bytes(args, str_of(req->transaction));
	pg_arg_timeline(args);
	if (!delivery_is_filtered(to)) {
		plain_args(args, req->mail, to);
		return;
	}
	copy->write.statement = &filtered_statement;
	pg_arg_int(args, date_now());
	delivery_filtered_args(args, req, to);
}

static void
deliver_one(struct delivery *delivery, const MetadataDeliverRequest *req, size_t place)
{
	struct metadata *metadata = delivery->rpc->service;
	struct copy *copy = &delivery->copies[place];
	enum err err;

	copy->write.arena = &copy->arena;
	copy->write.account = req->recipient[place]->account;
	copy->write.deadline_ms = delivery->rpc->deadline_ms;
	copy->write.statement = &deliver_statement;
	copy->write.done = delivered;
	copy->write.context = copy;
	lock_names(&copy->write, req->recipient[place]);
	copy_args(copy, req, place);
	err = queue_submit(metadata->queue, &copy->write);
	if (err != ERR_OK)
		delivered(&copy->write, err, NULL);
}

static enum err
check_recipient(const MetadataDeliverRequest__Recipient *to)
{
	if (to->n_action == 0 || to->n_action > ACTIONS_MAX || to->prefix.len > PREFIX_MAX || to->account == 0)
		return ERR_INVALID;
	for (size_t i = 0; i < to->n_action; i++)
		TRY(delivery_action_check(to->action[i]));
	return ERR_OK;
}

static enum err
check(const MetadataDeliverRequest *req)
{
	if (!req->mail || req->n_recipient == 0 || req->transaction.len > TRANSACTION_MAX ||
	    req->transaction.len == sizeof(struct uuid))
		return ERR_INVALID;
	if (req->n_recipient > RECIPIENTS_MAX)
		return ERR_LIMIT;
	return mail_check(req->mail, STR_NONE, 0, NULL, 0);
}

enum err
rpc_deliver(struct rpc *rpc, const MetadataDeliverRequest *req, MetadataDeliverReply *reply)
{
	struct delivery *delivery = ARENA_NEW(rpc->arena, struct delivery);

	TRY(key_check(rpc->key));
	TRY(check(req));
	delivery->rpc = rpc;
	delivery->count = req->n_recipient;
	delivery->copies = ARENA_ARRAY(rpc->arena, struct copy, req->n_recipient);
	reply->n_result = req->n_recipient;
	reply->result = ARENA_ARRAY(rpc->arena, MetadataDeliverReply__Result *, req->n_recipient);
	/* All must be counted before the first can be done. */
	atomic_init(&delivery->left, req->n_recipient + 1);
	rpc_defer(rpc);
	for (size_t i = 0; i < req->n_recipient; i++) {
		reply->result[i] = ARENA_NEW(rpc->arena, MetadataDeliverReply__Result);
		metadata_deliver_reply__result__init(reply->result[i]);
		delivery->copies[i].delivery = delivery;
		delivery->copies[i].result = reply->result[i];
	}
	for (size_t i = 0; i < req->n_recipient; i++) {
		enum err err = check_recipient(req->recipient[i]);

		if (err == ERR_OK)
			deliver_one(delivery, req, i);
		else
			delivered(&(struct write){ .context = &delivery->copies[i] }, err, NULL);
	}
	one_less(delivery);
	return ERR_OK;
}
