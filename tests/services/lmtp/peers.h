/*
 * A metadata, a blob and a Sieve service that answer as they are told, and a client of the LMTP service between them: for what the real
 * services answer only when something is wrong with them.
 */
#ifndef SORA_TESTS_LMTP_PEERS_H
#define SORA_TESTS_LMTP_PEERS_H

#include <stdatomic.h>

#include "libcommon/service/service.h"
#include "proto/metadata.pb-c.h"
#include "proto/sieve.pb-c.h"

enum { PEER_COPIES_MAX = 3000, PEER_BODY_MAX = 4 * 1024 * 1024 };

struct peers {
	/* Told. "aN@x" is account N, "sN@x" too, which has a script; any other address is NO_ACCOUNT. */
	enum err resolve, deliver, put;    /* the call's own outcome */
	enum err results[16];              /* of the first recipients of a Deliver */
	size_t results_missing;            /* so many are left out at the end of the answer */
	int put_ms;                        /* how long a Put takes, of which ten are let in at a time */
	enum err filter;
	/* What the Sieve service says; NULL: an implicit keep. `try` counts its calls, from 0. */
	void (*decide)(int try, const SieveFilterRequest *req, SieveFilterReply *reply, struct arena *arena);
	size_t reruns;                     /* so many Delivers are answered with RERUN */

	/* Seen. */
	atomic_int resolves, delivers, puts, aborts, filters, lookups, fetches, notes;
	size_t action_count;               /* of the last copy, */
	MetadataAction actions[64];        /* without what they point to */
	uint64_t accounts[PEER_COPIES_MAX];
	size_t copy_count, transaction_len;
	struct str prefix;                 /* of the last copy */
	char *body;
	size_t body_len;

	/* Private. */
	struct config *config;
	struct service_context context;
	struct arena arena;
	void *lmtp;
	char port[8];
	int client;
};

/* Start all of it; `settings` is YAML for the configuration, or "". Then a client is connected and has said LHLO. */
void peers_start(struct peers *peers, const char *settings);
void peers_stop(struct peers *peers);

/* Send `text`; then read so many replies (last lines alone): their codes, "250 354 ". */
struct str peers_talk(struct peers *peers, const char *text, size_t replies);
/* Read until the server closes; what came. */
struct str peers_rest(struct peers *peers);

#endif
