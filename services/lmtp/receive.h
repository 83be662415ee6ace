/* The mail after DATA or BDAT: received piece by piece; a client that pauses holds no thread. */
#ifndef SORA_LMTP_RECEIVE_H
#define SORA_LMTP_RECEIVE_H

#include "services/lmtp/reply.h"

/* DATA was answered by 354: from now on the transaction's body takes what comes. */
void lmtp_receive_data(struct lmtp_session *session);
/*
 * BDAT came: the bytes that follow are of the transaction's body, which begins with its first chunk. With a refusal they belong to
 * nobody, and it is the reply at their end.
 */
void lmtp_receive_chunk(struct lmtp_session *session, const struct lmtp_chunk *chunk, enum lmtp_reply refusal);
/*
 * Take what has come; at the end of a chunk say so, at the mail's end deliver it, answer for each recipient and forget the transaction.
 * ERR_AGAIN: there is more to come, but not now. ERR_CLOSED: the connection is gone; nothing was delivered, or nobody hears the answer.
 */
enum err lmtp_receive(struct lmtp_session *session);

#endif
