/* STATUS.                                                                                         RFC 3501 s. 6.3.10 */
#include "proto/metadata.client.h"
#include "services/imap/mailbox_name.h"
#include "services/imap/reply.h"
#include "services/imap/status.h"
#include "services/imap/wire.h"

enum { ITEMS_MAX = 32 };

struct status_args {
	struct str mailbox;
	const struct imap_status_row *items[ITEMS_MAX];
	size_t count;
};

/* ---- items */

static enum err
print_messages(struct imap_command *cmd, const MetadataState *state, struct buffer *out)
{
	(void)cmd;
	buffer_printf(out, "%u", state->messages);
	return ERR_OK;
}

static enum err
print_uidnext(struct imap_command *cmd, const MetadataState *state, struct buffer *out)
{
	(void)cmd;
	buffer_printf(out, "%u", state->uidnext);
	return ERR_OK;
}

static enum err
print_uidvalidity(struct imap_command *cmd, const MetadataState *state, struct buffer *out)
{
	(void)cmd;
	buffer_printf(out, "%u", state->uidvalidity);
	return ERR_OK;
}

static enum err
print_unseen(struct imap_command *cmd, const MetadataState *state, struct buffer *out)
{
	(void)cmd;
	buffer_printf(out, "%u", state->unseen);
	return ERR_OK;
}

/* The row has no count of these: the messages above recent_uid are counted, and there are seldom many. */
static enum err
print_recent(struct imap_command *cmd, const MetadataState *state, struct buffer *out)
{
	MetadataLoadRequest request = METADATA_LOAD_REQUEST__INIT;
	MetadataLoadReply *reply;
	uint64_t count = 0;

	request.account = cmd->session->account;
	request.mailbox = state->mailbox;
	request.after_uid = state->recent_uid;
	while (request.after_uid + 1 < state->uidnext) {
		TRY(metadata_load(cmd->call, &request, &reply));
		if (!reply->rows || reply->rows->n_uid == 0)
			break;
		count += reply->rows->n_uid;
		request.after_uid = reply->rows->uid[reply->rows->n_uid - 1];
		if (!reply->more)
			break;
	}
	buffer_printf(out, "%llu", (unsigned long long)count);
	return ERR_OK;
}

static const struct imap_status_row CORE_ITEMS[] = {
	{ "MESSAGES",    print_messages },
	{ "RECENT",      print_recent },
	{ "UIDNEXT",     print_uidnext },
	{ "UIDVALIDITY", print_uidvalidity },
	{ "UNSEEN",      print_unseen },
	{ 0 },
};

static const struct imap_status_row *
find_in(const struct imap_status_row *rows, struct str name)
{
	for (const struct imap_status_row *row = rows; row && row->name; row++)
		if (str_equal_nocase(str_c(row->name), name))
			return row;
	return NULL;
}

static const struct imap_status_row *
find_item(struct str name)
{
	const struct imap_status_row *row = find_in(CORE_ITEMS, name);

	for (size_t i = 0; imap_extensions[i] && !row; i++)
		row = find_in(imap_extensions[i]->status_items, name);
	return row;
}

/* ---- the command */

static enum err
status_parse(struct imap_cursor *cur, void **ret_args)
{
	struct status_args *args = ARENA_NEW(cur->arena, struct status_args);
	struct str name;

	TRY(cur_space(cur));
	TRY(cur_astring(cur, &args->mailbox));
	TRY(cur_space(cur));
	TRY(cur_byte(cur, '('));
	do {
		size_t start = cur->at;

		if (args->count == ITEMS_MAX)
			return cur_fail(cur, "too many items");
		TRY(cur_atom(cur, &name));
		args->items[args->count] = find_item(name);
		if (!args->items[args->count++]) {
			cur->at = start;
			return cur_fail(cur, "no such item");
		}
	} while (cur_take(cur, ' '));
	TRY(cur_byte(cur, ')'));
	*ret_args = args;
	return ERR_OK;
}

static enum err
print(struct imap_command *cmd, struct str name, const MetadataState *state)
{
	struct status_args *args = cmd->args;
	struct buffer out = { 0 };
	enum err err = ERR_OK;

	buffer_add(&out, STR("* STATUS "));
	imap_print_mailbox(name, &out);
	for (size_t i = 0; i < args->count && err == ERR_OK; i++) {
		buffer_printf(&out, "%s%s ", i ? " " : " (", args->items[i]->name);
		err = args->items[i]->print(cmd, state, &out);
	}
	buffer_add(&out, STR(")\r\n"));
	if (err == ERR_OK)
		net_write(cmd->session->conn, buffer_str(&out));
	buffer_clear(&out);
	return err;
}

static enum err
status_run(struct imap_command *cmd)
{
	struct status_args *args = cmd->args;
	MetadataStatusRequest request = METADATA_STATUS_REQUEST__INIT;
	MetadataStatusReply *reply;
	ProtobufCBinaryData wire;
	struct str name;

	TRY(imap_mailbox_name(cmd, args->mailbox, &name));
	wire = wire_bytes(name);
	request.account = cmd->session->account;
	request.n_name = 1;
	request.name = &wire;
	TRY(metadata_status(cmd->call, &request, &reply));
	if (reply->n_state != 1)
		return ERR_INTERNAL;
	TRY(err_from_wire(reply->state[0]->status));
	return print(cmd, name, reply->state[0]);
}

const struct imap_command_row imap_commands_status[] = {
	{ "STATUS", IMAP_LOGGED_IN, 0, status_parse, status_run },
	{ 0 },
};
