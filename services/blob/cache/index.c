/* Which pieces there are, and where. */
#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "services/blob/cache/internal.h"

/* By the object alone, so that all of its pieces are found together: they share a list, whose length the object's size bounds. */
static uint32_t *
bucket_of(struct cache *cache, const struct uuid *object)
{
	return &cache->buckets[str_hash(str_from(object->bytes, sizeof(object->bytes))) & cache->bucket_mask];
}

static struct cache_entry *
entry_of(struct cache *cache, uint32_t id, struct cache_segment **ret_seg)
{
	*ret_seg = cache->segments[(id - 1) / cache->rows];
	return &(*ret_seg)->entries[(id - 1) % cache->rows];
}

static bool
is_of(const struct cache_entry *entry, const struct uuid *object)
{
	return memcmp(entry->object.bytes, object->bytes, sizeof(object->bytes)) == 0;
}

struct cache_entry *
index_find(struct cache *cache, const struct cache_key *key, struct cache_segment **ret_seg)
{
	struct cache_entry *entry;

	for (uint32_t id = *bucket_of(cache, &key->object); id != 0; id = entry->next) {
		entry = entry_of(cache, id, ret_seg);
		if (is_of(entry, &key->object) && entry->at == key->at && entry->len == key->len)
			return entry;
	}
	return NULL;
}

struct cache_entry *
index_find_object(struct cache *cache, const struct uuid *object, struct cache_segment **ret_seg)
{
	struct cache_entry *entry;

	for (uint32_t id = *bucket_of(cache, object); id != 0; id = entry->next) {
		entry = entry_of(cache, id, ret_seg);
		if (is_of(entry, object))
			return entry;
	}
	return NULL;
}

void
index_link(struct cache *cache, struct cache_segment *seg, uint32_t row)
{
	uint32_t *bucket = bucket_of(cache, &seg->entries[row].object);

	seg->entries[row].next = *bucket;
	*bucket = 1 + seg->slot * cache->rows + row;
}

void
index_unlink(struct cache *cache, struct cache_segment *seg, struct cache_entry *entry)
{
	uint32_t id = 1 + seg->slot * cache->rows + (uint32_t)(entry - seg->entries);
	uint32_t *at = bucket_of(cache, &entry->object);
	struct cache_segment *other;

	while (*at != id)
		at = &entry_of(cache, *at, &other)->next;
	*at = entry->next;
	entry->len = 0;
}

void
index_add(struct cache *cache, struct cache_segment *seg, const struct cache_key *key)
{
	struct cache_entry *entry;

	if (seg->count == seg->room) {
		seg->room = seg->room ? seg->room * 2 : 64;
		seg->entries = mem_resize(seg->entries, seg->room, sizeof(*seg->entries));
	}
	entry = &seg->entries[seg->count];
	*entry = (struct cache_entry){ .object = key->object, .at = key->at, .place = seg->end, .len = key->len & INT32_MAX };
	index_link(cache, seg, seg->count++);
	seg->end += key->len;
	metric_add(METRIC_BLOB_CACHE_BYTES, key->len);
}

void
segment_unref(struct cache_segment *seg)
{
	if (--seg->users == 0)
		segment_free(seg);
}

void
index_drop(struct cache *cache, struct cache_segment *seg)
{
	for (uint32_t i = 0; i < seg->count; i++) {
		if (seg->entries[i].len > 0)
			index_unlink(cache, seg, &seg->entries[i]);
	}
	metric_add(METRIC_BLOB_CACHE_BYTES, -(int64_t)seg->end);
	cache->segments[seg->slot] = NULL;
	segment_unlink(cache, seg->number);
	segment_unref(seg);
}

struct cache_segment *
index_oldest(struct cache *cache)
{
	struct cache_segment *oldest = NULL;

	for (unsigned i = 0; i < cache->slots; i++) {
		struct cache_segment *seg = cache->segments[i];

		if (seg != NULL && (oldest == NULL || seg->number < oldest->number))
			oldest = seg;
	}
	return oldest;
}

unsigned
index_count(const struct cache *cache)
{
	unsigned count = 0;

	for (unsigned i = 0; i < cache->slots; i++)
		count += cache->segments[i] != NULL;
	return count;
}
