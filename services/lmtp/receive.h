/* The mail after DATA: received piece by piece; a client that pauses holds no thread. */
#ifndef SORA_LMTP_RECEIVE_H
#define SORA_LMTP_RECEIVE_H

#include "services/lmtp/session.h"

/* DATA was answered by 354: from now on the transaction's body takes what comes. */
void lmtp_receive_begin(struct lmtp_session *session);
/*
 * Take what has come; at the mail's end deliver it, answer for each recipient and forget the transaction. ERR_AGAIN: there is more to
 * come, but not now. ERR_CLOSED: the connection is gone; nothing was delivered, or nobody hears the answer.
 */
enum err lmtp_receive(struct lmtp_session *session);
/* Forget the transaction whose mail is coming in, if there is one. */
void lmtp_receive_stop(struct lmtp_session *session);

#endif
