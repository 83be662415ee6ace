/* CAPABILITY, NOOP, LOGOUT: in every state.                                                       RFC 3501 s. 6.1 */
#include "services/imap/reply.h"

static enum err
capability_run(struct imap_command *cmd)
{
	imap_reply_untagged(cmd->session, "CAPABILITY %.*s", STR_ARG(imap_capabilities(cmd->session, cmd->arena)));
	return ERR_OK;
}

/* What there is to tell is told before every OK. */
static enum err
noop_run(struct imap_command *cmd)
{
	(void)cmd;
	return ERR_OK;
}

static enum err
logout_run(struct imap_command *cmd)
{
	imap_session_unselect(cmd->session);
	imap_reply_bye(cmd->session, "good bye");
	imap_session_enter(cmd->session, IMAP_LOGOUT);
	return ERR_OK;
}

const struct imap_command_row imap_commands_any[] = {
	{ "CAPABILITY", IMAP_ANY, 0,              NULL, capability_run },
	{ "NOOP",       IMAP_ANY, 0,              NULL, noop_run },
	{ "LOGOUT",     IMAP_ANY, IMAP_CMD_QUIET, NULL, logout_run },
	{ 0 },
};
