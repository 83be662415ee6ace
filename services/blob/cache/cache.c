/* The cache: the calls. */
#include "services/blob/cache/cache.h"

#include <errno.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "services/blob/cache/internal.h"

/* ---- a disk that fails */

bool
cache_is_on(const struct cache *cache)
{
	return cache->off_until_ms == 0 || clock_left_ms(cache->off_until_ms) == 0;
}

void
cache_switch_off(struct cache *cache, const char *operation, int error)
{
	if (!cache_is_on(cache))
		return;
	cache->off_until_ms = clock_mono_ms() + CACHE_OFF_MS;
	log_warn(&cache->log, "blob.cache_off", KV_STR("directory", cache->path), KV_C("operation", operation),
	    KV_C("problem", strerror(error)), KV_INT("seconds", CACHE_OFF_MS / 1000),
	    KV_C("text", "mail is read from the store meanwhile: see that this disk is well, and has room for blob.cache.size"));
}

/* ---- flights, with the lock held */

static struct cache_flight *
flight_find(struct cache *cache, const struct cache_key *key)
{
	struct cache_flight *flight = cache->flights;

	while (flight != NULL && (flight->key.at != key->at || flight->key.len != key->len ||
	    memcmp(flight->key.object.bytes, key->object.bytes, sizeof(key->object.bytes)) != 0))
		flight = flight->next;
	return flight;
}

static bool
is_flying(const struct cache *cache, uint64_t number)
{
	const struct cache_flight *flight = cache->flights;

	while (flight != NULL && flight->number != number)
		flight = flight->next;
	return flight != NULL;
}

static void
flight_wait(struct cache *cache, const struct cache_flight *flight, int64_t deadline_ms)
{
	struct timespec until = clock_timespec(deadline_ms);
	uint64_t number = flight->number;

	while (is_flying(cache, number) && clock_left_ms(deadline_ms) > 0)
		pthread_cond_clockwait(&cache->landed, &cache->lock, CLOCK_MONOTONIC, &until);
}

static void
flight_begin(struct cache *cache, struct cache_flight *flight)
{
	flight->number = ++cache->flight_number;
	flight->next = cache->flights;
	cache->flights = flight;
}

/* ---- the calls */

/*
 * Read what the index has, the lock being given back meanwhile. False: it is not readable, and gone; or it was forgotten meanwhile, and perhaps
 * erased under the read, or has moved.
 */
static bool
read_entry(struct cache *cache, struct cache_segment *seg, struct cache_entry *entry, const struct cache_key *key, char *ret)
{
	uint64_t place = entry->place, number = seg->number;
	bool is_read;
	int error;

	entry->is_used = true;
	seg->users++;
	pthread_mutex_unlock(&cache->lock);
	is_read = segment_read(seg, place, key->len, ret);
	error = errno;
	pthread_mutex_lock(&cache->lock);
	segment_unref(seg);
	entry = index_find(cache, key, &seg);
	if (is_read)
		return entry != NULL && seg->number == number && entry->place == place;
	if (error != 0)
		cache_switch_off(cache, "read", error);
	metric_add(METRIC_BLOB_CACHE_DROPPED, 1);
	if (entry != NULL)
		index_unlink(cache, seg, entry);
	return false;
}

/* With the lock held, and never given back between the last look and a false. */
static bool
find(struct cache *cache, const struct cache_key *key, char *ret)
{
	struct cache_waiting *waiting;
	struct cache_segment *seg;
	struct cache_entry *entry;

	while (cache_is_on(cache) && (entry = index_find(cache, key, &seg)) != NULL) {
		if (read_entry(cache, seg, entry, key, ret))
			return true;
	}
	waiting = cache_is_on(cache) ? writer_find(cache, key) : NULL;
	if (waiting != NULL)
		memcpy(ret, waiting->bytes, key->len);
	return waiting != NULL;
}

