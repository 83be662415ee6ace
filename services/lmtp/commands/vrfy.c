/* VRFY: answered without an answer; RCPT tells who is here.                    RFC 5321 s. 3.5.3, 7.3 */
#include "services/lmtp/command.h"

static enum err
vrfy_run(struct lmtp_session *session, void *args)
{
	(void)args;
	return lmtp_reply(session, LMTP_REPLY_VRFY);
}

const struct lmtp_command lmtp_command_vrfy = { "VRFY", "VRFY address", LMTP_ANY, 0, NULL, vrfy_run };
