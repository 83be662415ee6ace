/* Deliver, to one whose scripts decided more than which mailboxes by name: the parameters of mail_deliver_filtered. */
#include "services/metadata/rpc/rpc.h"

/* A mark that is to last for longer lasts so long. */
static const int64_t LIFE_MAX_MS = 100LL * 365 * 86400 * 1000;

/* A mail with the prefix that it has in copies. */
struct mail_row {
	const MetadataMail *mail;
	struct str prefix;
};

/* What the actions of one recipient need; each mail and each mark is there once. */
struct decision {
	const MetadataDeliverRequest *req;
	const MetadataDeliverRequest__Recipient *to;
	struct pg_args *args;
	struct mail_row *mails;
	size_t mail_count;
	const MetadataMark **marks;
	size_t mark_count;
};

/* The place of an action's mail, from 1. */
static int32_t
mail_of(struct decision *d, const MetadataAction *action)
{
	struct mail_row row = { action->mail ? action->mail : d->req->mail, str_of(action->mail ? action->prefix : d->to->prefix) };
	size_t i = 0;

	while (i < d->mail_count &&
	    !(str_equal(str_of(d->mails[i].mail->blob), str_of(row.mail->blob)) && str_equal(d->mails[i].prefix, row.prefix)))
		i++;
	if (i == d->mail_count)
		d->mails[d->mail_count++] = row;
	return (int32_t)i + 1;
}

/* Of the mark that it claims; 0: none. */
static int32_t
mark_of(struct decision *d, const MetadataAction *action)
{
	const MetadataMark *mark = action->claim;
	size_t i = 0;

	if (!mark)
		return 0;
	while (i < d->mark_count &&
	    !(str_equal(str_of(d->marks[i]->kind), str_of(mark->kind)) && str_equal(str_of(d->marks[i]->key), str_of(mark->key))))
		i++;
	if (i == d->mark_count)
		d->marks[d->mark_count++] = mark;
	return (int32_t)i + 1;
}

static void
mail_args(const struct decision *d)
{
	static const size_t derived[] = { offsetof(MetadataMail, envelope), offsetof(MetadataMail, bodystructure),
		offsetof(MetadataMail, body), offsetof(MetadataMail, parts), offsetof(MetadataMail, fields) };
	struct arena *arena = d->args->arena;
	size_t n = d->mail_count;
	struct str *blob = ARENA_ARRAY(arena, struct str, n + 1), *prefix = ARENA_ARRAY(arena, struct str, n + 1);
	int64_t *put = ARENA_ARRAY(arena, int64_t, n + 1), *size = ARENA_ARRAY(arena, int64_t, n + 1);
	int32_t *parser = ARENA_ARRAY(arena, int32_t, n + 1);
	bool *complete = ARENA_ARRAY(arena, bool, n + 1);

	for (size_t i = 0; i < n; i++) {
		const MetadataMail *mail = d->mails[i].mail;

		blob[i] = str_of(mail->blob);
		put[i] = mail->put_ms;
		size[i] = (int64_t)mail->blob_size;
		parser[i] = (int32_t)mail->parser_version;
		complete[i] = mail->fields_complete;
		prefix[i] = d->mails[i].prefix;
	}
	pg_arg_byteses(d->args, blob, n);
	pg_arg_ints(d->args, put, n);
	pg_arg_ints(d->args, size, n);
	pg_arg_int4s(d->args, parser, n);
	pg_arg_bools(d->args, complete, n);
	pg_arg_byteses(d->args, prefix, n);
	for (size_t k = 0; k < sizeof(derived) / sizeof(derived[0]); k++) {
		struct str *values = ARENA_ARRAY(arena, struct str, n + 1);

		for (size_t i = 0; i < n; i++)
			values[i] = str_of(*(const ProtobufCBinaryData *)((const char *)d->mails[i].mail + derived[k]));
		pg_arg_byteses(d->args, values, n);
	}
}

