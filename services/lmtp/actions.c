/* What scripts have decided, as the metadata service is to do it. */
#include "services/lmtp/actions.h"

#include "libcommon/mail/header.h"
#include "libcommon/mail/objectid.h"
#include "services/lmtp/flags.h"
#include "services/lmtp/head.h"
#include "services/lmtp/store.h"
#include "services/lmtp/trace.h"
#include "services/lmtp/wire.h"

enum { MESSAGE_ID_MAX = 998, KEYWORDS_MAX = 64 }; /* what the metadata service takes */

struct lmtp_upload {
	struct lmtp_store store;
	struct str bytes;     /* by which it is found again */
	bool has_rest;        /* they are a header before the rest of the mail; else they are all */
	MetadataMail *mail;   /* what becomes of it */
	struct lmtp_upload *next;
};

/* One filter's actions in the making. */
struct making {
	struct lmtp_transaction *mail;
	const struct lmtp_filter *filter;
	struct lmtp_actions *actions;
	struct arena *arena; /* for what is needed only until the uploads are settled */
};

static ProtobufCBinaryData
keep(const struct making *making, ProtobufCBinaryData bytes)
{
	return lmtp_wire(arena_copy(&making->mail->arena, lmtp_str(bytes)));
}

/* ---- mails of their own */

static enum err
upload(struct making *making, struct lmtp_upload *upload)
{
	struct bus_call call = lmtp_transaction_call(making->mail, making->arena);

	lmtp_store_begin(&upload->store, &call);
	TRY(lmtp_store_add(&upload->store, upload->bytes));
	if (upload->has_rest && !str_ends_with(upload->bytes, STR("\n")))
		TRY(lmtp_store_add(&upload->store, STR("\r\n")));
	if (upload->has_rest)
		TRY(lmtp_head_copy_rest(making->mail, &upload->store));
	lmtp_store_complete(&upload->store);
	return ERR_OK;
}

/* The same bytes are stored once. An error shows when they are settled. */
static MetadataMail *
store(struct making *making, struct str bytes, bool has_rest)
{
	struct lmtp_upload *new;

	for (struct lmtp_upload *old = making->actions->uploads; old != NULL; old = old->next)
		if (old->has_rest == has_rest && str_equal(old->bytes, bytes))
			return old->mail;
	new = ARENA_NEW(making->arena, struct lmtp_upload);
	new->bytes = bytes;
	new->has_rest = has_rest;
	new->mail = ARENA_NEW(&making->mail->arena, MetadataMail);
	new->next = making->actions->uploads;
	making->actions->uploads = new;
	upload(making, new);
	return new->mail;
}

enum err
lmtp_actions_settle(struct lmtp_transaction *mail, struct lmtp_actions *actions)
{
	enum err err = ERR_OK;

	for (struct lmtp_upload *one = actions->uploads; one != NULL; one = one->next) {
		enum err failed = one->store.upload.err;

		if (failed == ERR_OK)
			failed = lmtp_store_finish(&one->store, &mail->arena, one->mail);
		lmtp_store_clear(&one->store);
		err = err == ERR_OK ? failed : err;
	}
	actions->uploads = NULL;
	return err;
}

/* A header block as scripts have left it, without the empty line. */
static struct str
header_of(const SieveAction *action)
{
	struct str header = lmtp_str(action->header);

	if (str_ends_with(header, STR("\n\r\n")))
		return str_sub(header, 0, header.len - 2);
	return str_equal(header, STR("\r\n")) ? STR("") : header;
}

/* Without the fields that we have put before the mail: those of a redirected one are written anew. */
static struct str
without_prefix(const struct making *making, struct str header)
{
	struct buffer out = { 0 };
	struct mail_field field;
	struct str copy;

	while (mail_header_next(&header, &field)) {
		struct str prefix = making->filter->prefix;
		size_t at = str_find(prefix, field.raw);

		if (at == prefix.len || (at > 0 && prefix.ptr[at - 1] != '\n'))
			buffer_add(&out, field.raw);
	}
	copy = arena_copy(making->arena, buffer_str(&out));
	buffer_clear(&out);
	return copy;
}

/* ---- one action each */

static enum err
add(struct making *making, MetadataAction **ret_action)
{
	struct lmtp_actions *actions = making->actions;

	if (actions->count == LMTP_ACTIONS_MAX)
		return ERR_LIMIT;
	*ret_action = ARENA_NEW(&making->mail->arena, MetadataAction);
	metadata_action__init(*ret_action);
	actions->items[actions->count++] = *ret_action;
	return ERR_OK;
}

