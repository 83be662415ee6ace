/*
 * Who may act for an account: the one place that decides it.
 *
 * A token is what Login gives: account, session, end, version of the credential, and an HMAC over them by one of `token.keys` (the first
 * signs), which it names by the first bytes of that key's SHA-256. Besides, the account must be active and its credential unchanged: known from the database
 * to within 10 seconds, and at once where this replica made the change.
 */
#ifndef SORA_METADATA_AUTHORISE_H
#define SORA_METADATA_AUTHORISE_H

#include "services/metadata/metadata.h"

struct accounts *accounts_new(const struct config *config);
void accounts_free(struct accounts *accounts);

enum { TOKEN_BYTES = 72 };

/* A token, and the account that it is to be for. */
struct claim {
	struct str token;
	uint64_t account;
	enum err err;     /* out: as authorise */
	int64_t ends_ms;  /* out, with ERR_OK: wall clock */
	int64_t version;  /* likewise: of the credential */
};

/* Judge each; what is not known is read in one query. ERR_UNAVAILABLE: it cannot be known now. */
enum err authorise_claims(struct rpc *rpc, struct claim *claims, size_t count);

/* ERR_DENIED: no token of this account. ERR_AUTH_EXPIRED: no longer. ERR_UNAVAILABLE: it cannot be known now. */
enum err authorise(struct rpc *rpc, uint64_t account);

struct str token_make(struct metadata *metadata, struct arena *arena, uint64_t account, int64_t version);
/* What is known of the account is no longer true. Its version now; -1: it is not active, or cannot be read. */
int64_t authorise_again(struct rpc *rpc, uint64_t account);

#endif
