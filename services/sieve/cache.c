/* The cache of compiled scripts: a table, and a list in the order of use. */
#include "services/sieve/cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "libcommon/core/mem.h"

enum { BUCKETS = 4096 };

struct entry {
	struct entry *next;          /* in its bucket */
	struct entry *newer, *older;
	uint8_t hash[SHA256_BYTES];
	struct sieve_script *script;
	size_t bytes;
};

struct sieve_cache {
	pthread_mutex_t lock;
	struct entry *buckets[BUCKETS];
	struct entry *newest, *oldest;
	size_t bytes, bytes_max;
};

struct sieve_cache *
sieve_cache_new(size_t bytes_max)
{
	struct sieve_cache *cache = MEM_NEW(struct sieve_cache);

	pthread_mutex_init(&cache->lock, NULL);
	cache->bytes_max = bytes_max;
	return cache;
}

/* ---- under the lock */

static struct entry **
find(struct sieve_cache *cache, const uint8_t hash[SHA256_BYTES])
{
	struct entry **at = &cache->buckets[(hash[0] << 8 | hash[1]) % BUCKETS];

	while (*at != NULL && memcmp((*at)->hash, hash, SHA256_BYTES) != 0)
		at = &(*at)->next;
	return at;
}

static void
take_out(struct sieve_cache *cache, struct entry *entry)
{
	*(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
	*(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
	entry->newer = entry->older = NULL;
}

static void
put_first(struct sieve_cache *cache, struct entry *entry)
{
	entry->older = cache->newest;
	*(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry;
	cache->newest = entry;
}

static void
forget(struct sieve_cache *cache, struct entry *entry)
{
	*find(cache, entry->hash) = entry->next;
	take_out(cache, entry);
	cache->bytes -= entry->bytes;
	sieve_script_unref(entry->script);
	free(entry);
}

/* ---- without it */

void
sieve_cache_free(struct sieve_cache *cache)
{
	if (cache == NULL)
		return;
	while (cache->oldest != NULL)
		forget(cache, cache->oldest);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

struct sieve_script *
sieve_cache_get(struct sieve_cache *cache, const uint8_t hash[SHA256_BYTES])
{
	struct sieve_script *script = NULL;
	struct entry *entry;

	pthread_mutex_lock(&cache->lock);
	entry = *find(cache, hash);
	if (entry != NULL) {
		take_out(cache, entry);
		put_first(cache, entry);
		script = sieve_script_ref(entry->script);
	}
	pthread_mutex_unlock(&cache->lock);
	return script;
}

void
sieve_cache_put(struct sieve_cache *cache, const uint8_t hash[SHA256_BYTES], struct sieve_script *script)
{
	struct entry **at, *entry;

	pthread_mutex_lock(&cache->lock);
	at = find(cache, hash);
	if (*at == NULL) {
		*at = entry = MEM_NEW(struct entry);
		memcpy(entry->hash, hash, SHA256_BYTES);
		entry->script = sieve_script_ref(script);
		entry->bytes = sizeof(*entry) + sieve_script_bytes(script);
		put_first(cache, entry);
		cache->bytes += entry->bytes;
		while (cache->bytes > cache->bytes_max && cache->oldest != NULL)
			forget(cache, cache->oldest);
	}
	pthread_mutex_unlock(&cache->lock);
}
