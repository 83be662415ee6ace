/* Removing messages: what EXPUNGE, CLOSE and UID EXPUNGE share. */
#ifndef SORA_IMAP_EXPUNGE_H
#define SORA_IMAP_EXPUNGE_H

#include "services/imap/command.h"

/*
 * Remove what carries \Deleted in the selected mailbox, of `uids` (resolved) or, when that is NULL, of all. The client hears of it with all else
 * that has changed. ERR_DENIED: it was opened by EXAMINE.
 */
enum err imap_expunge(struct imap_command *cmd, const struct imap_set *uids);

/* ERR_DENIED when the selected mailbox must not be changed. */
enum err imap_check_writable(struct imap_command *cmd);

#endif
