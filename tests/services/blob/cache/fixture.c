/* A cache in a directory of its own, and pieces with a number. */
#include "tests/services/blob/cache/fixture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/core/clock.h"

void
scene_begin(struct scene *scene, int64_t size)
{
	*scene = (struct scene){ 0 };
	snprintf(scene->path, sizeof(scene->path), "%s/sora-cache-test-%d-%llx", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid(),
	    (unsigned long long)random_u64());
	scene->config.blob_cache_dir = str_c(scene->path);
	scene->config.blob_cache_size = size;
	scene->cache = cache_open(&scene->config);
	cr_assert_not_null(scene->cache);
}

void
again(struct scene *scene)
{
	cache_close(scene->cache);
	scene->cache = cache_open(&scene->config);
	cr_assert_not_null(scene->cache);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path);
}

void
scene_end(struct scene *scene)
{
	cache_close(scene->cache);
	nftw(scene->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct uuid
object(uint32_t number)
{
	struct uuid id = { { 0 } };

	memcpy(id.bytes + 12, &number, sizeof(number));
	return id;
}

void
fill(uint32_t number, char *ret, size_t len)
{
	uint64_t state = number * 0x9e3779b97f4a7c15u + 1;

	for (size_t i = 0; i < len; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		ret[i] = (char)(state >> 56);
	}
}

void
settle(struct cache *cache)
{
	bool is_done = false;

	while (!is_done) {
		pthread_mutex_lock(&cache->lock);
		is_done = cache->waiting == NULL;
		pthread_mutex_unlock(&cache->lock);
		if (!is_done)
			usleep(1000);
	}
}

void
keep(struct cache *cache, uint32_t number, size_t len)
{
	struct uuid id = object(number);
	char *bytes = mem_alloc(len);

	fill(number, bytes, len);
	cache_keep(cache, &id, 0, str_from(bytes, len));
	free(bytes);
	if (number % 16 == 0)
		settle(cache);
}

bool
has(struct cache *cache, uint32_t number, size_t len)
{
	struct cache_key key = { object(number), 0, (uint32_t)len };
	char *expected = mem_alloc(len), *got = mem_calloc(1, len);
	struct cache_flight flight;
	bool is_hit = cache_get(cache, &key, got, clock_mono_ms() + 5000, &flight);

	fill(number, expected, len);
	if (is_hit)
		cr_assert_eq(memcmp(expected, got, len), 0, "piece %u is another one", number);
	else
		cache_landed(cache, &flight, STR_NONE);
	free(expected);
	free(got);
	return is_hit;
}

uint64_t
disk_bytes(const struct scene *scene, unsigned *ret_files)
{
	DIR *dir = opendir(scene->path);
	const struct dirent *file;
	uint64_t bytes = 0;
	struct stat st;

	*ret_files = 0;
	while ((file = readdir(dir)) != NULL) {
		if (file->d_name[0] == '.' || fstatat(dirfd(dir), file->d_name, &st, 0) < 0)
			continue;
		bytes += (uint64_t)st.st_blocks * 512;
		++*ret_files;
	}
	closedir(dir);
	return bytes;
}
