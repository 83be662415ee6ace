/* Compiled scripts by the hash of their source, so that each is compiled once. Bounded in bytes: the ones used longest ago go. Any thread. */
#ifndef SORA_SIEVE_CACHE_H
#define SORA_SIEVE_CACHE_H

#include "libcommon/crypto/hash.h"
#include "services/sieve/sieve.h"

struct sieve_cache;

struct sieve_cache *sieve_cache_new(size_t bytes_max);
void sieve_cache_free(struct sieve_cache *cache);

/* A reference for the caller, or NULL. */
struct sieve_script *sieve_cache_get(struct sieve_cache *cache, const uint8_t hash[SHA256_BYTES]);
/* Takes a reference of its own; one that is there already stays. */
void sieve_cache_put(struct sieve_cache *cache, const uint8_t hash[SHA256_BYTES], struct sieve_script *script);

#endif
