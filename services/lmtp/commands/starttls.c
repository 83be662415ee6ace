/* STARTTLS: the rest is spoken under TLS, from LHLO on.                         RFC 3207 s. 4.2 */
#include "services/lmtp/command.h"

static enum lmtp_reply
starttls_parse(struct str args, struct arena *arena, void **ret_args)
{
	(void)arena;
	(void)ret_args;
	return args.len == 0 ? LMTP_REPLY_NONE : LMTP_REPLY_BAD_ARGUMENTS;
}

static enum err
starttls_run(struct lmtp_session *session, void *args)
{
	(void)args;
	if (!net_can_starttls(session->conn))
		return lmtp_command_refuse(session, LMTP_REPLY_NO_TLS);
	TRY(lmtp_reply(session, LMTP_REPLY_START_TLS));
	TRY(net_starttls(session->conn));
	session->client[0] = '\0';
	lmtp_session_move(session, LMTP_GREETED);
	return ERR_OK;
}

const struct lmtp_command lmtp_command_starttls = { "STARTTLS", "STARTTLS", LMTP_READY, 0, starttls_parse, starttls_run };
