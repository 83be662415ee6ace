/* UNSELECT: CLOSE without EXPUNGE.                                                                    RFC 3691 */
#include "services/imap/reply.h"

static enum err
unselect_run(struct imap_command *cmd)
{
	imap_session_unselect(cmd->session);
	return ERR_OK;
}

static const struct imap_capability CAPABILITIES[] = { { "UNSELECT", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };
static const struct imap_command_row COMMANDS[] = { { "UNSELECT", IMAP_SELECTED, IMAP_CMD_QUIET, NULL, unselect_run }, { 0 } };

const struct imap_extension imap_ext_unselect = { .capabilities = CAPABILITIES, .commands = COMMANDS };
