/* Indexes of bodies that are being read piece by piece. */
#include "services/blob/index_cache.h"

#include <stdlib.h>

void
index_cache_init(struct index_cache *cache)
{
	*cache = (struct index_cache){ 0 };
	pthread_mutex_init(&cache->lock, NULL);
}

static size_t
index_bytes(const struct frame_index *index)
{
	return sizeof(*index) + index->count * sizeof(index->rows[0]);
}

static struct frame_index *
slot_empty(struct index_cache *cache, struct index_cache_slot *slot)
{
	struct frame_index *index = slot->index;

	if (index != NULL)
		cache->bytes -= index_bytes(index);
	slot->index = NULL;
	return index;
}

void
index_cache_clear(struct index_cache *cache)
{
	for (size_t i = 0; i < INDEX_CACHE_COUNT; i++)
		free(slot_empty(cache, &cache->slots[i]));
	pthread_mutex_destroy(&cache->lock);
}

static bool
is_same(const struct blob_ref *a, const struct blob_ref *b)
{
	return memcmp(a->object.bytes, b->object.bytes, sizeof(a->object.bytes)) == 0 && a->offset == b->offset &&
	    a->stored == b->stored && a->size == b->size && a->key_id == b->key_id;
}

struct frame_index *
index_cache_take(struct index_cache *cache, const struct blob_ref *ref)
{
	struct frame_index *index = NULL;

	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i < INDEX_CACHE_COUNT && index == NULL; i++) {
		if (cache->slots[i].index != NULL && is_same(&cache->slots[i].index->ref, ref))
			index = slot_empty(cache, &cache->slots[i]);
	}
	pthread_mutex_unlock(&cache->lock);
	return index;
}

/* An empty slot, or the one that was used longest ago. */
static struct index_cache_slot *
oldest(struct index_cache *cache, bool is_empty_wanted)
{
	struct index_cache_slot *found = NULL;

	for (size_t i = 0; i < INDEX_CACHE_COUNT; i++) {
		struct index_cache_slot *slot = &cache->slots[i];

		if (slot->index == NULL && is_empty_wanted)
			return slot;
		if (slot->index != NULL && (found == NULL || slot->used_at < found->used_at))
			found = slot;
	}
	return found;
}

void
index_cache_give(struct index_cache *cache, struct frame_index *index)
{
	struct index_cache_slot *slot;
	size_t bytes = index_bytes(index);

	if (bytes > INDEX_CACHE_BYTES) {
		free(index);
		return;
	}
	pthread_mutex_lock(&cache->lock);
	while (cache->bytes + bytes > INDEX_CACHE_BYTES)
		free(slot_empty(cache, oldest(cache, false)));
	slot = oldest(cache, true);
	free(slot_empty(cache, slot));
	*slot = (struct index_cache_slot){ .index = index, .used_at = ++cache->tick };
	cache->bytes += bytes;
	pthread_mutex_unlock(&cache->lock);
}
