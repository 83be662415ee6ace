/* The end of a transaction: one mail, stored, is given to its recipients. */
#ifndef SORA_LMTP_DELIVER_H
#define SORA_LMTP_DELIVER_H

#include "services/lmtp/outcome.h"
#include "services/lmtp/transaction.h"

/*
 * The body has come to its end: store the mail for every recipient; each one's `err` says what became of it. Two recipients that are the
 * same account get one copy.
 */
void lmtp_deliver(struct lmtp_transaction *mail);
/* What a recipient's sender is to be told; noted in the log and the metrics, so once for each. */
struct lmtp_outcome lmtp_deliver_outcome(const struct lmtp_transaction *mail, const struct lmtp_recipient *recipient);

#endif
