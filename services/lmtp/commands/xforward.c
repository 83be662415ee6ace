/* XFORWARD: whom a trusted client has the next mail from; for the log and for scripts.                     postfix.org, XFORWARD_README */
#include "services/lmtp/command.h"

static enum lmtp_reply
xforward_parse(struct str args, struct arena *arena, void **ret_args)
{
	struct str *text = ARENA_NEW(arena, struct str);
	struct lmtp_client client = { .helo = "" };

	*text = args;
	*ret_args = text;
	return lmtp_client_update(args, lmtp_xforward_attributes, &client) == ERR_OK ? LMTP_REPLY_NONE : LMTP_REPLY_BAD_ARGUMENTS;
}

static enum err
xforward_run(struct lmtp_session *session, void *args)
{
	if (!session->is_trusted)
		return lmtp_command_refuse(session, LMTP_REPLY_NOT_TRUSTED);
	TRY(lmtp_client_update(*(const struct str *)args, lmtp_xforward_attributes, &session->forwarded));
	session->is_forwarded = true;
	return lmtp_reply(session, LMTP_REPLY_OK);
}

static const struct lmtp_extension xforward = { "XFORWARD", lmtp_session_trusts, lmtp_xforward_attributes };

const struct lmtp_command lmtp_command_xforward = { "XFORWARD", "XFORWARD NAME=value ADDR=value ..", &xforward, LMTP_READY, 0,
	xforward_parse, xforward_run };
