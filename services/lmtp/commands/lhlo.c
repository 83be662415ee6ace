/* LHLO: who calls, and what is offered.                                        RFC 2033 s. 4.1, RFC 5321 s. 4.1.1.1 */
#include "services/lmtp/command.h"

static enum lmtp_reply
lhlo_parse(struct str args, struct arena *arena, void **ret_args)
{
	struct str *name = ARENA_NEW(arena, struct str);

	*name = args;
	*ret_args = name;
	return args.len > 0 && args.len <= LMTP_CLIENT_MAX ? LMTP_REPLY_NONE : LMTP_REPLY_BAD_ARGUMENTS;
}

static enum err
lhlo_run(struct lmtp_session *session, void *args)
{
	const struct str *name = args;

	lmtp_session_reset(session);
	memcpy(session->client, name->ptr, name->len);
	session->client[name->len] = '\0';
	lmtp_session_move(session, LMTP_READY);
	return net_printf(session->conn,
	    "250-%.*s\r\n"
	    "250-PIPELINING\r\n"
	    "250-8BITMIME\r\n"
	    "%s"
	    "250-ENHANCEDSTATUSCODES\r\n"
	    "250 SIZE %lld\r\n",
	    STR_ARG(session->server->context->hostname), net_can_starttls(session->conn) ? "250-STARTTLS\r\n" : "",
	    (long long)lmtp_config(session)->message_size);
}

const struct lmtp_command lmtp_command_lhlo = { "LHLO", "LHLO name", LMTP_ANY, 0, lhlo_parse, lhlo_run };
