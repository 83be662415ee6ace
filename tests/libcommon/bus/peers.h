/* Services and callers for the tests of the bus: each `struct peer` is a process of its own as far as the bus can tell. */
#ifndef SORA_TESTS_BUS_PEERS_H
#define SORA_TESTS_BUS_PEERS_H

#include <stdatomic.h>

#include "libcommon/bus/bus.h"
#include "libcommon/config/config.h"
#include "proto/blob.client.h"
#include "proto/blob.server.h"
#include "proto/metadata.client.h"
#include "proto/metadata.server.h"

enum { KEYS_MAX = 64 };

/* A replica that serves some methods of metadata and blob at one URL. */
struct peer {
	const char *name; /* what its Ping answers */
	struct str url;
	struct config config;
	struct bus *bus;
	struct bus_limits limits; /* set before the start; 0: the usual */
	const char *certificate;  /* likewise; NULL: one with every name */
	_Atomic int runs;         /* handlers that were begun */
	_Atomic int sleep_ms;     /* how long each takes */
	_Atomic int answer;       /* enum err that each returns */
	_Atomic int key_count;
	struct uuid keys[KEYS_MAX]; /* that Store saw */
	_Atomic(struct rpc *) deferred; /* by Watch, to be finished by the test */
};

enum transport { INPROC, IPC, TCP, TLS, TRANSPORTS };
extern const char *const transport_names[TRANSPORTS];

/*
 * Use the certificate NAME.pem and its key: of the directory that SORA_TEST_CERTIFICATES names (deploy/certificates made it), or with its
 * whole path. The authority is that directory's.
 */
void certify(struct config *config, const char *name);
/* A URL that nobody uses, for ever. */
struct str fresh_url(enum transport transport);
/* Serve at `url`. */
void peer_start(struct peer *peer, const char *name, struct str url);
/* Gone, as if killed: connections break in the middle of what they do. */
void peer_stop(struct peer *peer);

struct caller {
	struct config config;
	struct str urls[8];
	struct bus *bus;
	struct arena arena;
	struct bus_call call; /* of role imap, ready to be used */
};

void caller_start(struct caller *caller, size_t count, const struct str *urls);
/* With another certificate than that of imap. */
void caller_start_as(struct caller *caller, const char *certificate, size_t count, const struct str *urls);
void caller_stop(struct caller *caller);

/* Ping; returns the name of who answered, or the error's name. */
const char *ping(struct caller *caller);
/* A route that the replica at `url` is the first choice of, among all of the caller's. */
uint64_t route_to(const struct caller *caller, struct str url);
/* Wait until all replicas of the caller are connected. */
void await_replicas(struct caller *caller, size_t count);
/* Wait until so many handlers of the peer were begun. */
void await_runs(struct peer *peer, int count);
void sleep_ms(int ms);

#endif
