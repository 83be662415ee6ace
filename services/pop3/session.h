/* One connection of a mail program: greeting, login, maildrop, end. */
#ifndef SORA_POP3_SESSION_H
#define SORA_POP3_SESSION_H

#include "libcommon/bus/bus.h"
#include "libcommon/net/net.h"
#include "libcommon/service/service.h"
#include "services/pop3/ahead.h"
#include "services/pop3/maildrop.h"

struct sasl;
struct sasl_login;
struct sasl_mechanism;

/* RFC 1939 s. 3; the UPDATE state is what QUIT does. */
enum pop3_state {
	POP3_AUTHORIZATION = 1,
	POP3_TRANSACTION = 2,
	POP3_ANY = 3,
};

enum {
	POP3_ERRORS_MAX = 20, /* mistakes in a row: then we hang up */
};

struct pop3_server {
	const struct service_context *context;
	struct net_server *net;
};

struct pop3_session {
	struct net_conn *conn;
	struct pop3_server *server;
	enum pop3_state state;
	struct arena arena;   /* the command's; kept while it waits for the client's next line */
	struct sasl *sasl;    /* not NULL: AUTH waits for that line, in `arena` */
	struct str user;      /* of USER, until its PASS; in the connection's arena */
	struct str token;     /* of the login; likewise */
	bool is_utf8;         /* RFC 6856: UTF8 was sent */
	unsigned logins_failed, errors;
	struct pop3_maildrop maildrop;
	struct pop3_ahead ahead;
};

extern const struct net_protocol pop3_protocol;

static inline const struct config *
pop3_config(const struct pop3_session *session)
{
	return session->server->context->config;
}

/* A context for calls, with replies in the command's arena. */
struct bus_call pop3_call(struct pop3_session *session);
/* May a password be sent over this connection? */
bool pop3_can_login(const struct pop3_session *session);
/* As sasl_admit, on this connection. */
enum err pop3_admit(const struct pop3_session *session, const struct sasl_mechanism *mechanism);
/*
 * Answer PASS or AUTH, which a login gave this error: when it was right, the maildrop is opened and the session in TRANSACTION. What
 * fails is counted. As a command's run.
 */
enum err pop3_login_answer(struct pop3_session *session, const struct sasl_login *login, enum err err);
/* Answer with that text, and count: after too many the connection ends. As a command's run. */
enum err pop3_login_failed(struct pop3_session *session, enum err err, const char *text);

#endif
