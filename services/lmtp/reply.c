/* Everything that is written to the client: one table of replies. */
#include "services/lmtp/reply.h"

#include "libcommon/net/net.h"

static const char *const texts[] = {
#define X(id, code, enhanced, text) code " " enhanced text,
	LMTP_REPLY_TABLE(X)
#undef X
};

const char *
lmtp_reply_text(enum lmtp_reply reply)
{
	return texts[reply];
}

enum err
lmtp_reply(struct lmtp_session *session, enum lmtp_reply reply)
{
	return net_printf(session->conn, "%s\r\n", texts[reply]);
}
