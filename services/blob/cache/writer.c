/* The one thread that writes: pieces from the queue into the newest segment, and the oldest segment away when there are enough. */
#include <errno.h>
#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "services/blob/cache/internal.h"

/* ---- the queue, with the lock held */

static bool
is_same(const struct cache_key *a, const struct cache_key *b)
{
	return memcmp(a->object.bytes, b->object.bytes, sizeof(a->object.bytes)) == 0 && a->at == b->at && a->len == b->len;
}

struct cache_waiting *
writer_find(struct cache *cache, const struct cache_key *key)
{
	struct cache_waiting *w = cache->waiting;

	while (w != NULL && (w->is_dead || !is_same(&w->key, key)))
		w = w->next;
	return w;
}

void
writer_add(struct cache *cache, const struct cache_key *key, const char *bytes)
{
	struct cache_waiting *w;

	if (cache->waiting_count == CACHE_WAITING_COUNT || cache->waiting_bytes + key->len > CACHE_WAITING_BYTES)
		return;
	w = mem_alloc(sizeof(*w) + key->len);
	w->next = NULL;
	w->key = *key;
	w->is_dead = false;
	memcpy(w->bytes, bytes, key->len);
	*cache->waiting_end = w;
	cache->waiting_end = &w->next;
	cache->waiting_bytes += key->len;
	cache->waiting_count++;
	pthread_cond_signal(&cache->work);
}

void
writer_forget(struct cache *cache, const struct uuid *object)
{
	for (struct cache_waiting *w = cache->waiting; w != NULL; w = w->next) {
		if (memcmp(w->key.object.bytes, object->bytes, sizeof(object->bytes)) == 0)
			w->is_dead = true;
	}
}

static void
remove_first(struct cache *cache)
{
	struct cache_waiting *w = cache->waiting;

	cache->waiting = w->next;
	if (cache->waiting == NULL)
		cache->waiting_end = &cache->waiting;
	cache->waiting_bytes -= w->key.len;
	cache->waiting_count--;
	free(w);
}

/* ---- segments; the lock is taken where others could look */

static struct cache_segment *
newest(struct cache *cache)
{
	struct cache_segment *found = NULL;

	for (unsigned i = 0; i < cache->slots; i++) {
		if (cache->segments[i] != NULL && cache->segments[i]->number == cache->next_number - 1)
			found = cache->segments[i];
	}
	return found;
}

static void
put_in_slot(struct cache *cache, struct cache_segment *seg)
{
	while (cache->segments[seg->slot] != NULL)
		seg->slot++;
	cache->segments[seg->slot] = seg;
	cache->next_number = seg->number + 1;
	metric_add(METRIC_BLOB_CACHE_BYTES, (int64_t)seg->end);
}

/* Write `entry`, row `row` of a segment that goes, into a new one. False: the disk failed. */
static bool
carry_over(struct cache *cache, struct cache_segment *from, uint32_t row, const struct cache_entry *entry, struct cache_segment *to,
    char *bytes)
{
	struct cache_key key = { entry->object, entry->at, entry->len };

	if (!segment_read(from, entry->place, entry->len, bytes) || !segment_write(to, &key, bytes))
		return false;
	pthread_mutex_lock(&cache->lock);
	/* Unless it was forgotten just now: then the next start must not find it either. */
	if (from->entries[row].len > 0) {
		index_unlink(cache, from, &from->entries[row]);
		index_add(cache, to, &key);
	} else {
		segment_erase(to, to->count, to->end, key.len);
	}
	pthread_mutex_unlock(&cache->lock);
	return true;
}

/* What was asked for since it was written stays, up to half of the new segment: the rest is for what is new. */
static void
retire(struct cache *cache, struct cache_segment *old, struct cache_segment *fresh)
{
	uint64_t half = segment_data_at(cache) + (cache->segment_bytes - segment_data_at(cache)) / 2;
	char *bytes = mem_alloc(CACHE_PIECE_MAX);
	bool goes_on = true;

	for (uint32_t i = 0; i < old->count && goes_on && fresh->count < cache->rows / 2; i++) {
		struct cache_entry entry;

		pthread_mutex_lock(&cache->lock);
		entry = old->entries[i];
		pthread_mutex_unlock(&cache->lock);
		if (entry.len > 0 && entry.is_used && fresh->end + entry.len <= half)
			goes_on = carry_over(cache, old, i, &entry, fresh, bytes);
	}
	pthread_mutex_lock(&cache->lock);
	index_drop(cache, old);
	pthread_mutex_unlock(&cache->lock);
	free(bytes);
}

/* The segment where a piece of `len` bytes goes: half of a new one is always enough. NULL: the disk failed. */
static struct cache_segment *
segment_for(struct cache *cache, uint32_t len)
{
	struct cache_segment *seg = newest(cache);

	if (seg != NULL && segment_has_room(cache, seg, len))
		return seg;
	seg = segment_new(cache, cache->next_number);
	if (seg == NULL)
		return NULL;
	pthread_mutex_lock(&cache->lock);
	put_in_slot(cache, seg);
	pthread_mutex_unlock(&cache->lock);
	if (index_count(cache) == cache->slots)
		retire(cache, index_oldest(cache), seg);
	return seg;
}

/* ---- the thread */

/* A full disk has room again when something goes: let it be ours. */
static void
give_way(struct cache *cache)
{
	if (index_count(cache) > 1)
		index_drop(cache, index_oldest(cache));
}

/* Write the first of the queue, holding the lock before and after. */
static void
write_first(struct cache *cache)
{
	struct cache_waiting *w = cache->waiting;
	struct cache_segment *seg = NULL;
	bool is_written = true;

	if (!w->is_dead && cache_is_on(cache)) {
		pthread_mutex_unlock(&cache->lock);
		seg = segment_for(cache, w->key.len);
		is_written = seg != NULL && segment_write(seg, &w->key, w->bytes);
		pthread_mutex_lock(&cache->lock);
	}
	if (!is_written) {
		cache_switch_off(cache, "write", errno);
		give_way(cache);
	} else if (seg != NULL && w->is_dead) {
		segment_erase(seg, seg->count, seg->end, w->key.len);
	} else if (seg != NULL) {
		index_add(cache, seg, &w->key);
	}
	remove_first(cache);
}

static void *
writer_run(void *self)
{
	struct cache *cache = self;

	pthread_mutex_lock(&cache->lock);
	while (!cache->is_stopping || cache->waiting != NULL) {
		if (cache->waiting == NULL)
			pthread_cond_wait(&cache->work, &cache->lock);
		else
			write_first(cache);
	}
	pthread_mutex_unlock(&cache->lock);
	return NULL;
}

enum err
writer_start(struct cache *cache)
{
	return pthread_create(&cache->writer, NULL, writer_run, cache) == 0 ? ERR_OK : ERR_INTERNAL;
}

void
writer_stop(struct cache *cache)
{
	pthread_mutex_lock(&cache->lock);
	cache->is_stopping = true;
	pthread_cond_signal(&cache->work);
	pthread_mutex_unlock(&cache->lock);
	pthread_join(cache->writer, NULL);
}