static void
mark_args(const struct decision *d)
{
	struct arena *arena = d->args->arena;
	size_t n = d->mark_count;
	struct str *kind = ARENA_ARRAY(arena, struct str, n + 1), *key = ARENA_ARRAY(arena, struct str, n + 1);
	int64_t *life = ARENA_ARRAY(arena, int64_t, n + 1);
	int32_t *mode = ARENA_ARRAY(arena, int32_t, n + 1);

	for (size_t i = 0; i < n; i++) {
		kind[i] = str_of(d->marks[i]->kind);
		key[i] = str_of(d->marks[i]->key);
		life[i] = d->marks[i]->life_ms < LIFE_MAX_MS ? d->marks[i]->life_ms : LIFE_MAX_MS;
		mode[i] = (int32_t)d->marks[i]->mode;
	}
	pg_arg_byteses(d->args, kind, n);
	pg_arg_byteses(d->args, key, n);
	pg_arg_ints(d->args, life, n);
	pg_arg_int4s(d->args, mode, n);
}

/* What goes into a mailbox, and what goes out. */
struct copies {
	int32_t mail[ACTIONS_MAX], mark[ACTIONS_MAX], mailbox[ACTIONS_MAX], use[ACTIONS_MAX], flags[ACTIONS_MAX];
	struct str name[ACTIONS_MAX];
	bool create[ACTIONS_MAX];
	size_t count;
	struct str *keyword;
	int32_t *keyword_copy;
	size_t keyword_count;
};

struct sends {
	int32_t mail[ACTIONS_MAX], mark[ACTIONS_MAX];
	struct str kind[ACTIONS_MAX], sender[ACTIONS_MAX], recipient[ACTIONS_MAX], message_id[ACTIONS_MAX], prefix[ACTIONS_MAX];
	size_t count;
};

static void
add_copy(struct decision *d, struct copies *copies, const MetadataAction *action)
{
	struct arena *arena = d->args->arena;
	size_t n = copies->count++;
	struct str name = action->fileinto.len > 0 ? str_of(action->fileinto) : STR("INBOX"), made;

	copies->mail[n] = mail_of(d, action);
	copies->mark[n] = mark_of(d, action);
	copies->mailbox[n] = action->mailbox <= INT32_MAX ? (int32_t)action->mailbox : 0;
	copies->use[n] = (int32_t)(action->special_use & SPECIAL_USES);
	copies->flags[n] = (int32_t)action->flags;
	/* What may not be made is looked for none the less. */
	copies->create[n] = action->create && mailbox_name_new(arena, name, &made) == ERR_OK;
	copies->name[n] = copies->create[n] ? made : mailbox_name(arena, name);
	for (size_t k = 0; k < action->n_keyword; k++) {
		copies->keyword[copies->keyword_count] = str_of(action->keyword[k]);
		copies->keyword_copy[copies->keyword_count++] = (int32_t)n + 1;
	}
}

static void
add_send(struct decision *d, struct sends *sends, const MetadataAction *action)
{
	const MetadataSend *send = action->send;
	size_t n = sends->count++;

	sends->mail[n] = mail_of(d, action);
	sends->mark[n] = mark_of(d, action);
	sends->kind[n] = str_of(send->kind);
	sends->sender[n] = str_of(send->sender);
	sends->recipient[n] = str_of(send->recipient);
	sends->message_id[n] = str_of(send->message_id);
	sends->prefix[n] = str_of(send->prefix);
}

static void
copy_args(struct pg_args *args, const struct copies *copies)
{
	size_t n = copies->count;

	pg_arg_int4s(args, copies->mail, n);
	pg_arg_int4s(args, copies->mark, n);
	pg_arg_int4s(args, copies->mailbox, n);
	pg_arg_int4s(args, copies->use, n);
	pg_arg_byteses(args, copies->name, n);
	pg_arg_bools(args, copies->create, n);
	pg_arg_int4s(args, copies->flags, n);
	pg_arg_byteses(args, copies->keyword, copies->keyword_count);
	pg_arg_int4s(args, copies->keyword_copy, copies->keyword_count);
}

