/* STARTTLS: the rest is spoken under TLS.                                                      RFC 5804 s. 2.2 */
#include "services/managesieve/command.h"

static enum err
starttls_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	(void)request;
	if (!net_can_starttls(session->conn))
		return managesieve_mistake(session, "TLS is not available, or already there");
	TRY(managesieve_ok(session, STR("begin TLS now")));
	TRY(net_starttls(session->conn));
	/* Capabilities come behind the handshake. */
	net_conn_wake(session->conn);
	return ERR_AGAIN;
}

const struct managesieve_command managesieve_commands_starttls[] = {
	{ "STARTTLS", MANAGESIEVE_NOT_AUTHENTICATED, "", starttls_run },
	{ 0 },
};