/* With the lock held. Waits once for somebody else's flight; what is not there then is each one's own to read. */
static bool
find_or_fly(struct cache *cache, const struct cache_key *key, char *ret, int64_t deadline_ms, struct cache_flight *flight)
{
	bool has_waited = false;

	while (cache_is_on(cache)) {
		bool is_hit = find(cache, key, ret);
		struct cache_flight *other = flight_find(cache, key);

		if (is_hit)
			return true;
		if (other == NULL || has_waited) {
			if (!has_waited)
				flight_begin(cache, flight);
			return false;
		}
		flight_wait(cache, other, deadline_ms);
		has_waited = true;
	}
	return false;
}

bool
cache_get(struct cache *cache, const struct cache_key *key, char *ret, int64_t deadline_ms, struct cache_flight *flight)
{
	bool is_hit;

	*flight = (struct cache_flight){ .key = *key };
	if (cache == NULL)
		return false;
	pthread_mutex_lock(&cache->lock);
	is_hit = find_or_fly(cache, key, ret, deadline_ms, flight);
	pthread_mutex_unlock(&cache->lock);
	metric_add(is_hit ? METRIC_BLOB_CACHE_HITS : METRIC_BLOB_CACHE_MISSES, 1);
	return is_hit;
}

bool
cache_find(struct cache *cache, const struct cache_key *key, char *ret)
{
	bool is_hit;

	if (cache == NULL)
		return false;
	pthread_mutex_lock(&cache->lock);
	is_hit = find(cache, key, ret);
	pthread_mutex_unlock(&cache->lock);
	if (is_hit)
		metric_add(METRIC_BLOB_CACHE_HITS, 1);
	return is_hit;
}

/* With the lock held. */
static void
keep(struct cache *cache, const struct cache_key *key, struct str bytes)
{
	struct cache_segment *seg;

	if (bytes.len > 0 && bytes.len <= CACHE_PIECE_MAX && cache_is_on(cache) && index_find(cache, key, &seg) == NULL &&
	    writer_find(cache, key) == NULL)
		writer_add(cache, key, bytes.ptr);
}

void
cache_landed(struct cache *cache, struct cache_flight *flight, struct str bytes)
{
	struct cache_flight **at;

	if (cache == NULL)
		return;
	pthread_mutex_lock(&cache->lock);
	if (bytes.len == flight->key.len)
		keep(cache, &flight->key, bytes);
	for (at = &cache->flights; *at != NULL && *at != flight; at = &(*at)->next)
		continue;
	if (*at != NULL) {
		*at = flight->next;
		pthread_cond_broadcast(&cache->landed);
	}
	pthread_mutex_unlock(&cache->lock);
}

void
cache_keep(struct cache *cache, const struct uuid *object, uint64_t at, struct str bytes)
{
	struct cache_key key = { *object, at, (uint32_t)bytes.len };

	if (cache == NULL || bytes.len > CACHE_PIECE_MAX)
		return;
	pthread_mutex_lock(&cache->lock);
	keep(cache, &key, bytes);
	pthread_mutex_unlock(&cache->lock);
}

void
cache_drop(struct cache *cache, const struct cache_key *key)
{
	struct cache_segment *seg;
	struct cache_entry *entry;

	metric_add(METRIC_BLOB_CACHE_DROPPED, 1);
	pthread_mutex_lock(&cache->lock);
	entry = index_find(cache, key, &seg);
	if (entry != NULL)
		index_unlink(cache, seg, entry);
	pthread_mutex_unlock(&cache->lock);
}

/* Take one piece of it away; false: there is none. */
static bool
forget_one(struct cache *cache, const struct uuid *object)
{
	struct cache_segment *seg;
	struct cache_entry *entry, gone;
	uint32_t row;

	entry = index_find_object(cache, object, &seg);
	if (entry == NULL)
		return false;
	gone = *entry;
	row = (uint32_t)(entry - seg->entries);
	index_unlink(cache, seg, entry);
	seg->users++;
	pthread_mutex_unlock(&cache->lock);
	segment_erase(seg, row, gone.place, gone.len);
	pthread_mutex_lock(&cache->lock);
	segment_unref(seg);
	return true;
}

void
cache_forget(struct cache *cache, const struct uuid *object)
{
	if (cache == NULL)
		return;
	pthread_mutex_lock(&cache->lock);
	writer_forget(cache, object);
	while (forget_one(cache, object))
		continue;
	pthread_mutex_unlock(&cache->lock);
}
