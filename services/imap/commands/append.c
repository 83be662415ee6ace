/* APPEND.                                                                     RFC 3501 s. 6.3.11; RFC 4315 s. 3 (APPENDUID) */
#include "libcommon/blob/blob.h"
#include "libcommon/mail/derive.h"
#include "proto/metadata.client.h"
#include "services/imap/flags.h"
#include "services/imap/mailbox_name.h"
#include "services/imap/reply.h"
#include "services/imap/views.h"
#include "services/imap/wire.h"

struct append_args {
	struct str mailbox;
	struct imap_flags flags;
	bool has_date;
	struct mail_date date;
};

static enum err
parse_date_time(struct imap_cursor *cur, struct append_args *args)
{
	size_t start = cur->at;
	struct str text;

	TRY(cur_string(cur, &text));
	args->has_date = true;
	if (mail_date_parse_imap(text, &args->date))
		return ERR_OK;
	cur->at = start;
	return cur_fail(cur, "expected a date like \"17-Jul-1996 02:44:25 -0700\"");
}

static enum err
append_parse(struct imap_cursor *cur, void **ret_args)
{
	struct append_args *args = ARENA_NEW(cur->arena, struct append_args);

	TRY(cur_space(cur));
	TRY(cur_astring(cur, &args->mailbox));
	TRY(cur_space(cur));
	if (cur_is(cur, '(')) {
		TRY(imap_flags_parse_list(cur, &args->flags));
		TRY(cur_space(cur));
	}
	if (cur_is(cur, '"')) {
		TRY(parse_date_time(cur, args));
		TRY(cur_space(cur));
	}
	if (!cur->request->has_message)
		return cur_fail(cur, "expected a literal");
	*ret_args = args;
	return ERR_OK;
}

/* Everything that can be refused before the message is sent: with a synchronising literal, nobody sends it in vain. */
static enum err
check_before(struct imap_command *cmd, struct str name)
{
	MetadataStatusRequest request = METADATA_STATUS_REQUEST__INIT;
	MetadataStatusReply *reply;
	ProtobufCBinaryData wire = wire_bytes(name);

	if (cmd->request.message_size > (uint64_t)cmd->session->server->config->message_size)
		return ERR_TOO_BIG;
	if (cmd->request.message_size == 0)
		return imap_reply_no(cmd, ERR_CANNOT, "CANNOT", "an empty message can not be stored");
	request.account = cmd->session->account;
	request.n_name = 1;
	request.name = &wire;
	TRY(metadata_status(cmd->call, &request, &reply));
	if (reply->n_state != 1)
		return ERR_INTERNAL;
	TRY(err_from_wire(reply->state[0]->status));
	return reply->state[0]->attributes & METADATA_ATTRIBUTE__METADATA_NOSELECT ? ERR_NO_MAILBOX : ERR_OK;
}

/*
 * From the connection to the blob service and through the parser, as the bytes come. A failure of the store takes the rest of the
 * message all the same, so that NO can be answered.
 */
static enum err
stream(struct imap_command *cmd, struct blob_upload *upload, struct mail_parser *parser)
{
	struct imap_session *session = cmd->session;
	struct buffer *input = net_input(session->conn);

	if (cmd->request.is_sync)
		imap_reply_continue(session, "go ahead");
	/* From here on the bytes are on the wire, "+" or not. */
	cmd->request.is_sync = false;
	for (;;) {
		struct str piece = str_sub(buffer_str(input), 0, cmd->message_left < SIZE_MAX ? (size_t)cmd->message_left : SIZE_MAX);

		(void)blob_upload_add(upload, piece);
		mail_parser_feed(parser, piece);
		cmd->message_left -= piece.len;
		buffer_consume(input, piece.len);
		if (cmd->message_left == 0)
			return ERR_OK;
		TRY(imap_session_read(session));
	}
}

