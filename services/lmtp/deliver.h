/* The end of a transaction: one mail, stored, is given to its recipients, and each gets a reply. */
#ifndef SORA_LMTP_DELIVER_H
#define SORA_LMTP_DELIVER_H

#include "services/lmtp/body.h"
#include "services/lmtp/session.h"

/*
 * Store the mail for every recipient of the transaction; each one's `err` says what became of it. Two recipients that are the same account
 * get one copy.
 */
void lmtp_deliver(struct lmtp_session *session, struct lmtp_body *body);
/* A reply for each recipient, in their order, with a line in the log.  RFC 2033 s. 4.2. ERR_CLOSED when the connection is gone. */
enum err lmtp_deliver_answer(struct lmtp_session *session, uint64_t size, int64_t begin_ms);

#endif
