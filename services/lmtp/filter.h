/*
 * What a recipient's scripts say of a mail: the Sieve service is asked, and told what it needs to know, until it has decided.
 *
 * Of many recipients all calls of one round are under way at the same time.
 */
#ifndef SORA_LMTP_FILTER_H
#define SORA_LMTP_FILTER_H

#include "proto/sieve.pb-c.h"
#include "services/lmtp/transaction.h"

enum {
	LMTP_FILTER_ROUNDS_MAX = 32,   /* calls for one recipient; each but the first answers what the one before needed */
	LMTP_FILTER_ANSWERS_MAX = 1000,
	LMTP_FILTER_MS = 20000,        /* for all rounds together */
};

/* One recipient's. Zero it, set the first two. */
struct lmtp_filter {
	struct lmtp_recipient *recipient;
	struct str prefix; /* the trace fields of its copy */
	/*
	 * What came out. ERR_OK: `reply` has the actions, or says why the scripts failed, which their owner has been told: then the mail is
	 * kept. Anything else: nothing is known, try again later.
	 */
	enum err err;
	const SieveFilterReply *reply;

	/* Private. */
	SieveFilterRequest request;
	SieveInput input;
	const MetadataScript **scripts; /* of request.script, in its order */
	struct bus_call call;
	struct bus_future *future;
};

/* The mail is stored; `stored` of the transaction is set. Everything of the filters lives in `arena`. */
void lmtp_filter_run(struct lmtp_transaction *mail, struct lmtp_filter *filters, size_t count, struct arena *arena);
/* A script of the recipient went wrong, its mail is kept: tell its owner, who finds it in a log. */
void lmtp_filter_note(const struct lmtp_transaction *mail, const struct lmtp_recipient *recipient, const MetadataScript *script,
    uint32_t line, struct str problem);
/* What will be so at every try is the scripts' fault: the mail is kept, not turned away. */
bool lmtp_is_scripts_fault(enum err err);
/* About so many bytes go to the service for it at each round. */
size_t lmtp_filter_bytes(const struct lmtp_transaction *mail);

#endif
