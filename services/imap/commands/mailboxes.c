/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.                       RFC 3501 s. 6.3.3 to 6.3.7; RFC 8474 s. 4.1 (MAILBOXID) */
#include "libcommon/mail/objectid.h"
#include "proto/metadata.client.h"
#include "services/imap/mailbox_name.h"
#include "services/imap/reply.h"
#include "services/imap/views.h"
#include "services/imap/wire.h"

static enum err
create_run(struct imap_command *cmd)
{
	MetadataCreateRequest request = METADATA_CREATE_REQUEST__INIT;
	MetadataCreateReply *reply;
	char id[MAIL_OBJECTID_SIZE];
	struct str name;

	TRY(imap_mailbox_new_name(cmd, *(struct str *)cmd->args, &name));
	request.account = cmd->session->account;
	request.name = wire_bytes(name);
	TRY(metadata_create(cmd->call, &request, &reply));
	mail_objectid_print(MAIL_OBJECT_MAILBOX, request.account, reply->mailbox, id);
	return imap_reply_ok(cmd, "MAILBOXID (%s)", id);
}

/* The mailbox that this session has selected is no longer selected when it deletes it itself. */
static enum err
unselect_if_gone(struct imap_command *cmd)
{
	struct imap_session *session = cmd->session;
	struct imap_image *image;

	if (!session->view)
		return ERR_OK;
	imap_view_recheck(session->view);
	if (imap_view_latest(session->view, cmd->call, &image) == ERR_NO_MAILBOX)
		imap_session_unselect(session);
	else
		imap_image_unref(image);
	return ERR_OK;
}

static enum err
delete_run(struct imap_command *cmd)
{
	MetadataDeleteRequest request = METADATA_DELETE_REQUEST__INIT;
	struct str name;

	TRY(imap_mailbox_name(cmd, *(struct str *)cmd->args, &name));
	request.account = cmd->session->account;
	request.name = wire_bytes(name);
	TRY(metadata_delete(cmd->call, &request, NULL));
	return unselect_if_gone(cmd);
}

/* ---- RENAME */

struct rename_args {
	struct str from, to;
};

static enum err
rename_parse(struct imap_cursor *cur, void **ret_args)
{
	struct rename_args *args = ARENA_NEW(cur->arena, struct rename_args);

	TRY(cur_space(cur));
	TRY(cur_astring(cur, &args->from));
	TRY(cur_space(cur));
	TRY(cur_astring(cur, &args->to));
	*ret_args = args;
	return ERR_OK;
}

static enum err
rename_run(struct imap_command *cmd)
{
	struct rename_args *args = cmd->args;
	MetadataRenameRequest request = METADATA_RENAME_REQUEST__INIT;
	struct str from, to;

	TRY(imap_mailbox_name(cmd, args->from, &from));
	TRY(imap_mailbox_new_name(cmd, args->to, &to));
	request.account = cmd->session->account;
	request.from = wire_bytes(from);
	request.to = wire_bytes(to);
	return metadata_rename(cmd->call, &request, NULL);
}

/* ---- subscriptions: a name may be subscribed to that no mailbox has */

static enum err
subscribe(struct imap_command *cmd, bool is_subscribed)
{
	MetadataSubscribeRequest request = METADATA_SUBSCRIBE_REQUEST__INIT;
	struct str name;

	TRY(imap_mailbox_new_name(cmd, *(struct str *)cmd->args, &name));
	request.account = cmd->session->account;
	request.name = wire_bytes(name);
	request.subscribed = is_subscribed;
	return metadata_subscribe(cmd->call, &request, NULL);
}

static enum err
subscribe_run(struct imap_command *cmd)
{
	return subscribe(cmd, true);
}

static enum err
unsubscribe_run(struct imap_command *cmd)
{
	return subscribe(cmd, false);
}

const struct imap_command_row imap_commands_mailboxes[] = {
	{ "CREATE",      IMAP_LOGGED_IN, 0, imap_mailbox_parse, create_run },
	{ "DELETE",      IMAP_LOGGED_IN, 0, imap_mailbox_parse, delete_run },
	{ "RENAME",      IMAP_LOGGED_IN, 0, rename_parse,       rename_run },
	{ "SUBSCRIBE",   IMAP_LOGGED_IN, 0, imap_mailbox_parse, subscribe_run },
	{ "UNSUBSCRIBE", IMAP_LOGGED_IN, 0, imap_mailbox_parse, unsubscribe_run },
	{ 0 },
};
