/* XCLIENT: a proxy says who its client is.                                                    postfix.org, XCLIENT_README */
#include "services/pop3/command.h"

static enum err
xclient_run(struct pop3_session *session, const struct pop3_request *request)
{
	enum err err = net_xclient(session->conn, request->text);

	if (err == ERR_SYNTAX)
		return pop3_mistake(session, "ADDR=address, please");
	if (err != ERR_OK)
		return pop3_err(session, err, "%s", err_row(err)->text);
	/* The session begins anew. */
	session->user = STR_NONE;
	return pop3_ok(session, "hello, %.*s", STR_ARG(net_peer(session->conn)));
}

const struct pop3_command pop3_commands_xclient[] = {
	{ "XCLIENT", POP3_AUTHORIZATION, POP3_ARGS_TEXT, xclient_run },
	{ 0 },
};
