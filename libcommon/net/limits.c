/* Counted names: connections by address and by user. */
#include "libcommon/net/limits.h"

#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "libcommon/core/random.h"

void
tally_init(struct tally *tally, size_t names)
{
	size_t size = 64;

	while (size < names)
		size *= 2;
	pthread_mutex_init(&tally->lock, NULL);
	tally->buckets = mem_calloc(size, sizeof(*tally->buckets));
	tally->mask = size - 1;
	tally->seed = random_u64();
}

void
tally_clear(struct tally *tally)
{
	if (tally->buckets == NULL)
		return;
	for (size_t i = 0; i <= tally->mask; i++) {
		while (tally->buckets[i] != NULL) {
			struct tally_name *name = tally->buckets[i];

			tally->buckets[i] = name->next;
			free(name);
		}
	}
	free(tally->buckets);
	pthread_mutex_destroy(&tally->lock);
	tally->buckets = NULL;
}

static uint64_t
hash_of(const struct tally *tally, struct str text)
{
	uint64_t hash = tally->seed;

	for (size_t i = 0; i < text.len; i++) {
		hash = (hash ^ (unsigned char)text.ptr[i]) * 0x9e3779b97f4a7c15U;
		hash ^= hash >> 29;
	}
	return hash;
}

static struct tally_name *
name_new(struct str text, uint64_t hash)
{
	struct tally_name *name = mem_alloc(sizeof(*name) + text.len + 1);

	*name = (struct tally_name){ .hash = hash, .text = { name->bytes, text.len } };
	if (text.len > 0)
		memcpy(name->bytes, text.ptr, text.len);
	name->bytes[text.len] = '\0';
	return name;
}

enum err
tally_take(struct tally *tally, struct str text, size_t max, struct tally_name **ret_name)
{
	uint64_t hash = hash_of(tally, text);
	struct tally_name **at = &tally->buckets[hash & tally->mask];
	struct tally_name *name;
	enum err err = ERR_OK;

	pthread_mutex_lock(&tally->lock);
	for (name = *at; name != NULL; name = name->next) {
		if (name->hash == hash && str_equal(name->text, text))
			break;
	}
	if (name != NULL && max > 0 && name->count >= max) {
		err = ERR_LIMIT;
	} else {
		if (name == NULL) {
			name = name_new(text, hash);
			name->next = *at;
			*at = name;
		}
		name->count++;
		*ret_name = name;
	}
	pthread_mutex_unlock(&tally->lock);
	return err;
}

void
tally_drop(struct tally *tally, struct tally_name *name)
{
	struct tally_name **at;

	if (name == NULL)
		return;
	pthread_mutex_lock(&tally->lock);
	if (--name->count == 0) {
		at = &tally->buckets[name->hash & tally->mask];
		while (*at != name)
			at = &(*at)->next;
		*at = name->next;
		free(name);
	}
	pthread_mutex_unlock(&tally->lock);
}
