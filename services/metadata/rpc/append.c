/* Append: new mails into one mailbox, all or none. */
#include "services/metadata/rpc/rpc.h"

enum { MAILS_MAX = 1000 };

static const struct pg_statement append_statement = { "append",
	"SELECT * FROM mailbox_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)" };

static enum err
answer_append(struct change_call *call, const struct effects *effects)
{
	MetadataAppendReply *reply = (MetadataAppendReply *)call->rpc->reply;
	struct arena *arena = call->rpc->arena;
	const int64_t *answer = effects->answer.items;

	if (effects->answer.count < 4)
		return ERR_INTERNAL;
	reply->mailbox = (uint64_t)answer[0];
	reply->uidvalidity = (uint32_t)answer[1];
	reply->n_uid = (size_t)answer[3];
	reply->uid = ARENA_ARRAY(arena, uint32_t, reply->n_uid + 1);
	for (size_t i = 0; i < reply->n_uid; i++)
		reply->uid[i] = (uint32_t)answer[2] + (uint32_t)i;
	if (effects->count > 0) {
		reply->change = effects->items[0].change;
		reply->cursor = cursor_make(arena, effects->items[0].new.timeline, effects->items[0].new.modseq);
	}
	return ERR_OK;
}

/* One bytea[] of a field of every mail. */
static void
column(struct pg_args *args, const MetadataAppendRequest *req, size_t offset)
{
	struct str *values = ARENA_ARRAY(args->arena, struct str, req->n_mail);

	for (size_t i = 0; i < req->n_mail; i++)
		values[i] = str_of(*(const ProtobufCBinaryData *)((const char *)req->mail[i]->mail + offset));
	pg_arg_byteses(args, values, req->n_mail);
}

static void
number_args(struct pg_args *args, const MetadataAppendRequest *req)
{
	int64_t *put = ARENA_ARRAY(args->arena, int64_t, req->n_mail), *size = ARENA_ARRAY(args->arena, int64_t, req->n_mail);
	int32_t *parser = ARENA_ARRAY(args->arena, int32_t, req->n_mail);
	bool *complete = ARENA_ARRAY(args->arena, bool, req->n_mail);
	struct str *prefix = ARENA_ARRAY(args->arena, struct str, req->n_mail);

	for (size_t i = 0; i < req->n_mail; i++) {
		const MetadataMail *mail = req->mail[i]->mail;

		put[i] = mail->put_ms;
		size[i] = (int64_t)mail->blob_size;
		parser[i] = (int32_t)mail->parser_version;
		complete[i] = mail->fields_complete;
		prefix[i] = str_of(req->mail[i]->prefix);
	}
	pg_arg_ints(args, put, req->n_mail);
	pg_arg_ints(args, size, req->n_mail);
	pg_arg_int4s(args, parser, req->n_mail);
	pg_arg_bools(args, complete, req->n_mail);
	pg_arg_byteses(args, prefix, req->n_mail);
}

static void
flag_args(struct pg_args *args, const MetadataAppendRequest *req)
{
	int32_t *flags = ARENA_ARRAY(args->arena, int32_t, req->n_mail), *place;
	int64_t *date = ARENA_ARRAY(args->arena, int64_t, req->n_mail);
	struct str *keyword;
	size_t n = 0;

	for (size_t i = 0; i < req->n_mail; i++)
		n += req->mail[i]->n_keyword;
	keyword = ARENA_ARRAY(args->arena, struct str, n + 1);
	place = ARENA_ARRAY(args->arena, int32_t, n + 1);
	n = 0;
	for (size_t i = 0; i < req->n_mail; i++) {
		flags[i] = (int32_t)req->mail[i]->flags;
		date[i] = req->mail[i]->has_date ? req->mail[i]->date : date_now();
		for (size_t k = 0; k < req->mail[i]->n_keyword; k++) {
			keyword[n] = str_of(req->mail[i]->keyword[k]);
			place[n++] = (int32_t)i + 1;
		}
	}
	pg_arg_int4s(args, flags, req->n_mail);
	pg_arg_ints(args, date, req->n_mail);
	pg_arg_byteses(args, keyword, n);
	pg_arg_int4s(args, place, n);
}

static enum err
check(const MetadataAppendRequest *req)
{
	if (req->n_mail == 0)
		return ERR_INVALID;
	if (req->n_mail > MAILS_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < req->n_mail; i++) {
		const MetadataNewMail *mail = req->mail[i];

		if (!mail->mail)
			return ERR_INVALID;
		TRY(mail_check(mail->mail, str_of(mail->prefix), mail->flags, mail->keyword, mail->n_keyword));
	}
	return ERR_OK;
}

enum err
rpc_append(struct rpc *rpc, const MetadataAppendRequest *req, MetadataAppendReply *reply)
{
	static const size_t derived[] = { offsetof(MetadataMail, envelope), offsetof(MetadataMail, bodystructure),
		offsetof(MetadataMail, body), offsetof(MetadataMail, parts), offsetof(MetadataMail, fields) };
	struct str name = mailbox_name(rpc->arena, str_of(req->name));
	struct change_call *call;
	struct pg_args *args;

	(void)reply;
	TRY(authorise(rpc, req->account));
	TRY(check(req));
	TRY(change_call_new(rpc, req->account, &append_statement, req, answer_append, &call));
	args = &call->write.args;
	call->write.names[call->write.name_count++] = name;
	pg_arg_int(args, (int64_t)req->account);
	key_args(args, rpc->key);
	pg_arg_timeline(args);
	pg_arg_bytes(args, name);
	column(args, req, offsetof(MetadataMail, blob));
	number_args(args, req);
	for (size_t i = 0; i < sizeof(derived) / sizeof(derived[0]); i++)
		column(args, req, derived[i]);
	flag_args(args, req);
	return change_call_submit(call);
}
