/* XCLIENT: whom a trusted client speaks for; the session begins anew as if that one had connected.        postfix.org, XCLIENT_README */
#include "services/lmtp/command.h"

static enum lmtp_reply
xclient_parse(struct str args, struct arena *arena, void **ret_args)
{
	struct str *text = ARENA_NEW(arena, struct str);
	struct lmtp_client client = { .helo = "" };

	*text = args;
	*ret_args = text;
	return lmtp_client_update(args, lmtp_xclient_attributes, &client) == ERR_OK ? LMTP_REPLY_NONE : LMTP_REPLY_BAD_ARGUMENTS;
}

static enum err
xclient_run(struct lmtp_session *session, void *args)
{
	if (!session->is_trusted)
		return lmtp_command_refuse(session, LMTP_REPLY_NOT_TRUSTED);
	TRY(lmtp_client_update(*(const struct str *)args, lmtp_xclient_attributes, &session->client));
	session->has_xclient_helo = session->client.helo[0] != '\0';
	log_info(net_log(session->conn), "lmtp.xclient", KV_C("address", session->client.address), KV_C("name", session->client.name),
	    KV_C("helo", session->client.helo));
	lmtp_session_move(session, LMTP_GREETED);
	return lmtp_session_greet(session);
}

static const struct lmtp_extension xclient = { "XCLIENT", lmtp_session_trusts, lmtp_xclient_attributes };

const struct lmtp_command lmtp_command_xclient = { "XCLIENT", "XCLIENT NAME=value ADDR=value ..", &xclient, LMTP_GREETED | LMTP_READY, 0,
	xclient_parse, xclient_run };
