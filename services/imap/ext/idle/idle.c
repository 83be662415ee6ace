/* IDLE: what happens is told as it happens.                                                           RFC 2177 */
#include "services/imap/reply.h"
#include "services/imap/views.h"

static enum err
idle_line(struct imap_command *cmd, struct str line)
{
	if (cmd->session->view)
		imap_view_set_idling(cmd->session->view, false);
	if (!str_equal_nocase(str_trim(line), STR("DONE")))
		return imap_reply_no(cmd, ERR_SYNTAX, "", "expected DONE");
	return ERR_OK;
}

/* The connection is parked until the client says DONE; libcommon/net wakes it when the view is marked (session.c, session_wake). */
static enum err
idle_run(struct imap_command *cmd)
{
	struct imap_session *session = cmd->session;

	imap_reply_continue(session, "idling");
	if (session->view) {
		imap_view_set_idling(session->view, true);
		/* What came before that would wake nobody. */
		net_conn_wake(session->conn);
	}
	return imap_session_continue(session, idle_line);
}

static const struct imap_capability CAPABILITIES[] = { { "IDLE", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };
static const struct imap_command_row COMMANDS[] = { { "IDLE", IMAP_LOGGED_IN, 0, NULL, idle_run }, { 0 } };

const struct imap_extension imap_ext_idle = { .capabilities = CAPABILITIES, .commands = COMMANDS };
