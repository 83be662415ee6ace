/* One connection of an MTA, and the transaction that is open on it. */
#ifndef SORA_LMTP_SESSION_H
#define SORA_LMTP_SESSION_H

#include "libcommon/net/net.h"
#include "services/lmtp/transaction.h"

/* Where a connection is; each command says where it may come. */
enum lmtp_state {
	LMTP_GREETED = 1, /* LHLO is awaited */
	LMTP_READY = 2,   /* no transaction */
	LMTP_MAIL = 4,    /* a sender, perhaps recipients */
	LMTP_ANY = 7,
};

enum {
	LMTP_ERRORS_MAX = 20,   /* mistakes with no mail between them: then we hang up */
	LMTP_CLIENT_MAX = 255,  /* bytes of what a client calls itself */
};

struct lmtp_server {
	const struct service_context *context;
	struct net_server *net;
};

struct lmtp_session {
	struct net_conn *conn;
	struct lmtp_server *server;
	enum lmtp_state state;
	char client[LMTP_CLIENT_MAX + 1]; /* what it called itself */
	size_t errors;
	struct lmtp_transaction mail;     /* with a body: it comes in after DATA; without: commands come */
};

extern const struct net_protocol lmtp_protocol;

static inline const struct config *
lmtp_config(const struct lmtp_session *session)
{
	return session->server->context->config;
}

/* Change the state; logged. */
void lmtp_session_move(struct lmtp_session *session, enum lmtp_state state);
/* Forget the transaction, if there is one. */
void lmtp_session_reset(struct lmtp_session *session);

#endif
