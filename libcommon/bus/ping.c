/* Looking at the replicas of a service one by one, for the operator. */
#include "libcommon/bus/internal.h"
#include "libcommon/bus/remote_internal.h"
#include "libcommon/bus/sockets.h"
#include "libcommon/core/clock.h"
#include "proto/bus.pb-c.h"

/* Every address behind the URLs; one whose name says nothing stands for itself. */
static size_t
resolve_all(const struct bus_remote *remote, struct arena *arena, struct bus_address **ret)
{
	struct bus_address *all = NULL;
	size_t count = 0;

	for (size_t i = 0; i < remote->url_count; i++) {
		struct str *urls, own = remote->urls[i];
		size_t found;
		struct bus_address *more;

		if (bus_resolve(own, arena, &urls, &found) != ERR_OK) {
			urls = &own;
			found = 1;
		}
		more = ARENA_ARRAY(arena, struct bus_address, count + found);
		if (count > 0)
			memcpy(more, all, count * sizeof(*all));
		for (size_t k = 0; k < found; k++)
			more[count++] = (struct bus_address){ .url = urls[k], .replica = str_hash(urls[k]) };
		all = more;
	}
	*ret = all;
	return count;
}

/* Under the lock: note who is connected. True: all are. */
static bool
note_connected(const struct bus_remote *remote, struct bus_address *addresses, size_t count)
{
	bool all = true;

	for (size_t i = 0; i < count; i++) {
		for (const struct bus_replica *at = remote->replicas; at != NULL; at = at->next)
			if (at->id == addresses[i].replica)
				addresses[i].is_connected = at->links[BUS_LANE_SMALL] != NULL &&
				    bus_link_is_connected(at->links[BUS_LANE_SMALL]);
		all &= addresses[i].is_connected;
	}
	return all;
}

size_t
bus_addresses(struct bus *bus, const char *service, struct arena *arena, struct bus_address **ret)
{
	struct bus_remote *remote = bus_remote_of(bus, service);
	int64_t give_up_ms = clock_mono_ms() + BUS_CONNECT_TIME_MS;
	struct timespec until = clock_timespec(give_up_ms);
	size_t count = remote ? resolve_all(remote, arena, ret) : 0;

	if (count == 0)
		return 0;
	pthread_mutex_lock(&remote->lock);
	bus_remote_want(remote, BUS_LANE_SMALL);
	while (!note_connected(remote, *ret, count) && clock_left_ms(give_up_ms) > 0)
		pthread_cond_clockwait(&remote->changed, &remote->lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&remote->lock);
	return count;
}

enum err
bus_ping(struct bus_call *call, const char *service, struct bus_health *ret)
{
	const struct bus_method method = { .service = service, .name = BUS_PING_NAME, .reply = &bus_ping_reply__descriptor,
		.timeout_ms = BUS_PING_MS };
	int64_t begun_us = clock_mono_us();
	ProtobufCMessage *message;
	const BusPingReply *reply;

	TRY(bus_call_method(call, &method, NULL, STR_NONE, &message, NULL));
	reply = (const BusPingReply *)message;
	*ret = (struct bus_health){ .version = str_from(reply->version.data, reply->version.len), .waiting = reply->waiting,
		.under_way = reply->under_way, .up_ms = (int64_t)reply->up_ms, .clock_ms = reply->clock_ms,
		.is_draining = reply->draining, .latency_us = clock_mono_us() - begun_us };
	return ERR_OK;
}
