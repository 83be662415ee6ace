/* CHECK, CLOSE, EXPUNGE.                                                              RFC 3501 s. 6.4.1 to 6.4.3 */
#include "services/imap/expunge.h"
#include "services/imap/reply.h"
#include "services/imap/views.h"

/* Everything is durable already; what a CHECK can do is to look whether an event was missed. */
static enum err
check_run(struct imap_command *cmd)
{
	imap_view_recheck(cmd->session->view);
	return ERR_OK;
}

/* Removes like EXPUNGE, but says nothing of it. */
static enum err
close_run(struct imap_command *cmd)
{
	if (!cmd->session->view->is_read_only)
		TRY(imap_expunge(cmd, NULL));
	imap_session_unselect(cmd->session);
	return ERR_OK;
}

static enum err
expunge_run(struct imap_command *cmd)
{
	return imap_expunge(cmd, NULL);
}

const struct imap_command_row imap_commands_close[] = {
	{ "CHECK",   IMAP_SELECTED, 0,              NULL, check_run },
	{ "CLOSE",   IMAP_SELECTED, IMAP_CMD_QUIET, NULL, close_run },
	{ "EXPUNGE", IMAP_SELECTED, 0,              NULL, expunge_run },
	{ 0 },
};
