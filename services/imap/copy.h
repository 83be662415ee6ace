/* Copying and moving messages: what COPY and MOVE share. */
#ifndef SORA_IMAP_COPY_H
#define SORA_IMAP_COPY_H

#include "services/imap/reply.h"

struct imap_copied {
	struct str code; /* "COPYUID 1 2:3 4:5", in the command's arena; empty when nothing was there to copy */
};

/* " SP sequence-set SP mailbox". */
enum err imap_copy_parse(struct imap_cursor *cur, void **ret_args);
/* Do it, for a command with these arguments. A missing target is answered with [TRYCREATE]. */
enum err imap_copy(struct imap_command *cmd, bool is_move, struct imap_copied *ret_copied);

#endif
