/*
 * Logging in at the metadata service, for every frontend: by a password, or by an exchange of SASL.
 *
 *	struct sasl_login *login = sasl_login_new(conn, call, "imap");
 *	enum err err = sasl_login_password(login, user, password);
 *
 * or sasl_step(login->sasl, ..) after sasl_login_begin. ERR_OK leaves who it is in login->reply. Everything lives in call->arena.
 */
#ifndef SORA_SASL_LOGIN_H
#define SORA_SASL_LOGIN_H

#include "libcommon/net/net.h"
#include "libcommon/sasl/sasl.h"
#include "proto/metadata.client.h"

struct sasl_login {
	struct net_conn *conn;
	struct bus_call *call;
	const char *service; /* "imap" */
	struct sasl_backend backend;
	MetadataLoginReply *reply; /* out */
};

struct sasl_login *sasl_login_new(struct net_conn *conn, struct bus_call *call, const char *service);

/* Is this the user's password? Both as they were typed. ERR_AUTH_FAILED, ERR_DISABLED, ERR_LIMIT, ERR_UNAVAILABLE, ... */
enum err sasl_login_password(struct sasl_login *login, struct str user, struct str password);

/* An exchange by a mechanism that sasl_admit has let in. has_final_data: see struct sasl_backend. */
struct sasl *sasl_login_begin(struct sasl_login *login, const struct sasl_mechanism *mechanism, bool has_final_data);

/*
 * A login has failed, or was given up: may another be tried on this connection? Not after the third, nor after one that was bound to it,
 * as it can be once (RFC 9266 s. 4.1). What is no fault of the client's is not counted.
 */
bool sasl_login_again(struct net_conn *conn, enum err err, unsigned *failed);

#endif
