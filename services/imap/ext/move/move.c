/* MOVE and UID MOVE.                                                                                  RFC 6851 */
#include "services/imap/copy.h"

/* COPYUID comes in an untagged OK before the EXPUNGEs (RFC 6851 s. 4.3), which are told before the tagged one. */
static enum err
move_run(struct imap_command *cmd)
{
	struct imap_copied copied;

	TRY(imap_copy(cmd, true, &copied));
	if (copied.code.len > 0)
		imap_reply_untagged(cmd->session, "OK [%.*s] moved", STR_ARG(copied.code));
	return ERR_OK;
}

static const struct imap_capability CAPABILITIES[] = { { "MOVE", IMAP_ANY, IMAP_WHEN_ALWAYS }, { 0 } };
static const struct imap_command_row COMMANDS[] = {
	{ "MOVE", IMAP_SELECTED, IMAP_CMD_UID_VARIANT, imap_copy_parse, move_run },
	{ 0 },
};

const struct imap_extension imap_ext_move = { .capabilities = CAPABILITIES, .commands = COMMANDS };
