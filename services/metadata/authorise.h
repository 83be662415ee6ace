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

/* ERR_DENIED: no token of this account. ERR_AUTH_EXPIRED: no longer. ERR_UNAVAILABLE: it cannot be known now. */
enum err authorise(struct rpc *rpc, uint64_t account);
/* The same with a token that is not the call's own. */
enum err authorise_token(struct rpc *rpc, struct str token, uint64_t account);

struct str token_make(struct metadata *metadata, struct arena *arena, uint64_t account, int64_t version);
/* What is known of the account is no longer true. */
void authorise_forget(struct metadata *metadata, uint64_t account);

#endif
