/* What a session is told of its recipients: a reply each, in their order.                                  RFC 2033 s. 4.2 */
#ifndef SORA_LMTP_ANSWER_H
#define SORA_LMTP_ANSWER_H

#include "services/lmtp/session.h"

/*
 * Answer those that wait for it after RCPT; those that are refused are forgotten.                          RFC 2920 s. 3.2
 * ERR_OK, or ERR_CLOSED when the connection is gone.
 */
enum err lmtp_answer_recipients(struct lmtp_session *session);
/* Answer for a chunk that is not the last. Likewise. */
enum err lmtp_answer_chunk(struct lmtp_session *session);
/* Answer for each after the end of the mail. Likewise. */
enum err lmtp_answer_delivery(struct lmtp_session *session);

#endif
