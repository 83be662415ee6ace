/* Names of mailboxes, between the wire's modified UTF-7 and what is stored.                         RFC 3501 s. 5.1, 5.1.3 */
#ifndef SORA_IMAP_MAILBOX_NAME_H
#define SORA_IMAP_MAILBOX_NAME_H

#include "services/imap/command.h"

/*
 * The stored form of a name as the client sent it, in the command's arena.
 * ERR_NO_MAILBOX: no mailbox can have this name, so there is none.
 */
enum err imap_mailbox_name(struct imap_command *cmd, struct str wire, struct str *ret_name);
/* The same for a mailbox that is to be made; a separator at the end is taken off. ERR_CANNOT: it can not have this name. */
enum err imap_mailbox_new_name(struct imap_command *cmd, struct str wire, struct str *ret_name);
/* The answer when the target of COPY, MOVE or APPEND is not there: [TRYCREATE] (RFC 3501 s. 6.3.11, 6.4.7). Passes other errors on. */
enum err imap_mailbox_try_create(struct imap_command *cmd, enum err err);

/* " SP mailbox" as the one argument: *ret_args is a struct str *. */
enum err imap_mailbox_parse(struct imap_cursor *cur, void **ret_args);

#endif
