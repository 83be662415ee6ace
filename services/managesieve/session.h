/* One connection of a script editor: capabilities, login, scripts, end. */
#ifndef SORA_MANAGESIEVE_SESSION_H
#define SORA_MANAGESIEVE_SESSION_H

#include "libcommon/net/net.h"
#include "libcommon/service/service.h"
#include "services/managesieve/engine.h"
#include "services/managesieve/parser.h"

struct sasl;
struct sasl_mechanism;

/* RFC 5804 s. 2 */
enum managesieve_state {
	MANAGESIEVE_NOT_AUTHENTICATED = 1,
	MANAGESIEVE_AUTHENTICATED = 2,
	MANAGESIEVE_ANY = 3,
};

enum {
	MANAGESIEVE_ERRORS_MAX = 20, /* mistakes in a row: then we hang up */
};

struct managesieve_server {
	const struct service_context *context;
	struct net_server *net;
	struct managesieve_engine engine;
};

struct managesieve_session {
	struct net_conn *conn;
	struct managesieve_server *server;
	enum managesieve_state state;
	struct arena arena;   /* the command's; kept while it waits for the client's next string */
	struct managesieve_framer framer;
	struct managesieve_limits limits;
	struct managesieve_abilities *abilities; /* as the client was told */
	struct sasl *sasl;    /* not NULL: AUTHENTICATE waits for that string */
	struct arena login;   /* what a login gave: */
	uint64_t account;
	struct str user, token;
	unsigned logins_failed, errors;
};

extern const struct net_protocol managesieve_protocol;

static inline const struct config *
managesieve_config(const struct managesieve_session *session)
{
	return session->server->context->config;
}

/* A context for calls, with replies in the command's arena. */
struct bus_call managesieve_call(struct managesieve_session *session);
/* May a password be sent over this connection? */
bool managesieve_can_login(const struct managesieve_session *session);
/* As sasl_admit, on this connection. */
enum err managesieve_admit(const struct managesieve_session *session, const struct sasl_mechanism *mechanism);
/* Who has logged in; the strings are copied. ERR_BUSY: the user has too many connections. */
enum err managesieve_enter(struct managesieve_session *session, uint64_t account, struct str user, struct str token);
/* Nobody any more. */
void managesieve_leave(struct managesieve_session *session);

#endif
