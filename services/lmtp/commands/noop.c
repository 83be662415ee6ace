/* NOOP: are you there?                                                         RFC 5321 s. 4.1.1.9 */
#include "services/lmtp/command.h"

static enum err
noop_run(struct lmtp_session *session, void *args)
{
	(void)args;
	return lmtp_reply(session, LMTP_REPLY_OK);
}

const struct lmtp_command lmtp_command_noop = { "NOOP", "NOOP", NULL, LMTP_ANY, 0, NULL, noop_run };
