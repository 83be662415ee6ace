/* RSET: forget the transaction.                                                RFC 5321 s. 4.1.1.5 */
#include "services/lmtp/command.h"

static enum err
rset_run(struct lmtp_session *session, void *args)
{
	(void)args;
	lmtp_session_reset(session);
	return lmtp_reply(session, LMTP_REPLY_OK);
}

const struct lmtp_command lmtp_command_rset = { "RSET", "RSET", NULL, LMTP_ANY, 0, NULL, rset_run };
