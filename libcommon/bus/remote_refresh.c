/* The list of a service's replicas: a thread that asks the names who is there, and opens and closes the connections. */
#include <stdlib.h>

#include "libcommon/bus/remote_internal.h"
#include "libcommon/bus/sockets.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"

/* One that is gone from the names is kept for a while: calls may be pinned to it, names flicker, and nng likes few dialers. */
enum { REFRESH_MS = 3000, RETRY_MS = 500, LINGER_MS = 60000 };

struct bus_remote *
bus_remote_new(const char *service, const struct str *urls, size_t count, const struct bus_tls *tls)
{
	struct bus_remote *remote = MEM_NEW(struct bus_remote);

	remote->log.service = service;
	remote->urls = urls;
	remote->url_count = count;
	remote->tls = tls;
	for (size_t i = 0; i < count; i++)
		remote->has_names |= bus_url_is_name(urls[i]);
	pthread_mutex_init(&remote->lock, NULL);
	pthread_cond_init(&remote->changed, NULL);
	return remote;
}

static void
announce(void *arg)
{
	struct bus_remote *remote = arg;

	pthread_mutex_lock(&remote->lock);
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
}

static struct bus_replica *
find(struct bus_remote *remote, struct str url)
{
	for (struct bus_replica *at = remote->replicas; at != NULL; at = at->next) {
		if (str_equal(str_c(at->url), url))
			return at;
	}
	return NULL;
}

/* The thread alone adds and removes replicas; others read the list under the lock. */
static struct bus_replica *
add(struct bus_remote *remote, struct str url)
{
	struct bus_replica *replica = MEM_NEW(struct bus_replica);

	replica->url = strndup(url.ptr, url.len);
	replica->id = str_hash(url);
	pthread_mutex_lock(&remote->lock);
	replica->next = remote->replicas;
	remote->replicas = replica;
	pthread_mutex_unlock(&remote->lock);
	return replica;
}

static void
open_links(struct bus_remote *remote, struct bus_replica *replica)
{
	bool wants[BUS_LANE_KINDS];

	pthread_mutex_lock(&remote->lock);
	memcpy(wants, remote->wants, sizeof(wants));
	pthread_mutex_unlock(&remote->lock);
	for (int kind = 0; kind < BUS_LANE_KINDS; kind++) {
		struct bus_link *link;

		if (!wants[kind] || replica->links[kind] != NULL)
			continue;
		if (bus_link_open(replica->url, remote->tls, remote->log.service, announce, remote, &link) != ERR_OK) {
			log_error(&remote->log, "bus.bad_url", KV_C("url", replica->url));
			continue;
		}
		pthread_mutex_lock(&remote->lock);
		replica->links[kind] = link;
		replica->opened_ms[kind] = clock_mono_ms();
		pthread_mutex_unlock(&remote->lock);
	}
}

static void
set_listed(struct bus_remote *remote, struct bus_replica *replica, bool is_listed)
{
	if (replica->is_listed == is_listed)
		return;
	log_info(&remote->log, is_listed ? "bus.replica_found" : "bus.replica_gone", KV_C("url", replica->url));
	pthread_mutex_lock(&remote->lock);
	replica->is_listed = is_listed;
	replica->gone_ms = clock_mono_ms();
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
}

static bool
is_among(const char *url, const struct str *urls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(str_c(url), urls[i]))
			return true;
	}
	return false;
}

/* All addresses behind the configured URLs. False when some name could not be resolved: then nobody is taken off the list. */
static bool
look_up_all(struct bus_remote *remote, struct arena *arena, struct str **ret_urls, size_t *ret_count)
{
	struct str *all = NULL;
	size_t count = 0;
	bool is_complete = true;

	for (size_t i = 0; i < remote->url_count; i++) {
		struct str *urls, *more;
		size_t found;
		enum err err = bus_resolve(remote->urls[i], arena, &urls, &found);

		if (err != ERR_OK) {
			log_warn(&remote->log, "bus.resolve_failed", KV_STR("url", remote->urls[i]), KV_ERR(err));
			is_complete = false;
			continue;
		}
		more = ARENA_ARRAY(arena, struct str, count + found);
		if (count > 0)
			memcpy(more, all, count * sizeof(*all));
		memcpy(more + count, urls, found * sizeof(*urls));
		all = more;
		count += found;
	}
	*ret_urls = all;
	*ret_count = count;
	return is_complete;
}

static void
free_replica(struct bus_replica *replica)
{
	for (int kind = 0; kind < BUS_LANE_KINDS; kind++) {
		if (replica->links[kind] != NULL)
			bus_link_free(replica->links[kind]);
	}
	free(replica->url);
	free(replica);
}

