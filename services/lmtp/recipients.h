/* The recipients of a transaction: who they are is asked of the metadata service, many in one call. */
#ifndef SORA_LMTP_RECIPIENTS_H
#define SORA_LMTP_RECIPIENTS_H

#include "services/lmtp/session.h"

/* One more, to be answered by lmtp_recipients_resolve. `address` is copied. */
enum err lmtp_recipients_add(struct lmtp_session *session, struct str address);
/*
 * Answer those that have not been answered, in order; those that were refused are forgotten.                   RFC 2920 s. 3.2
 * ERR_OK, or ERR_CLOSED when the connection is gone.
 */
enum err lmtp_recipients_resolve(struct lmtp_session *session);

#endif
