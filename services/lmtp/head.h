/* A stored mail as scripts see it: its header block, its body, and all that stays when the header becomes another. */
#ifndef SORA_LMTP_HEAD_H
#define SORA_LMTP_HEAD_H

#include "services/lmtp/store.h"
#include "services/lmtp/transaction.h"

enum { LMTP_TEXT_MAX = 2 * 1024 * 1024 }; /* bytes of a body that scripts look at */

/* The header block without the empty line behind it; of more than LMTP_HEAD_MAX the whole fields, or lines, that fit. A view. */
struct str lmtp_head_fields(const struct lmtp_transaction *mail);
/*
 * What follows the empty line, at most LMTP_TEXT_MAX bytes; a view, or in the transaction's arena. Read once.
 * Errors of blob_read.
 */
enum err lmtp_head_text(struct lmtp_transaction *mail, struct str *ret_text);
/* Add to `store` all that lmtp_head_fields leaves: the empty line, the body. Errors of the reader and of the store. */
enum err lmtp_head_copy_rest(struct lmtp_transaction *mail, struct lmtp_store *store);

#endif
