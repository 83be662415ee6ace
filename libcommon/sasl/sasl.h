/*
 * SASL mechanisms, the server's side, for every frontend.                                                    RFC 4422
 *
 *	const struct sasl_mechanism *mechanism = sasl_find(name);
 *	struct sasl *sasl = sasl_new(mechanism, &backend, arena);
 *
 *	while ((err = sasl_step(sasl, response, &challenge)) == ERR_AGAIN)
 *		send `challenge`, read the next `response`
 *
 * A mechanism is a row of the table in sasl.c. Bytes here are raw: the frontends whose protocol has base64 use libcommon/crypto/encode.h.
 */
#ifndef SORA_SASL_SASL_H
#define SORA_SASL_SASL_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

enum { SASL_RESPONSE_MAX = 4096, SASL_NAME_MAX = 255, SASL_PASSWORD_MAX = 1024 };

/* Who decides. Strings are prepared (sasl_prep) and live as long as the exchange's arena. */
struct sasl_backend {
	void *context;
	/* Is this the user's password? ERR_OK, ERR_AUTH_FAILED, ERR_DISABLED, ERR_UNAVAILABLE, ... */
	enum err (*password)(void *context, struct str user, struct str password);
};

struct sasl;

struct sasl_mechanism {
	const char *name;
	bool is_cleartext; /* shows the password to who listens: only under TLS, or to this host */
	/* See sasl_step; `response.ptr` is NULL when the client sent none with its command. */
	enum err (*step)(struct sasl *sasl, struct str response, struct str *ret_challenge);
};

struct sasl {
	const struct sasl_mechanism *mechanism;
	const struct sasl_backend *backend;
	struct arena *arena;
	void *state; /* the mechanism's own */
};

/* Every mechanism there is, ended by one without a name. For CAPABILITY and its like. */
extern const struct sasl_mechanism sasl_mechanisms[];
/* By its name in any case; NULL: there is none. */
const struct sasl_mechanism *sasl_find(struct str name);

/* Begin an exchange; it lives in `arena`. */
struct sasl *sasl_new(const struct sasl_mechanism *mechanism, const struct sasl_backend *backend, struct arena *arena);

/*
 * Take the client's response; the first may be absent (ptr NULL).
 *
 * ERR_OK      the backend has accepted; its login is done
 * ERR_AGAIN   send *ret_challenge (it may be empty) and call again with the answer
 * ERR_SYNTAX  the response is no message of this mechanism
 * ERR_DENIED  the client wants to act for someone else
 * others      the backend's answer
 */
enum err sasl_step(struct sasl *sasl, struct str response, struct str *ret_challenge);

/*
 * Names and passwords as they are compared: SASLprep (RFC 4013), unassigned code points being allowed, as for what a user types.
 * ERR_SYNTAX: no UTF-8, a NUL, a prohibited character, or nothing is left.
 */
enum err sasl_prep(struct str text, struct arena *arena, struct str *ret_prepared);

#endif
