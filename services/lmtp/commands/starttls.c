/* STARTTLS: the rest is spoken under TLS, from LHLO on.                         RFC 3207 s. 4.2 */
#include "services/lmtp/command.h"

static enum lmtp_reply
starttls_parse(struct str args, struct arena *arena, void **ret_args)
{
	(void)arena;
	(void)ret_args;
	return args.len == 0 ? LMTP_REPLY_NONE : LMTP_REPLY_BAD_ARGUMENTS;
}

static bool
is_offered(const struct lmtp_session *session)
{
	return net_can_starttls(session->conn);
}

static enum err
starttls_run(struct lmtp_session *session, void *args)
{
	(void)args;
	if (!is_offered(session))
		return lmtp_command_refuse(session, LMTP_REPLY_NO_TLS);
	TRY(lmtp_reply(session, LMTP_REPLY_START_TLS));
	TRY(net_starttls(session->conn));
	session->client.helo[0] = '\0';
	lmtp_session_move(session, LMTP_GREETED);
	return ERR_OK;
}

static const struct lmtp_extension starttls = { "STARTTLS", is_offered, NULL };

const struct lmtp_command lmtp_command_starttls = { "STARTTLS", "STARTTLS", &starttls, LMTP_READY, 0, starttls_parse, starttls_run };
