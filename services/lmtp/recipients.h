/* Who the recipients are, is asked of the metadata service, many in one call. */
#ifndef SORA_LMTP_RECIPIENTS_H
#define SORA_LMTP_RECIPIENTS_H

#include "services/lmtp/transaction.h"

enum { LMTP_RESOLVE_MAX = 256 }; /* recipients in one call */

/*
 * Ask about those that have not been asked about, at most LMTP_RESOLVE_MAX: the `err` of each says whether it is one, then it has its
 * `account` and what else was `found`. They still count as not asked about: lmtp_recipients_settle follows.
 */
void lmtp_recipients_ask(struct lmtp_transaction *mail);
/* Forget those that were refused. */
void lmtp_recipients_settle(struct lmtp_transaction *mail);

static inline size_t
lmtp_recipients_waiting(const struct lmtp_transaction *mail)
{
	return mail->recipient_count - mail->resolved_count;
}

#endif
