/*
 * Passwords: checked on a few threads of their own, as one takes 60 ms of a core; a good one is remembered as HMAC(stored hash,
 * password), so that a changed password ends it. Failures are counted by (address of the client, or its /64 of IPv6; account): who guesses
 * is stopped, and the user at another address is not.
 */
#ifndef SORA_METADATA_LOGIN_H
#define SORA_METADATA_LOGIN_H

#include "services/metadata/metadata.h"

struct logins *logins_new(const struct config *config);
/* Finishes what waits. */
void logins_free(struct logins *logins);

/* Zero it, fill in the first part; it lives until `done`. */
struct login {
	struct str stored;   /* the hash; empty: there is no such user, but no one shall see that from the time it takes */
	struct str password;
	struct str peer, user; /* for the count of failures */
	void (*done)(struct login *login, bool is_right);
	void *context;
	struct login *next;
};

/* ERR_LIMIT: too many failures from there. */
enum err login_may_try(struct logins *logins, const struct login *login);
/* What was tried without login_check was wrong: it counts likewise. */
void login_failed(struct logins *logins, const struct login *login);
/* It is the password that was right before. */
bool login_is_remembered(struct logins *logins, const struct login *login);
/* `done` is called later, on another thread. ERR_BUSY: too many wait. */
enum err login_check(struct logins *logins, struct login *login);

#endif