static MetadataMark *
mark_of(const struct making *making, const SieveMark *mark, bool is_rerun)
{
	MetadataMark *claim;

	if (mark == NULL || mark->kind.len == 0)
		return NULL;
	claim = ARENA_NEW(&making->mail->arena, MetadataMark);
	metadata_mark__init(claim);
	claim->kind = keep(making, mark->kind);
	claim->key = keep(making, mark->key);
	claim->life_ms = (int64_t)(mark->lifetime_s < INT64_MAX / 1000 ? mark->lifetime_s * 1000 : INT64_MAX);
	claim->mode = mark->last ? METADATA_MARK__MODE__PROLONG : is_rerun ? METADATA_MARK__MODE__RERUN : METADATA_MARK__MODE__SKIP;
	return claim;
}

static void
set_flags(const struct making *making, const SieveAction *from, MetadataAction *action)
{
	action->keyword = ARENA_ARRAY(&making->mail->arena, ProtobufCBinaryData, from->n_flag + 1);
	for (size_t i = 0; i < from->n_flag; i++) {
		struct str flag = lmtp_str(from->flag[i]);

		if (flag.len > 0 && flag.ptr[0] == '\\')
			action->flags |= lmtp_system_flag(flag);
		else if (action->n_keyword < KEYWORDS_MAX)
			action->keyword[action->n_keyword++] = keep(making, from->flag[i]);
	}
}

/* A KEEP names no mailbox, and is INBOX. */
static enum err
add_copy(struct making *making, const SieveAction *from)
{
	MetadataAction *action;

	TRY(add(making, &action));
	action->fileinto = keep(making, from->mailbox);
	action->special_use = lmtp_special_use(lmtp_str(from->special_use));
	action->mailbox = mail_objectid_parse(MAIL_OBJECT_MAILBOX, making->filter->recipient->account, lmtp_str(from->mailbox_id));
	action->create = from->create;
	action->claim = mark_of(making, from->mark, false);
	set_flags(making, from, action);
	if (from->message.len > 0)
		action->mail = store(making, lmtp_str(from->message), false);
	else if (from->has_header)
		action->mail = store(making, header_of(from), true);
	return ERR_OK;
}

/* Is it on its way to this address already, because another address of the account has sent it? */
static bool
is_sent(const struct making *making, const char *kind, struct str to)
{
	for (size_t i = 0; i < making->actions->count; i++) {
		const MetadataSend *sent = making->actions->items[i]->send;

		if (sent != NULL && str_equal(lmtp_str(sent->kind), str_c(kind)) && str_equal(lmtp_str(sent->recipient), to))
			return true;
	}
	return false;
}

/* For the log and for bounces; one that is no line of text is none. */
static struct str
message_id(const struct making *making, struct str header)
{
	struct str id;

	if (!mail_header_find(header, STR("Message-ID"), &id))
		return STR("");
	id = str_trim(mail_unfold(id, &making->mail->arena));
	for (size_t i = 0; i < id.len; i++)
		if ((unsigned char)id.ptr[i] < ' ' || id.ptr[i] == 0x7f)
			return STR("");
	return id.len <= MESSAGE_ID_MAX ? id : STR("");
}

static enum err
add_send(struct making *making, const char *kind, const SieveAction *from, MetadataAction **ret_action)
{
	MetadataSend *send = ARENA_NEW(&making->mail->arena, MetadataSend);

	TRY(add(making, ret_action));
	metadata_send__init(send);
	send->kind = lmtp_wire(str_c(kind));
	send->recipient = keep(making, from->address);
	(*ret_action)->send = send;
	return ERR_OK;
}

/* RFC 5228 s. 4.2: from the same sender, the null one too; with the trace fields of a relay, by which a loop is seen. */
static enum err
add_redirect(struct making *making, const SieveAction *from)
{
	struct str prefix = making->filter->prefix;
	MetadataAction *action;

	if (is_sent(making, "redirect", lmtp_str(from->address)))
		return ERR_OK;
	TRY(add_send(making, "redirect", from, &action));
	action->send->sender = lmtp_wire(making->mail->sender);
	action->send->prefix = lmtp_wire(str_sub(prefix, str_index(prefix, '\n') + 1, SIZE_MAX));
	if (from->has_header)
		action->mail = store(making, without_prefix(making, header_of(from)), true);
	action->send->message_id = lmtp_wire(message_id(making, from->has_header ? header_of(from) : lmtp_head_fields(making->mail)));
	return ERR_OK;
}

