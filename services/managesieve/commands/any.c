/* CAPABILITY, NOOP and LOGOUT: in every state.                                       RFC 5804 s. 2.3, 2.4, 2.13 */
#include "services/managesieve/command.h"

static enum err
capability_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	(void)request;
	return managesieve_capabilities(session, false);
}

/* The tag that was given, if one was, comes back. */
static enum err
noop_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	struct buffer code = { 0 };
	enum err err;

	if (request->count > 0) {
		buffer_add(&code, STR("TAG "));
		managesieve_add_string(&code, request->args[0].text);
	}
	err = managesieve_ok_code(session, buffer_str(&code), STR("still here"));
	buffer_clear(&code);
	return err;
}

static enum err
logout_run(struct managesieve_session *session, const struct managesieve_request *request)
{
	(void)request;
	managesieve_ok(session, STR("goodbye"));
	net_end(session->conn, NET_END_QUIT);
	return ERR_CLOSED;
}

const struct managesieve_command managesieve_commands_any[] = {
	{ "CAPABILITY", MANAGESIEVE_ANY, "", capability_run },
	{ "NOOP", MANAGESIEVE_ANY, "?s", noop_run },
	{ "LOGOUT", MANAGESIEVE_ANY, "", logout_run },
	{ 0 },
};
