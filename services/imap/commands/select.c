/* SELECT and EXAMINE.                                                        RFC 3501 s. 6.3.1, 6.3.2; RFC 8474 s. 4.2 (MAILBOXID) */
#include "libcommon/mail/objectid.h"
#include "services/imap/mailbox_name.h"
#include "services/imap/reply.h"
#include "services/imap/views.h"
#include "services/imap/watch.h"
#include "services/imap/wire.h"

/* The sequence number of the first message without \Seen, 0: there is none. */
static uint32_t
first_unseen(const struct imap_image *image)
{
	for (size_t i = 0; i < image->chunk_count; i++)
		for (uint32_t k = 0; k < image->chunks[i]->count; k++)
			if (!(image->chunks[i]->rows[k].flags & METADATA_FLAG__METADATA_SEEN))
				return image->starts[i] + k + 1;
	return 0;
}

static void
describe(struct imap_command *cmd, const struct imap_view *view, uint32_t uidvalidity)
{
	const struct imap_image *image = view->told;
	uint32_t unseen = first_unseen(image);
	char id[MAIL_OBJECTID_SIZE];
	struct buffer out = { 0 };

	buffer_add(&out, STR("* FLAGS "));
	imap_view_print_known(image, false, &out);
	buffer_add(&out, STR("\r\n* OK [PERMANENTFLAGS "));
	if (view->is_read_only)
		buffer_add(&out, STR("()"));
	else
		imap_view_print_known(image, true, &out);
	buffer_printf(&out, "] kept\r\n* %u EXISTS\r\n* %u RECENT\r\n", image->count, imap_view_recent(view, image));
	if (unseen > 0)
		buffer_printf(&out, "* OK [UNSEEN %u] first unseen message\r\n", unseen);
	buffer_printf(&out, "* OK [UIDVALIDITY %u] UIDs valid\r\n* OK [UIDNEXT %u] next UID\r\n", uidvalidity, image->uidnext);
	mail_objectid_print(MAIL_OBJECT_MAILBOX, imap_mailbox_account(view), imap_mailbox_number(view), id);
	buffer_printf(&out, "* OK [MAILBOXID (%s)] kept when it is renamed\r\n", id);
	net_write(cmd->session->conn, buffer_str(&out));
	buffer_clear(&out);
}

/* Whatever comes of it, the mailbox that was selected before no longer is (RFC 3501 s. 6.3.1). */
static enum err
select_mailbox(struct imap_command *cmd, bool is_read_only)
{
	struct imap_session *session = cmd->session;
	struct imap_server *server = session->server;
	MetadataState *state;
	struct str name;
	enum err err;

	imap_session_unselect(session);
	TRY(imap_mailbox_name(cmd, *(struct str *)cmd->args, &name));
	/* Before the snapshot: else an event falls between the two. */
	imap_watch_add(server->watch, session->account, session->token);
	err = imap_views_select(server->views, cmd->call, session->account, name, is_read_only, session->conn, &session->view, &state);
	if (err != ERR_OK) {
		imap_watch_remove(server->watch, session->account);
		return err;
	}
	imap_session_enter(session, IMAP_SELECTED);
	describe(cmd, session->view, state->uidvalidity);
	return imap_reply_ok(cmd, is_read_only ? "READ-ONLY" : "READ-WRITE");
}

static enum err
select_run(struct imap_command *cmd)
{
	return select_mailbox(cmd, false);
}

static enum err
examine_run(struct imap_command *cmd)
{
	return select_mailbox(cmd, true);
}

const struct imap_command_row imap_commands_select[] = {
	{ "SELECT",  IMAP_LOGGED_IN, IMAP_CMD_QUIET, imap_mailbox_parse, select_run },
	{ "EXAMINE", IMAP_LOGGED_IN, IMAP_CMD_QUIET, imap_mailbox_parse, examine_run },
	{ 0 },
};
