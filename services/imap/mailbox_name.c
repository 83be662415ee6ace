/* Names of mailboxes, from the wire. */
#include "services/imap/mailbox_name.h"

#include "libcommon/mail/charset.h"
#include "services/imap/reply.h"

enum err
imap_mailbox_name(struct imap_command *cmd, struct str wire, struct str *ret_name)
{
	struct str utf8;

	if (mail_mutf7_decode(wire, cmd->arena, &utf8) != ERR_OK || mail_mailbox_name(utf8, cmd->arena, ret_name) != ERR_OK)
		return ERR_NO_MAILBOX;
	return ERR_OK;
}

enum err
imap_mailbox_new_name(struct imap_command *cmd, struct str wire, struct str *ret_name)
{
	if (str_ends_with(wire, STR("/")))
		wire.len--;
	/* Nobody could name just this one in LIST. */
	if (str_index(wire, '%') == wire.len && str_index(wire, '*') == wire.len && imap_mailbox_name(cmd, wire, ret_name) == ERR_OK)
		return ERR_OK;
	return imap_reply_no(cmd, ERR_CANNOT, "CANNOT", "a mailbox can not have this name");
}

enum err
imap_mailbox_try_create(struct imap_command *cmd, enum err err)
{
	if (err != ERR_NO_MAILBOX)
		return err;
	return imap_reply_no(cmd, err, "TRYCREATE", "no such mailbox");
}

enum err
imap_mailbox_parse(struct imap_cursor *cur, void **ret_args)
{
	struct str *name = ARENA_NEW(cur->arena, struct str);

	TRY(cur_space(cur));
	TRY(cur_astring(cur, name));
	*ret_args = name;
	return ERR_OK;
}
