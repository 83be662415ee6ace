/* STLS: the rest is spoken under TLS.                                                          RFC 2595 s. 4 */
#include "services/pop3/command.h"

static enum err
stls_run(struct pop3_session *session, const struct pop3_request *request)
{
	(void)request;
	/* RFC 6856 s. 2.1: not after UTF8. */
	if (session->is_utf8 || !net_can_starttls(session->conn))
		return pop3_mistake(session, session->is_utf8 ? "not after UTF8" : "TLS is not available, or already there");
	TRY(pop3_ok(session, "begin TLS now"));
	TRY(net_starttls(session->conn));
	/* What was said in the clear is forgotten. */
	session->user = STR_NONE;
	return ERR_AGAIN;
}

const struct pop3_command pop3_commands_stls[] = {
	{ "STLS", POP3_AUTHORIZATION, POP3_ARGS_NONE, stls_run },
	{ 0 },
};