/* RFC 3834 s. 3.3, RFC 5230 s. 5, RFC 5429 s. 2.2.1: automatic answers come from nobody. */
static enum err
add_message(struct making *making, const SieveAction *from)
{
	static const char *const names[] = { [SIEVE_ACTION__SEND__VACATION] = "vacation", [SIEVE_ACTION__SEND__REJECT] = "reject",
		[SIEVE_ACTION__SEND__NOTIFY] = "notify" };
	const char *kind = (unsigned)from->send < sizeof(names) / sizeof(names[0]) ? names[from->send] : "notify";
	MetadataAction *action;

	if (from->send == SIEVE_ACTION__SEND__VACATION && is_sent(making, kind, lmtp_str(from->address)))
		return ERR_OK;
	TRY(add_send(making, kind, from, &action));
	action->claim = mark_of(making, from->mark, false);
	action->mail = store(making, lmtp_str(from->message), false);
	action->send->message_id = lmtp_wire(message_id(making, lmtp_str(from->message)));
	return ERR_OK;
}

static enum err
refuse(struct making *making, const SieveAction *from)
{
	making->filter->recipient->refusal = lmtp_refusal(lmtp_str(from->text), &making->mail->arena);
	return ERR_REFUSED;
}

/* It says that nothing else need be done; beside other actions it is nothing itself. */
static enum err
discard(struct making *making, const SieveAction *from)
{
	MetadataAction *action;

	(void)from;
	TRY(add(making, &action));
	action->discard = true;
	return ERR_OK;
}

static enum err
add_mark(struct making *making, const SieveAction *from)
{
	MetadataAction *action;

	TRY(add(making, &action));
	action->claim = mark_of(making, from->mark, true);
	action->discard = action->claim == NULL;
	return ERR_OK;
}

static enum err (*const kinds[])(struct making *making, const SieveAction *from) = {
	[SIEVE_ACTION__KIND__KEEP] = add_copy,
	[SIEVE_ACTION__KIND__FILEINTO] = add_copy,
	[SIEVE_ACTION__KIND__REDIRECT] = add_redirect,
	[SIEVE_ACTION__KIND__SEND] = add_message,
	[SIEVE_ACTION__KIND__REFUSE] = refuse,
	[SIEVE_ACTION__KIND__DISCARD] = discard,
	[SIEVE_ACTION__KIND__MARK] = add_mark,
};

enum err
lmtp_actions_add(struct lmtp_transaction *mail, const struct lmtp_filter *filter, struct lmtp_actions *actions, struct arena *arena)
{
	struct making making = { .mail = mail, .filter = filter, .actions = actions, .arena = arena };
	const SieveFilterReply *reply = filter->reply;
	MetadataAction *action;

	for (size_t i = 0; i < reply->n_action; i++)
		if (reply->action[i]->kind == SIEVE_ACTION__KIND__REFUSE)
			return refuse(&making, reply->action[i]);
	for (size_t i = 0; i < reply->n_action; i++) {
		/* A newer service's: what it means is not known, so the mail is not lost. */
		if ((unsigned)reply->action[i]->kind >= sizeof(kinds) / sizeof(kinds[0]))
			return ERR_NOT_SUPPORTED;
		TRY(kinds[reply->action[i]->kind](&making, reply->action[i]));
	}
	if (reply->n_action > 0)
		return ERR_OK;
	TRY(add(&making, &action));
	action->discard = reply->outcome == SIEVE_FILTER_REPLY__OUTCOME__OK;
	return ERR_OK;
}

/* ---- the text of a refusal */

struct str
lmtp_refusal(struct str text, struct arena *arena)
{
	struct buffer out = { 0 };
	size_t line_len = 0, lines = 1;
	struct str copy;

	text = str_trim(text);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		/* Of a letter that is not ASCII one mark is left, whatever its length. */
		if (c == '\r' || (c & 0xc0) == 0x80)
			continue;
		if (c == '\n' || line_len == LMTP_REFUSAL_LINE_MAX) {
			if (lines++ == LMTP_REFUSAL_LINES_MAX)
				break;
			buffer_add_byte(&out, '\n');
			line_len = 0;
		}
		if (c == '\n')
			continue;
		buffer_add_byte(&out, c >= ' ' && c < 0x7f ? (char)c : c < 0x80 ? ' ' : '?');
		line_len++;
	}
	copy = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return copy;
}
