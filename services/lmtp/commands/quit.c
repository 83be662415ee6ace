/* QUIT: goodbye.                                                               RFC 5321 s. 4.1.1.10 */
#include "services/lmtp/command.h"

static enum err
quit_run(struct lmtp_session *session, void *args)
{
	(void)args;
	lmtp_reply(session, LMTP_REPLY_BYE);
	net_end(session->conn, NET_END_QUIT);
	return ERR_CLOSED;
}

const struct lmtp_command lmtp_command_quit = { "QUIT", "QUIT", NULL, LMTP_ANY, 0, NULL, quit_run };
