/* VRFY: answered without an answer; RCPT tells who is here.                    RFC 5321 s. 3.5.3, 7.3 */
#include "services/lmtp/command.h"

/* RFC 5321 s. 4.1.1.6: a user or a mailbox is named; RFC 6531 s. 3.7.4.2: SMTPUTF8 may follow. */
static enum lmtp_reply
vrfy_parse(struct str args, struct arena *arena, void **ret_args)
{
	(void)arena;
	(void)ret_args;
	return args.len > 0 ? LMTP_REPLY_NONE : LMTP_REPLY_BAD_ARGUMENTS;
}

static enum err
vrfy_run(struct lmtp_session *session, void *args)
{
	(void)args;
	return lmtp_reply(session, LMTP_REPLY_VRFY);
}

const struct lmtp_command lmtp_command_vrfy = { "VRFY", "VRFY address [SMTPUTF8]", NULL, LMTP_ANY, 0, vrfy_parse, vrfy_run };