/* The row's derived columns. */
static void
describe(struct imap_command *cmd, struct mail_parser *parser, const struct blob_stored *stored, MetadataMail *ret_mail)
{
	struct mail_derived derived;

	mail_derive(mail_parser_finish(parser), cmd->arena, &derived);
	ret_mail->blob = wire_bytes(stored->ref);
	ret_mail->put_ms = stored->put_ms;
	ret_mail->blob_size = stored->size;
	ret_mail->parser_version = derived.parser_version;
	ret_mail->envelope = wire_bytes(derived.envelope);
	ret_mail->bodystructure = wire_bytes(derived.bodystructure);
	ret_mail->body = wire_bytes(derived.body);
	ret_mail->parts = wire_bytes(derived.parts);
	ret_mail->fields = wire_bytes(derived.fields);
	ret_mail->fields_complete = !derived.is_fields_cut;
}

/* Take the message and store its body; *ret_mail is then ready for its row. */
static enum err
store_body(struct imap_command *cmd, MetadataMail *ret_mail)
{
	struct blob_upload upload;
	struct blob_stored stored;
	struct mail_parser parser;
	bool is_end;
	enum err err;

	blob_upload_begin(&upload, cmd->call);
	mail_parser_init(&parser);
	err = stream(cmd, &upload, &parser);
	if (err == ERR_OK)
		err = imap_session_drain_line(cmd->session, &is_end);
	if (err == ERR_OK && !is_end)
		err = imap_reply_no(cmd, ERR_SYNTAX, "", "expected the end of the line behind the message");
	if (err == ERR_OK) {
		err = blob_upload_finish(&upload, cmd->arena, &stored);
		if (err == ERR_OK)
			describe(cmd, &parser, &stored, ret_mail);
	} else {
		blob_upload_abort(&upload);
	}
	mail_parser_clear(&parser);
	return err;
}

static void
set_date(const struct append_args *args, MetadataNewMail *mail)
{
	mail->has_date = args->has_date;
	if (args->has_date)
		mail->date = args->date.unix_s * 1000 * 2048 + args->date.offset_minutes + 1024;
}

/*
 * The own view sees it at once, when the message went to the selected mailbox. When nothing else came between, the change in the answer is
 * all that is new.
 */
static void
show(struct imap_command *cmd, const MetadataAppendReply *reply)
{
	struct imap_view *view = cmd->session->view;

	if (view && imap_mailbox_number(view) == reply->mailbox)
		imap_view_changed(view, wire_cursor_at(reply->cursor), reply->change);
}

static enum err
append_run(struct imap_command *cmd)
{
	struct append_args *args = cmd->args;
	MetadataMail mail = METADATA_MAIL__INIT;
	MetadataNewMail item = METADATA_NEW_MAIL__INIT, *items[] = { &item };
	MetadataAppendRequest request = METADATA_APPEND_REQUEST__INIT;
	MetadataAppendReply *reply;
	struct str name;

	TRY(imap_mailbox_try_create(cmd, imap_mailbox_name(cmd, args->mailbox, &name)));
	TRY(imap_mailbox_try_create(cmd, check_before(cmd, name)));
	TRY(store_body(cmd, &mail));
	item.mail = &mail;
	item.flags = args->flags.system;
	item.n_keyword = args->flags.keyword_count;
	item.keyword = wire_list(args->flags.keywords, args->flags.keyword_count, cmd->arena);
	set_date(args, &item);
	request.account = cmd->session->account;
	request.name = wire_bytes(name);
	request.n_mail = 1;
	request.mail = items;
	TRY(imap_mailbox_try_create(cmd, metadata_append(cmd->call, &request, &reply)));
	if (reply->n_uid != 1)
		return ERR_INTERNAL;
	show(cmd, reply);
	return imap_reply_ok(cmd, "APPENDUID %u %u", reply->uidvalidity, reply->uid[0]);
}

const struct imap_command_row imap_commands_append[] = {
	{ "APPEND", IMAP_LOGGED_IN, IMAP_CMD_MESSAGE, append_parse, append_run },
	{ 0 },
};
