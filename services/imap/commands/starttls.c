/* STARTTLS.                                                                                      RFC 3501 s. 6.2.1 */
#include "services/imap/reply.h"

/* The OK must go out before the handshake, so this command answers by itself. */
static enum err
starttls_run(struct imap_command *cmd)
{
	struct imap_session *session = cmd->session;

	if (!net_can_starttls(session->conn))
		return imap_reply_no(cmd, ERR_SYNTAX, "", "TLS is not available, or already there");
	net_printf(session->conn, "%.*s OK begin TLS now\r\n", STR_ARG(cmd->request.tag));
	cmd->is_answered = true;
	if (net_starttls(session->conn) != ERR_OK)
		return imap_session_end(session, NET_END_TLS);
	return ERR_OK;
}

const struct imap_command_row imap_commands_starttls[] = {
	{ "STARTTLS", IMAP_NOT_AUTHENTICATED, IMAP_CMD_QUIET, NULL, starttls_run },
	{ 0 },
};
