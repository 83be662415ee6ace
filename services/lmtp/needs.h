/* What scripts need to know before they decide, is asked of the metadata service and of the store. */
#ifndef SORA_LMTP_NEEDS_H
#define SORA_LMTP_NEEDS_H

#include "services/lmtp/filter.h"

/*
 * The last reply of each of these filters is NEED: find the answers and add them to its request. A filter's `err` says when that was
 * not possible: ERR_LIMIT when it has asked too much.
 */
void lmtp_needs_answer(struct lmtp_transaction *mail, struct lmtp_filter *const *filters, size_t count, struct arena *arena);

#endif
