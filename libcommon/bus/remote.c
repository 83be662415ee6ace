/* A service as its callers see it: choosing among its replicas. remote_refresh.c keeps the list of them. */
#include "libcommon/bus/remote_internal.h"

#include <assert.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"

enum {
	FAILURES_MAX = 3, /* in a row, then it is left alone */
	EJECT_MIN_MS = 1000,
	EJECT_MAX_MS = 30000,
	DRAIN_TIME_MS = 15000,
};

/* The finaliser of splitmix64: every bit of the input moves half of the output. */
static uint64_t
mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t
bus_weight(uint64_t route, uint64_t replica)
{
	return mix(mix(route + 0x9e3779b97f4a7c15u) ^ mix(replica));
}

uint64_t
bus_replica_id(const struct bus_replica *replica)
{
	return replica->id;
}

const char *
bus_replica_url(const struct bus_replica *replica)
{
	return replica->url;
}

struct bus_link *
bus_replica_link(const struct bus_replica *replica, enum bus_lane_kind kind)
{
	return replica->links[kind];
}

static void
enter(struct bus_remote *remote)
{
	pthread_mutex_lock(&remote->lock);
	remote->callers++;
}

static void
leave(struct bus_remote *remote)
{
	remote->callers--;
	if (remote->is_closed)
		pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
}

static bool
is_connected(const struct bus_replica *replica, enum bus_lane_kind kind)
{
	return replica->links[kind] != NULL && bus_link_is_connected(replica->links[kind]);
}

/* Out of turn: asked only when there is no other. */
static bool
is_avoided(const struct bus_replica *replica, int64_t now)
{
	if (now >= replica->avoid_until_ms)
		return replica->is_probed;
	return replica->avoid_generation == 0 ||
	    replica->avoid_generation == bus_link_generation(replica->links[BUS_LANE_SMALL]);
}

static bool
was_tried(const struct bus_search *search, const struct bus_replica *replica)
{
	unsigned generation = replica->links[search->kind] ? bus_link_generation(replica->links[search->kind]) : 0;

	for (size_t i = 0; i < search->count; i++) {
		const struct bus_try *try = &search->tries[i];

		if (try->replica == replica->id && (try->has_answered || try->generation == generation))
			return true;
	}
	return false;
}

static bool
has_answered(const struct bus_search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		if (search->tries[i].has_answered)
			return true;
	}
	return false;
}

/* Is there one whose first connection may be there in a moment? */
static bool
is_connecting(const struct bus_remote *remote, const struct bus_search *search)
{
	int64_t since_ms = clock_mono_ms() - BUS_CONNECT_TIME_MS;

	for (const struct bus_replica *at = remote->replicas; at != NULL && !search->is_pinned; at = at->next) {
		const struct bus_link *link = at->links[search->kind];

		if (at->is_listed && (link == NULL || (bus_link_generation(link) == 0 && at->opened_ms[search->kind] > since_ms)))
			return true;
	}
	return false;
}

static struct bus_replica *
best(struct bus_remote *remote, const struct bus_search *search, size_t *ret_count)
{
	int64_t now = clock_mono_ms();
	struct bus_replica *found = NULL;
	uint64_t found_weight = 0;
	bool found_avoided = true;

	*ret_count = 0;
	for (struct bus_replica *at = remote->replicas; at != NULL; at = at->next) {
		bool avoided = is_avoided(at, now);
		uint64_t weight = bus_weight(search->route, at->id);

		if (search->is_pinned ? at->id != search->replica : !at->is_listed)
			continue;
		if (!is_connected(at, search->kind) || was_tried(search, at))
			continue;
		++*ret_count;
		if (found == NULL || avoided < found_avoided || (avoided == found_avoided && weight > found_weight)) {
			found = at;
			found_weight = weight;
			found_avoided = avoided;
		}
	}
	return found;
}

/* Wait until something changes, but not past `until_ms`. */
static void
wait_for_change(struct bus_remote *remote, int64_t until_ms)
{
	struct timespec until = clock_timespec(until_ms);

	pthread_cond_clockwait(&remote->changed, &remote->lock, CLOCK_MONOTONIC, &until);
}

static enum err
take_locked(struct bus_remote *remote, struct bus_search *search, struct bus_replica **ret_replica, size_t *ret_count)
{
	bus_remote_want(remote, search->kind);
	while (!remote->is_closed) {
		int64_t now = clock_mono_ms();

		if (search->count < BUS_TRIES_MAX && (*ret_replica = best(remote, search, ret_count)) != NULL) {
			(*ret_replica)->refs++;
			search->generation = bus_link_generation((*ret_replica)->links[search->kind]);
			search->is_probe = (*ret_replica)->ejections > 0 && !(*ret_replica)->is_probed;
			(*ret_replica)->is_probed |= search->is_probe;
			return ERR_OK;
		}
		if (search->give_up_ms == 0)
			search->give_up_ms = now + BUS_CONNECT_TIME_MS;
		if (search->count == BUS_TRIES_MAX || (has_answered(search) && !is_connecting(remote, search)) ||
		    now >= search->give_up_ms || now >= search->deadline_ms)
			return ERR_UNAVAILABLE;
		wait_for_change(remote, search->give_up_ms < search->deadline_ms ? search->give_up_ms : search->deadline_ms);
	}
	return ERR_CLOSED;
}

