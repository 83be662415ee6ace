/* One connection of an MTA, and the transaction that is open on it. */
#ifndef SORA_LMTP_SESSION_H
#define SORA_LMTP_SESSION_H

#include "libcommon/net/net.h"
#include "services/lmtp/chunk.h"
#include "services/lmtp/client.h"
#include "services/lmtp/transaction.h"

/* Where a connection is; each command says where it may come. */
enum lmtp_state {
	LMTP_GREETED = 1, /* LHLO is awaited */
	LMTP_READY = 2,   /* no transaction */
	LMTP_MAIL = 4,    /* a sender, perhaps recipients */
	LMTP_CHUNKS = 8,  /* the same, and the mail has begun to come by BDAT */
	LMTP_ANY = 15,
};

/* What the next bytes of the client are. */
enum lmtp_receiving {
	LMTP_RECEIVE_NONE,    /* commands */
	LMTP_RECEIVE_DATA,    /* the mail after DATA */
	LMTP_RECEIVE_CHUNK,   /* what BDAT announced */
	LMTP_RECEIVE_REFUSED, /* the same, to be forgotten */
};

enum { LMTP_ERRORS_MAX = 20 }; /* mistakes with no mail between them: then we hang up */

struct lmtp_server {
	const struct service_context *context;
	struct net_server *net;
};

struct lmtp_session {
	struct net_conn *conn;
	struct lmtp_server *server;
	enum lmtp_state state;
	enum lmtp_receiving receiving;
	struct lmtp_chunk chunk;       /* of the last BDAT, */
	unsigned refusal;              /* and with LMTP_RECEIVE_REFUSED what is said at its end: enum lmtp_reply */
	struct lmtp_client client;
	struct lmtp_client forwarded;  /* of the next mail, */
	bool is_forwarded;             /* if XFORWARD told */
	bool is_trusted;               /* with XCLIENT and XFORWARD: by the address it came from, whomever it speaks for */
	bool has_xclient_helo;         /* LHLO does not change it */
	size_t errors;
	struct lmtp_transaction mail;
};

extern const struct net_protocol lmtp_protocol;

static inline const struct config *
lmtp_config(const struct lmtp_session *session)
{
	return session->server->context->config;
}

/* The first line. */
enum err lmtp_session_greet(struct lmtp_session *session);
/* Is it told of XCLIENT and XFORWARD? */
bool lmtp_session_trusts(const struct lmtp_session *session);
/* Change the state; logged. */
void lmtp_session_move(struct lmtp_session *session, enum lmtp_state state);
/* Forget the transaction, if there is one. */
void lmtp_session_reset(struct lmtp_session *session);

#endif
