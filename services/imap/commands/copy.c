/* COPY and UID COPY.                                                                RFC 3501 s. 6.4.7; RFC 4315 s. 3 (COPYUID) */
#include "services/imap/copy.h"

static enum err
copy_run(struct imap_command *cmd)
{
	struct imap_copied copied;

	TRY(imap_copy(cmd, false, &copied));
	if (copied.code.len == 0)
		return ERR_OK;
	return imap_reply_ok(cmd, "%.*s", STR_ARG(copied.code));
}

const struct imap_command_row imap_commands_copy[] = {
	{ "COPY", IMAP_SELECTED, IMAP_CMD_UID_VARIANT, imap_copy_parse, copy_run },
	{ 0 },
};
