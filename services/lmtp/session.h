/* One connection of an MTA, and the transaction that is open on it. */
#ifndef SORA_LMTP_SESSION_H
#define SORA_LMTP_SESSION_H

#include "libcommon/bus/bus.h"
#include "libcommon/net/net.h"
#include "libcommon/service/service.h"

struct lmtp_body;

/* Where a connection is; each command says where it may come. */
enum lmtp_state {
	LMTP_GREETED = 1, /* LHLO is awaited */
	LMTP_READY = 2,   /* no transaction */
	LMTP_MAIL = 4,    /* a sender, perhaps recipients */
	LMTP_ANY = 7,
};

enum {
	LMTP_ERRORS_MAX = 20,   /* mistakes with no mail between them: then we hang up */
	LMTP_RESOLVE_MAX = 256, /* recipients in one call */
	LMTP_CLIENT_MAX = 255,  /* bytes of what a client calls itself */
};

struct lmtp_recipient {
	struct str address; /* as the MTA named it */
	uint64_t account;
	enum err err;       /* what became of it */
};

/* A transaction: from MAIL to the replies after DATA. All of it lives in the session's `mail_arena`. */
struct lmtp_transaction {
	struct str sender;
	uint64_t size;  /* as MAIL said, or 0 */
	struct lmtp_recipient *recipients;
	size_t recipient_count;
	size_t resolved_count; /* those behind have not been answered yet */
	size_t recipient_room;
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
	struct arena mail_arena;
	struct lmtp_transaction mail;
	struct lmtp_body *body;           /* the mail that comes in after DATA, in mail_arena; NULL: commands come */
	int64_t body_ms;                  /* when it began */
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
/* A context for calls, with replies in `arena`. */
struct bus_call lmtp_call(struct lmtp_session *session, struct arena *arena);

#endif
