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

struct sasl_salt {
	struct str salt;
	uint32_t iterations;
};

/* What a SCRAM client says in the end, RFC 5802 s. 3. */
struct sasl_proof {
	struct str user;
	struct str hash;    /* "SHA-256" */
	struct str message; /* AuthMessage */
	struct str proof;   /* ClientProof */
};

/* Who decides. Strings are prepared (sasl_prep) and live as long as the exchange's arena; so must what is returned. */
struct sasl_backend {
	void *context;
	/* Is this the user's password? ERR_OK, ERR_AUTH_FAILED, ERR_DISABLED, ERR_UNAVAILABLE, ... */
	enum err (*password)(void *context, struct str user, struct str password);
	/* What the user's verifier was made with; of one who has none likewise. */
	enum err (*salt)(void *context, struct str hash, struct str user, struct sasl_salt *ret);
	/* Has the client the password? Errors as of `password`; *ret_signature is ServerSignature. */
	enum err (*proof)(void *context, const struct sasl_proof *proof, struct str *ret_signature);
	/* The connection's "tls-exporter" (RFC 9266). False: it has none, or it was used. */
	bool (*binding)(void *context, struct str *ret);
	bool can_bind;       /* the client was offered mechanisms that bind */
	bool has_final_data; /* the protocol sends data together with its OK (RFC 5804 s. 2.1); else they are one more challenge */
};

struct sasl;

enum sasl_needs {
	SASL_NEEDS_NOTHING,
	SASL_NEEDS_PRIVACY, /* it shows the password to who listens: only under TLS, or to this host */
	SASL_NEEDS_BINDING, /* to the TLS connection */
};

struct sasl_mechanism {
	const char *name;
	enum sasl_needs needs;
	const char *hash; /* SCRAM's */
	/* See sasl_step; `response.ptr` is NULL when the client sent none with its command. */
	enum err (*step)(struct sasl *sasl, struct str response, struct str *ret_challenge);
};

struct sasl {
	const struct sasl_mechanism *mechanism;
	const struct sasl_backend *backend;
	struct arena *arena;
	void *state;   /* the mechanism's own */
	bool is_ended; /* the last challenge was data for a client that has logged in: it has nothing more to say */
};

/* Every mechanism there is, ended by one without a name. For CAPABILITY and its like: those that sasl_admit lets in. */
extern const struct sasl_mechanism sasl_mechanisms[];
/* By its name in any case; NULL: there is none. */
const struct sasl_mechanism *sasl_find(struct str name);
/*
 * May it be used on a connection where passwords may be sent, and that can be bound? ERR_DENIED: not without TLS. ERR_NOT_SUPPORTED: there is
 * none (NULL), or none here.
 */
enum err sasl_admit(const struct sasl_mechanism *mechanism, bool is_private, bool can_bind);

/* Begin an exchange; it lives in `arena`. */
struct sasl *sasl_new(const struct sasl_mechanism *mechanism, const struct sasl_backend *backend, struct arena *arena);

/*
 * Take the client's response; the first may be absent (ptr NULL).
 *
 * ERR_OK      the backend has accepted; with backend->has_final_data *ret_challenge is what goes with OK, if its ptr is not NULL
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
