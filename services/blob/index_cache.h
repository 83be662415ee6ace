/* Indexes of bodies that are being read piece by piece, so that each piece is one read of the store. Bounded; any thread. */
#ifndef SORA_BLOB_INDEX_CACHE_H
#define SORA_BLOB_INDEX_CACHE_H

#include <pthread.h>

#include "services/blob/frame/frame.h"

enum { INDEX_CACHE_COUNT = 256, INDEX_CACHE_BYTES = 8 * 1024 * 1024 };

struct index_cache_slot {
	struct frame_index *index;
	uint64_t used_at;
};

struct index_cache {
	pthread_mutex_t lock;
	struct index_cache_slot slots[INDEX_CACHE_COUNT];
	size_t bytes;
	uint64_t tick;
};

void index_cache_init(struct index_cache *cache);
void index_cache_clear(struct index_cache *cache);

/* Take the index of `ref` out: the caller's, to free or to give back. NULL: it is not here. */
struct frame_index *index_cache_take(struct index_cache *cache, const struct blob_ref *ref);
/* Give it, again or for the first time; the ones used longest ago go. Frees it when it has no room. */
void index_cache_give(struct index_cache *cache, struct frame_index *index);

#endif