static void
close_links(struct bus_replica *replica)
{
	for (int kind = 0; kind < BUS_LANE_KINDS; kind++) {
		if (replica->links[kind] != NULL)
			bus_link_close(replica->links[kind]);
	}
}

/* Close one that has long been gone and that nobody holds. */
static void
remove_old(struct bus_remote *remote)
{
	struct bus_replica *old = NULL;

	pthread_mutex_lock(&remote->lock);
	for (struct bus_replica **at = &remote->replicas; *at != NULL; at = &(*at)->next) {
		if (!(*at)->is_listed && (*at)->refs == 0 && clock_mono_ms() - (*at)->gone_ms > LINGER_MS) {
			old = *at;
			*at = old->next;
			break;
		}
	}
	pthread_mutex_unlock(&remote->lock);
	if (old != NULL) {
		close_links(old);
		free_replica(old);
	}
}

/* True when every name could be resolved. */
static bool
refresh(struct bus_remote *remote)
{
	struct arena arena = { 0 };
	struct str *urls;
	size_t count;
	bool is_complete = look_up_all(remote, &arena, &urls, &count);

	for (size_t i = 0; i < count; i++) {
		struct bus_replica *replica = find(remote, urls[i]);

		if (replica == NULL)
			replica = add(remote, urls[i]);
		open_links(remote, replica);
		set_listed(remote, replica, replica->links[BUS_LANE_SMALL] != NULL);
	}
	for (struct bus_replica *at = remote->replicas; at != NULL && is_complete && count > 0; at = at->next) {
		if (!is_among(at->url, urls, count))
			set_listed(remote, at, false);
	}
	arena_clear(&arena);
	remove_old(remote);
	return is_complete;
}

static void *
run(void *arg)
{
	struct bus_remote *remote = arg;

	pthread_mutex_lock(&remote->lock);
	while (!remote->is_closed) {
		int64_t next_ms;
		bool is_complete;

		remote->is_stale = false;
		pthread_mutex_unlock(&remote->lock);
		is_complete = refresh(remote);
		next_ms = clock_mono_ms() + (is_complete ? REFRESH_MS : RETRY_MS);
		pthread_mutex_lock(&remote->lock);
		while (!remote->is_closed && !remote->is_stale && (clock_mono_ms() < next_ms || (is_complete && !remote->has_names))) {
			struct timespec until = clock_timespec(next_ms);

			if (is_complete && !remote->has_names)
				pthread_cond_wait(&remote->changed, &remote->lock);
			else
				pthread_cond_clockwait(&remote->changed, &remote->lock, CLOCK_MONOTONIC, &until);
		}
	}
	pthread_mutex_unlock(&remote->lock);
	return NULL;
}

void
bus_remote_want(struct bus_remote *remote, enum bus_lane_kind kind)
{
	if (remote->is_closed || (remote->is_started && remote->wants[kind]))
		return;
	/* What tells a replica's health, and whether it is another process now, is the connection for small calls. */
	remote->wants[BUS_LANE_SMALL] = remote->wants[kind] = true;
	remote->is_stale = true;
	if (!remote->is_started) {
		remote->is_started = true;
		if (pthread_create(&remote->thread, NULL, run, remote) != 0)
			abort();
	}
	pthread_cond_broadcast(&remote->changed);
}

void
bus_remote_close(struct bus_remote *remote)
{
	bool is_started;

	pthread_mutex_lock(&remote->lock);
	is_started = remote->is_started;
	remote->is_closed = true;
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
	if (is_started)
		pthread_join(remote->thread, NULL);
	for (struct bus_replica *at = remote->replicas; at != NULL; at = at->next)
		close_links(at);
}

static bool
is_held(const struct bus_remote *remote)
{
	for (const struct bus_replica *at = remote->replicas; at != NULL; at = at->next) {
		if (at->refs > 0)
			return true;
	}
	return remote->callers > 0;
}

void
bus_remote_free(struct bus_remote *remote)
{
	pthread_mutex_lock(&remote->lock);
	while (is_held(remote))
		pthread_cond_wait(&remote->changed, &remote->lock);
	pthread_mutex_unlock(&remote->lock);
	while (remote->replicas != NULL) {
		struct bus_replica *replica = remote->replicas;

		remote->replicas = replica->next;
		free_replica(replica);
	}
	pthread_cond_destroy(&remote->changed);
	pthread_mutex_destroy(&remote->lock);
	free(remote);
}