enum err
bus_remote_take(struct bus_remote *remote, struct bus_search *search, struct bus_replica **ret_replica, bool *ret_has_other)
{
	size_t count;
	enum err err;

	enter(remote);
	err = take_locked(remote, search, ret_replica, &count);
	leave(remote);
	if (err == ERR_OK)
		*ret_has_other = count > 1;
	return err;
}

uint64_t
bus_remote_peek(struct bus_remote *remote, const struct bus_search *search)
{
	const struct bus_replica *replica;
	uint64_t id;
	size_t count;

	enter(remote);
	replica = best(remote, search, &count);
	id = replica != NULL ? replica->id : 0;
	leave(remote);
	return id;
}

/* Leave a replica alone that failed again and again, unless half of them would be left alone. */
static void
eject(struct bus_remote *remote, struct bus_replica *replica)
{
	int64_t now = clock_mono_ms(), time_ms = EJECT_MIN_MS;
	size_t listed = 0, ejected = 0;

	/* Of many calls that were waiting for it when it fell silent, the first counts. */
	if (is_avoided(replica, now))
		return;
	for (struct bus_replica *at = remote->replicas; at != NULL; at = at->next) {
		listed += at->is_listed;
		ejected += at->is_listed && is_avoided(at, now);
	}
	if ((ejected + 1) * 2 > listed)
		return;
	for (unsigned i = 0; i < replica->ejections && time_ms < EJECT_MAX_MS; i++)
		time_ms *= 2;
	replica->ejections++;
	replica->failures = FAILURES_MAX - 1;
	replica->avoid_generation = 0;
	replica->avoid_until_ms = now + (time_ms < EJECT_MAX_MS ? time_ms : EJECT_MAX_MS);
	log_warn(&remote->log, "bus.ejected", KV_C("replica", replica->url), KV_INT("ms", replica->avoid_until_ms - now));
}

static void
note_outcome(struct bus_remote *remote, struct bus_replica *replica, enum bus_outcome outcome)
{
	switch (outcome) {
	case BUS_ANSWERED:
		replica->failures = 0;
		replica->ejections = 0;
		break;
	case BUS_REFUSED:
		break;
	case BUS_GOING_AWAY:
		/* Its successor at the same address is welcome at once: that is another connection. */
		replica->avoid_until_ms = clock_mono_ms() + DRAIN_TIME_MS;
		replica->avoid_generation = bus_link_generation(replica->links[BUS_LANE_SMALL]);
		break;
	case BUS_FAILED:
	case BUS_LOST:
		if (++replica->failures >= FAILURES_MAX)
			eject(remote, replica);
		break;
	}
}

static void
note_try(struct bus_search *search, const struct bus_replica *replica, enum bus_outcome outcome)
{
	struct bus_try *try = &search->tries[search->count];

	assert(search->count < BUS_TRIES_MAX);
	try->replica = replica->id;
	try->generation = search->generation;
	try->has_answered = outcome == BUS_REFUSED || outcome == BUS_FAILED;
	search->count++;
}

void
bus_remote_give(struct bus_remote *remote, struct bus_search *search, struct bus_replica *replica, enum bus_outcome outcome)
{
	enter(remote);
	if (search->is_probe)
		replica->is_probed = false;
	note_outcome(remote, replica, outcome);
	if (outcome != BUS_ANSWERED)
		note_try(search, replica, outcome);
	replica->refs--;
	leave(remote);
}

static size_t
list_connected(const struct bus_remote *remote, uint64_t *ret, size_t max)
{
	size_t count = 0;

	for (const struct bus_replica *at = remote->replicas; at != NULL; at = at->next) {
		if (!at->is_listed || !is_connected(at, BUS_LANE_SMALL))
			continue;
		if (count < max)
			ret[count] = at->id;
		count++;
	}
	return count;
}

size_t
bus_remote_list(struct bus_remote *remote, uint64_t *ret, size_t max)
{
	int64_t give_up_ms = clock_mono_ms() + BUS_CONNECT_TIME_MS;
	bool is_first;
	size_t count;

	enter(remote);
	/* The first to ask waits until there is something to tell; later ones are told what is. */
	is_first = !remote->is_started;
	bus_remote_want(remote, BUS_LANE_SMALL);
	while ((count = list_connected(remote, ret, max)) == 0 && is_first && !remote->is_closed &&
	    clock_mono_ms() < give_up_ms)
		wait_for_change(remote, give_up_ms);
	leave(remote);
	return count;
}
