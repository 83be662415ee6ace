/* A cache in a directory of its own, and pieces with a number whose bytes follow from it. */
#ifndef SORA_TESTS_BLOB_CACHE_FIXTURE_H
#define SORA_TESTS_BLOB_CACHE_FIXTURE_H

#include <stdio.h>

#include "libcommon/core/mem.h"
#include "services/blob/cache/internal.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

struct scene {
	char path[200];
	struct config config;
	struct cache *cache;
};

void scene_begin(struct scene *scene, int64_t size);
/* Close it and open it again. */
void again(struct scene *scene);
void scene_end(struct scene *scene);

/* Object `number`, and the bytes that it has, which no other one has. */
struct uuid object(uint32_t number);
void fill(uint32_t number, char *ret, size_t len);
/* Wait until all that waits is written. */
void settle(struct cache *cache);
void keep(struct cache *cache, uint32_t number, size_t len);
/* Is it there? Then it is what it should be. */
bool has(struct cache *cache, uint32_t number, size_t len);
/* What the directory takes, as the file system counts it, and how many files there are. */
uint64_t disk_bytes(const struct scene *scene, unsigned *ret_files);

#endif