static void
send_args(struct pg_args *args, const struct sends *sends)
{
	size_t n = sends->count;

	pg_arg_int4s(args, sends->mail, n);
	pg_arg_int4s(args, sends->mark, n);
	pg_arg_byteses(args, sends->kind, n);
	pg_arg_byteses(args, sends->sender, n);
	pg_arg_byteses(args, sends->recipient, n);
	pg_arg_byteses(args, sends->message_id, n);
	pg_arg_byteses(args, sends->prefix, n);
}

/* Discards, and marks that nothing depends on, are no copy. */
static bool
is_copy(const MetadataAction *action)
{
	return !action->discard &&
	    (!action->claim || action->mail || action->fileinto.len > 0 || action->special_use != 0 || action->mailbox != 0);
}

bool
delivery_is_filtered(const MetadataDeliverRequest__Recipient *to)
{
	for (size_t i = 0; i < to->n_action; i++) {
		const MetadataAction *action = to->action[i];

		if (action->send || action->claim || action->discard || action->mail || action->create || action->special_use != 0 ||
		    action->mailbox != 0)
			return true;
	}
	return false;
}

bool
delivery_is_alone(const MetadataDeliverRequest__Recipient *to)
{
	for (size_t i = 0; i < to->n_action; i++)
		if (to->action[i]->claim || to->action[i]->create || to->action[i]->special_use != 0 || to->action[i]->mailbox != 0)
			return true;
	return false;
}

void
delivery_filtered_args(struct pg_args *args, const MetadataDeliverRequest *req, const MetadataDeliverRequest__Recipient *to)
{
	struct arena *arena = args->arena;
	struct copies *copies = ARENA_NEW(arena, struct copies);
	struct sends *sends = ARENA_NEW(arena, struct sends);
	struct decision d = { .req = req, .to = to, .args = args };
	size_t keywords = 0;

	for (size_t i = 0; i < to->n_action; i++)
		keywords += to->action[i]->n_keyword;
	d.mails = ARENA_ARRAY(arena, struct mail_row, to->n_action);
	d.marks = ARENA_ARRAY(arena, const MetadataMark *, to->n_action);
	copies->keyword = ARENA_ARRAY(arena, struct str, keywords + 1);
	copies->keyword_copy = ARENA_ARRAY(arena, int32_t, keywords + 1);
	for (size_t i = 0; i < to->n_action; i++) {
		if (to->action[i]->send)
			add_send(&d, sends, to->action[i]);
		else if (is_copy(to->action[i]))
			add_copy(&d, copies, to->action[i]);
		else
			(void)mark_of(&d, to->action[i]);
	}
	mail_args(&d);
	mark_args(&d);
	copy_args(args, copies);
	send_args(args, sends);
}

static bool
is_line(struct str s, size_t max)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return false;
	return s.len <= max;
}

static enum err
send_check(const MetadataSend *send)
{
	if (!word_is_kind(str_of(send->kind)) || send->recipient.len == 0 || send->prefix.len > PREFIX_MAX)
		return ERR_INVALID;
	if (!is_line(str_of(send->sender), MAIL_ADDRESS_MAX) || !is_line(str_of(send->recipient), MAIL_ADDRESS_MAX) ||
	    !is_line(str_of(send->message_id), MESSAGE_ID_MAX))
		return ERR_INVALID;
	return ERR_OK;
}

enum err
delivery_action_check(const MetadataAction *action)
{
	TRY(mail_check(action->mail, str_of(action->prefix), action->flags, action->keyword, action->n_keyword));
	if (action->claim)
		TRY(mark_check(action->claim));
	return action->send ? send_check(action->send) : ERR_OK;
}
