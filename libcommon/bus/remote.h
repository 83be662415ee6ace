/*
 * A service as its callers see it: the replicas that its URLs lead to now, and which of them to ask.
 *
 * A thread of each remote in use resolves its names every few seconds. Who is asked is decided by rendezvous hash: of all
 * replicas, the one whose hash with the route is highest; when one goes, only its own routes move.
 */
#ifndef SORA_BUS_REMOTE_H
#define SORA_BUS_REMOTE_H

#include "libcommon/bus/link.h"

struct bus_remote;
struct bus_replica;
struct bus_tls;

/* How much `replica` wants `route`. */
uint64_t bus_weight(uint64_t route, uint64_t replica);

/* `service`, `urls` and `tls` (NULL: no URL is of tls+tcp) must outlive it. Nothing happens until it is first used. */
struct bus_remote *bus_remote_new(const char *service, const struct str *urls, size_t count, const struct bus_tls *tls);
/* Calls under way end with ERR_CLOSED, and so does every later one. */
void bus_remote_close(struct bus_remote *remote);
/* Of a closed remote: waits until the calls under way have ended. */
void bus_remote_free(struct bus_remote *remote);

/* Chunks of bodies have a connection of their own, so that small calls do not wait behind them. */
enum bus_lane_kind { BUS_LANE_SMALL, BUS_LANE_CHUNK, BUS_LANE_KINDS };

/* Whom a call has asked in vain. */
struct bus_try {
	uint64_t replica;
	unsigned generation;
	bool has_answered; /* it is there, and asking it again would give the same; else it may be asked when it has connected anew */
};

enum { BUS_TRIES_MAX = 8, BUS_CONNECT_TIME_MS = 2000 };

/* What a call wants. Set the first part, zero the rest. */
struct bus_search {
	uint64_t route;
	enum bus_lane_kind kind;
	bool is_pinned;
	uint64_t replica;
	int64_t deadline_ms;

	struct bus_try tries[BUS_TRIES_MAX];
	size_t count;
	unsigned generation; /* of the connection that was given */
	bool is_probe;       /* the first to ask a replica that was left alone: the others wait for what comes of it */
	int64_t give_up_ms;
};

/* What came of asking a replica. */
enum bus_outcome {
	BUS_ANSWERED,   /* it works */
	BUS_REFUSED,    /* it works, but not for this call: busy */
	BUS_GOING_AWAY, /* it is shutting down */
	BUS_FAILED,     /* its infrastructure fails: no answer in time, or UNAVAILABLE */
	BUS_LOST,       /* the connection broke */
};

/*
 * The next replica to ask: the best connected one that was not asked in vain. When none is connected, or those that are were asked in vain and
 * another's first connection is being made, this waits for one, at most BUS_CONNECT_TIME_MS over the whole search. `*ret_has_other`: there is
 * another one that could be asked after it.
 *
 * ERR_UNAVAILABLE: there is none (left). ERR_CLOSED: the bus is being freed.
 */
enum err bus_remote_take(struct bus_remote *remote, struct bus_search *search, struct bus_replica **ret_replica,
    bool *ret_has_other);
/* Give it back, and say what came of it. */
void bus_remote_give(struct bus_remote *remote, struct bus_search *search, struct bus_replica *replica, enum bus_outcome outcome);

uint64_t bus_replica_id(const struct bus_replica *replica);
const char *bus_replica_url(const struct bus_replica *replica);
struct bus_link *bus_replica_link(const struct bus_replica *replica, enum bus_lane_kind kind);

/* Which one bus_remote_take would give at once; 0: none. */
uint64_t bus_remote_peek(struct bus_remote *remote, const struct bus_search *search);

/* The connected replicas, as bus_replicas says. */
size_t bus_remote_list(struct bus_remote *remote, uint64_t *ret, size_t max);

#endif
