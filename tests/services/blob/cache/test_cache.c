/* The cache on disk: it gives what it was given, or nothing; it is bounded, outlives its process, and a disk that fails hurts nobody. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "services/blob/cache/internal.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

struct scene {
	char path[200];
	struct config config;
	struct cache *cache;
};

static void
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

static void
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

static void
scene_end(struct scene *scene)
{
	cache_close(scene->cache);
	nftw(scene->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Object `number`, and the bytes that it has, which no other one has. */
static struct uuid
object(uint32_t number)
{
	struct uuid id = { { 0 } };

	memcpy(id.bytes + 12, &number, sizeof(number));
	return id;
}

static void
fill(uint32_t number, char *ret, size_t len)
{
	uint64_t state = number * 0x9e3779b97f4a7c15u + 1;

	for (size_t i = 0; i < len; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		ret[i] = (char)(state >> 56);
	}
}

/* All that waits is written. */
static void
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

static void
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

/* Is it there? Then it is what it should be. */
static bool
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

/* What the directory takes, as the file system counts it, and how many files there are. */
static uint64_t
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

/* ---- what it has */

Test(cache, gives_what_it_was_given_and_nothing_else)
{
	struct scene scene;
	struct cache_flight flight;
	char got[5000];

	scene_begin(&scene, CACHE_SIZE_LEAST);
	cr_assert_not(has(scene.cache, 1, 5000));
	keep(scene.cache, 1, 5000);
	keep(scene.cache, 2, 5000);
	cr_assert(has(scene.cache, 1, 5000), "before it is written");
	settle(scene.cache);
	cr_assert(has(scene.cache, 1, 5000), "and after");
	cr_assert(has(scene.cache, 2, 5000));
	cr_assert_not(has(scene.cache, 1, 4999), "another length is another piece");
	cr_assert_not(cache_get(scene.cache, &(struct cache_key){ object(1), 1, 5000 }, got, 0, &flight), "another place too");
	cache_landed(scene.cache, &flight, STR_NONE);
	keep(scene.cache, 3, CACHE_PIECE_MAX + 1);
	cr_assert_not(has(scene.cache, 3, CACHE_PIECE_MAX + 1), "too long");
	keep(scene.cache, 4, CACHE_PIECE_MAX);
	cr_assert(has(scene.cache, 4, CACHE_PIECE_MAX));
	scene_end(&scene);
}

Test(cache, a_hit_is_one_read_and_an_entry_forty_bytes)
{
	cr_assert_eq(sizeof(struct cache_entry), 40);
}

Test(cache, without_one_every_call_does_nothing)
{
	struct cache_flight flight;
	struct uuid id = object(1);
	char got[10];

	cr_assert_not(cache_get(NULL, &(struct cache_key){ id, 0, 10 }, got, 0, &flight));
	cache_landed(NULL, &flight, STR("0123456789"));
	cache_keep(NULL, &id, 0, STR("0123456789"));
	cache_forget(NULL, &id);
	cache_close(NULL);
	cr_assert_null(cache_open(&(struct config){ 0 }));
}

Test(cache, settings_that_are_too_small_are_said)
{
	struct config config = { .blob_cache_dir = STR("/tmp/x"), .blob_cache_size = CACHE_SIZE_LEAST - 1 };
	struct buffer problems = { 0 };

	cr_assert_eq(cache_settings_check(&config, &problems), ERR_CONFIG);
	cr_assert(str_starts_with(buffer_str(&problems), STR("blob.cache.size: ")));
	config.blob_cache_size++;
	cr_assert_eq(cache_settings_check(&config, &problems), ERR_OK);
	config = (struct config){ 0 };
	cr_assert_eq(cache_settings_check(&config, &problems), ERR_OK, "no cache, no size");
	buffer_clear(&problems);
}

Test(cache, its_directory_is_for_one_process_and_nobody_else)
{
	struct scene scene;
	struct stat st;

	scene_begin(&scene, CACHE_SIZE_LEAST);
	cr_assert(stat(scene.path, &st) == 0 && (st.st_mode & 07777) == 0700);
	cr_assert_null(cache_open(&scene.config), "a second one goes without");
	keep(scene.cache, 1, 100);
	cr_assert(has(scene.cache, 1, 100), "the first has not noticed");
	again(&scene);
	cr_assert(has(scene.cache, 1, 100));
	scene.config.blob_cache_dir = STR("/nowhere/at/all");
	cr_assert_null(cache_open(&scene.config));
	scene_end(&scene);
}

/* ---- bounds */

Test(cache, never_takes_more_than_its_size_and_keeps_what_is_asked_for, .timeout = 120)
{
	static const int64_t sizes[] = { CACHE_SIZE_LEAST, 20 * MIB, 160 * MIB };

	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		uint32_t count = (uint32_t)(3 * sizes[s] / (50 * KIB)), left = 0;
		struct scene scene;
		unsigned files;
		uint64_t bytes;

		scene_begin(&scene, sizes[s]);
		for (uint32_t i = 0; i < count; i++) {
			keep(scene.cache, i, 50 * KIB);
			cr_assert(i < 3 || has(scene.cache, 3, 50 * KIB), "%u: the one that is always asked for is gone", i);
			if (i % 64 > 0)
				continue;
			bytes = disk_bytes(&scene, &files);
			cr_assert_leq(bytes, (uint64_t)sizes[s] + CACHE_SLOTS * 4096, "at piece %u", i);
			cr_assert_leq(files, CACHE_SLOTS);
		}
		settle(scene.cache);
		bytes = disk_bytes(&scene, &files);
		cr_assert_geq(bytes, (uint64_t)sizes[s] / 2, "it is used: %llu", (unsigned long long)bytes);
		cr_assert(has(scene.cache, count - 1, 50 * KIB) && !has(scene.cache, 5, 50 * KIB));
		for (uint32_t i = 0; i < count; i++)
			left += has(scene.cache, i, 50 * KIB);
		cr_assert(left >= sizes[s] / (110 * KIB) && left <= sizes[s] / (50 * KIB), "%u are left", left);
		cr_assert_leq(metric_get(METRIC_BLOB_CACHE_BYTES), sizes[s]);
		scene_end(&scene);
		cr_assert_eq(metric_get(METRIC_BLOB_CACHE_BYTES), 0);
	}
}

Test(cache, small_pieces_are_bounded_by_number, .timeout = 60)
{
	struct scene scene;
	uint32_t most;
	uint64_t entries = 0;
	unsigned files;

	scene_begin(&scene, CACHE_SIZE_LEAST);
	most = scene.cache->rows * scene.cache->slots;
	cr_assert_eq(most, CACHE_SIZE_LEAST / CACHE_BYTES_PER_ROW);
	for (uint32_t i = 0; i < 3 * most; i++)
		keep(scene.cache, i, 10);
	settle(scene.cache);
	for (unsigned i = 0; i < scene.cache->slots; i++)
		entries += scene.cache->segments[i] ? scene.cache->segments[i]->room : 0;
	cr_assert_leq(entries, most);
	cr_assert_leq(disk_bytes(&scene, &files), CACHE_SIZE_LEAST);
	again(&scene);
	cr_assert(has(scene.cache, 3 * most - 1, 10) && !has(scene.cache, 1, 10));
	scene_end(&scene);
}

Test(cache, what_waits_is_bounded)
{
	struct scene scene;

	scene_begin(&scene, 64 * MIB);
	pthread_mutex_lock(&scene.cache->lock);
	for (uint32_t i = 0; i < 100; i++) {
		struct cache_key key = { object(i), 0, 500 * KIB };
		static const char bytes[500 * KIB];

		writer_add(scene.cache, &key, bytes);
	}
	cr_assert_leq(scene.cache->waiting_bytes, CACHE_WAITING_BYTES);
	cr_assert_gt(scene.cache->waiting_bytes, CACHE_WAITING_BYTES / 2);
	pthread_mutex_unlock(&scene.cache->lock);
	settle(scene.cache);
	cr_assert_eq(scene.cache->waiting_bytes, 0);
	scene_end(&scene);
}

/* ---- restarts */

Test(cache, outlives_its_process, .timeout = 60)
{
	struct scene scene;

	scene_begin(&scene, 16 * MIB);
	for (uint32_t i = 0; i < 300; i++)
		keep(scene.cache, i, 20 * KIB);
	for (int n = 0; n < 3; n++) {
		again(&scene);
		for (uint32_t i = 0; i < 300 + (uint32_t)n; i++)
			cr_assert(has(scene.cache, i, 20 * KIB), "%u after restart %d", i, n);
		keep(scene.cache, 300 + (uint32_t)n, 20 * KIB);
	}
	scene.config.blob_cache_size = 256 * MIB;
	again(&scene);
	cr_assert_not(has(scene.cache, 1, 20 * KIB), "with segments of another size it begins anew");
	scene_end(&scene);
}

Test(cache, outlives_a_kill_between_any_two_writes, .timeout = 60)
{
	struct scene scene;
	uint32_t found = 0;

	scene_begin(&scene, 16 * MIB);
	cache_close(scene.cache);
	for (uint32_t round = 0; round < 10; round++) {
		pid_t child = fork();

		if (child == 0) {
			struct cache *cache = cache_open(&scene.config);

			for (uint32_t i = 0; i < 100; i++)
				keep(cache, round * 100 + i, 9 * KIB);
			raise(SIGKILL);
		}
		cr_assert(waitpid(child, NULL, 0) == child);
		scene.cache = cache_open(&scene.config);
		cr_assert_not_null(scene.cache);
		for (uint32_t i = 0; i < (round + 1) * 100; i++)
			found += has(scene.cache, i, 9 * KIB);
		cache_close(scene.cache);
	}
	/* Each sixteenth was waited for. */
	cr_assert_gt(found, 10 * 96);
	scene.cache = cache_open(&scene.config);
	scene_end(&scene);
}

static int
open_file(const struct scene *scene, uint64_t number)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/segment-%016llx", scene->path, (unsigned long long)number);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	cr_assert_geq(fd, 0);
	return fd;
}

Test(cache, half_written_and_foreign_files_are_no_pieces)
{
	struct scene scene;
	uint64_t data_at;
	unsigned files;
	int fd;

	scene_begin(&scene, CACHE_SIZE_LEAST);
	data_at = segment_data_at(scene.cache);
	for (uint32_t i = 0; i < 4; i++)
		keep(scene.cache, i, 10000);
	cache_close(scene.cache);
	fd = open_file(&scene, 0);
	cr_assert_eq(ftruncate(fd, (off_t)data_at + 35000), 0);
	cr_assert_eq(pwrite(fd, "x", 1, 32 + 40 + 20), 1, "in the second row");
	close(fd);
	fd = open_file(&scene, 77);
	cr_assert_eq(write(fd, "no segment", 10), 10);
	close(fd);
	close(open_file(&scene, 78));
	scene.cache = cache_open(&scene.config);
	cr_assert(has(scene.cache, 0, 10000) && has(scene.cache, 2, 10000));
	cr_assert(!has(scene.cache, 1, 10000) && !has(scene.cache, 3, 10000));
	disk_bytes(&scene, &files);
	cr_assert_eq(files, 1, "the others are removed");
	keep(scene.cache, 3, 10000);
	again(&scene);
	cr_assert(has(scene.cache, 0, 10000) && has(scene.cache, 2, 10000) && has(scene.cache, 3, 10000));
	scene_end(&scene);
}

Test(cache, a_hundred_thousand_pieces_are_back_at_once, .timeout = 120)
{
	struct scene scene;
	int64_t begun_us;

	scene_begin(&scene, (int64_t)1024 * MIB);
	for (uint32_t i = 0; i < 100000; i++)
		keep(scene.cache, i, 200);
	cache_close(scene.cache);
	begun_us = clock_mono_us();
	scene.cache = cache_open(&scene.config);
	fprintf(stderr, "100,000 pieces read back in %lld us\n", (long long)(clock_mono_us() - begun_us));
	for (uint32_t i = 0; i < 100000; i += 997)
		cr_assert(has(scene.cache, i, 200), "%u", i);
	scene_end(&scene);
}

/* ---- what goes */

/* Do these bytes stand anywhere in the first file? */
static bool
is_on_disk(const struct scene *scene, uint32_t number, size_t len)
{
	char *all = mem_calloc(1, MIB), *bytes = mem_alloc(len);
	int fd = open_file(scene, 0);
	ssize_t got = pread(fd, all, MIB, 0);
	bool is_there;

	fill(number, bytes, len);
	is_there = str_find(str_from(all, (size_t)got), str_from(bytes, len)) < (size_t)got;
	close(fd);
	free(all);
	free(bytes);
	return is_there;
}

Test(cache, a_deleted_object_is_gone_from_table_and_disk)
{
	struct uuid id = object(7);
	struct scene scene;
	char part[3000];

	scene_begin(&scene, CACHE_SIZE_LEAST);
	for (uint32_t i = 0; i < 10; i++)
		keep(scene.cache, i, 3000);
	fill(7, part, sizeof(part));
	cache_keep(scene.cache, &id, 64, str_from(part, 1000));
	settle(scene.cache);
	cr_assert(is_on_disk(&scene, 7, 3000));
	cache_forget(scene.cache, &id);
	cr_assert_not(has(scene.cache, 7, 3000));
	cr_assert_not(is_on_disk(&scene, 7, 1000));
	cr_assert(is_on_disk(&scene, 6, 3000) && is_on_disk(&scene, 8, 3000));
	again(&scene);
	for (uint32_t i = 0; i < 10; i++)
		cr_assert_eq(has(scene.cache, i, 3000), i != 7, "%u", i);
	/* One that waits to be written. */
	id = object(100);
	pthread_mutex_lock(&scene.cache->lock);
	writer_add(scene.cache, &(struct cache_key){ id, 0, 3000 }, part);
	writer_forget(scene.cache, &id);
	pthread_mutex_unlock(&scene.cache->lock);
	cr_assert_not(has(scene.cache, 100, 3000));
	again(&scene);
	cr_assert_not(has(scene.cache, 100, 3000));
	scene_end(&scene);
}

Test(cache, what_failed_its_check_is_dropped_and_may_come_again)
{
	struct cache_key key = { object(1), 0, 3000 };
	int64_t before = metric_get(METRIC_BLOB_CACHE_DROPPED);
	struct scene scene;

	scene_begin(&scene, CACHE_SIZE_LEAST);
	keep(scene.cache, 1, 3000);
	settle(scene.cache);
	cache_drop(scene.cache, &key);
	cr_assert_not(has(scene.cache, 1, 3000));
	cr_assert_eq(metric_get(METRIC_BLOB_CACHE_DROPPED) - before, 1);
	keep(scene.cache, 1, 3000);
	settle(scene.cache);
	again(&scene);
	cr_assert(has(scene.cache, 1, 3000));
	scene_end(&scene);
}

/* ---- a disk that fails */

/* How many lines say that the cache is off; begins with file descriptor 2 sent to `path`. */
static unsigned
count_lines(const char *path)
{
	FILE *in = fopen(path, "r");
	char line[1000];
	unsigned count = 0;

	while (in && fgets(line, sizeof(line), in))
		count += strstr(line, "blob.cache_off") != NULL;
	if (in)
		fclose(in);
	return count;
}

Test(cache, a_full_disk_switches_it_off_for_a_while_with_one_line)
{
	struct rlimit limit = { 600 * KIB, RLIM_INFINITY };
	struct scene scene;
	char log[300];
	int fd, saved = dup(2);

	scene_begin(&scene, 16 * MIB);
	snprintf(log, sizeof(log), "%s.log", scene.path);
	fd = open(log, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 2);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (uint32_t i = 0; i < 200; i++)
		keep(scene.cache, i, 20 * KIB);
	settle(scene.cache);
	dup2(saved, 2);
	cr_assert_eq(count_lines(log), 1);
	cr_assert_not(has(scene.cache, 1, 20 * KIB), "off");
	limit.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	pthread_mutex_lock(&scene.cache->lock);
	cr_assert_gt(scene.cache->off_until_ms, clock_mono_ms() + CACHE_OFF_MS / 2);
	scene.cache->off_until_ms = clock_mono_ms();
	pthread_mutex_unlock(&scene.cache->lock);
	cr_assert(has(scene.cache, 1, 20 * KIB), "what was written is there again");
	for (uint32_t i = 300; i < 400; i++)
		keep(scene.cache, i, 20 * KIB);
	for (int n = 0; n < 2; n++, again(&scene)) {
		for (uint32_t i = 300; i < 400; i++)
			cr_assert(has(scene.cache, i, 20 * KIB), "%u", i);
	}
	close(fd);
	close(saved);
	unlink(log);
	scene_end(&scene);
}

Test(cache, a_piece_that_can_not_be_read_is_a_miss)
{
	struct scene scene;
	int fd;

	scene_begin(&scene, CACHE_SIZE_LEAST);
	keep(scene.cache, 1, 3000);
	keep(scene.cache, 2, 3000);
	settle(scene.cache);
	cr_assert_eq(ftruncate(scene.cache->segments[0]->fd, (off_t)segment_data_at(scene.cache) + 4000), 0);
	cr_assert(has(scene.cache, 1, 3000) && !has(scene.cache, 2, 3000), "cut off");
	cr_assert(has(scene.cache, 1, 3000), "that alone is no reason to switch it off");
	fd = open("/", O_RDONLY | O_DIRECTORY);
	dup2(fd, scene.cache->segments[0]->fd);
	cr_assert_not(has(scene.cache, 1, 3000), "EISDIR, as EIO would be");
	keep(scene.cache, 3, 3000);
	cr_assert_not(has(scene.cache, 3, 3000), "off");
	close(fd);
	scene_end(&scene);
}

/* ---- many at once */

enum { STORM = 16 };

struct storm {
	struct cache *cache;
	struct cache_key key;
	bool lands;
	atomic_int asked; /* how often the store would be */
	atomic_int waiting;
};

static void *
storm_run(void *self)
{
	struct storm *storm = self;
	char expected[3000], got[3000] = { 0 };
	struct cache_flight flight;

	fill(1, expected, sizeof(expected));
	storm->waiting++;
	if (!cache_get(storm->cache, &storm->key, got, clock_mono_ms() + 20000, &flight)) {
		storm->asked++;
		/* The first one's answer takes until all the others are there. */
		while (storm->waiting < STORM)
			usleep(1000);
		cache_landed(storm->cache, &flight, storm->lands ? str_from(expected, sizeof(expected)) : STR_NONE);
		memcpy(got, expected, sizeof(got));
	}
	return memcmp(expected, got, sizeof(got)) == 0 ? self : NULL;
}

Test(cache, a_storm_for_one_piece_asks_the_store_once, .timeout = 60)
{
	for (int lands = 0; lands < 2; lands++) {
		struct storm storm = { .key = { object(1), 0, 3000 }, .lands = lands };
		pthread_t threads[STORM];
		struct scene scene;

		scene_begin(&scene, CACHE_SIZE_LEAST);
		storm.cache = scene.cache;
		for (int i = 0; i < STORM; i++)
			pthread_create(&threads[i], NULL, storm_run, &storm);
		for (int i = 0; i < STORM; i++) {
			void *is_right;

			pthread_join(threads[i], &is_right);
			cr_assert_not_null(is_right);
		}
		if (lands)
			cr_assert_eq(storm.asked, 1);
		else
			cr_assert_leq(storm.asked, STORM, "when the first one fails each asks, once");
		cr_assert_null(scene.cache->flights);
		scene_end(&scene);
	}
}

Test(cache, a_reader_waits_for_another_one_no_longer_than_its_deadline)
{
	struct cache_key key = { object(1), 0, 10 };
	struct cache_flight first, second;
	struct scene scene;
	char got[10];

	scene_begin(&scene, CACHE_SIZE_LEAST);
	cr_assert_not(cache_get(scene.cache, &key, got, clock_mono_ms() + 5000, &first));
	cr_assert_not(cache_get(scene.cache, &key, got, clock_mono_ms() + 50, &second));
	cache_landed(scene.cache, &second, STR("0123456789"));
	cr_assert(cache_get(scene.cache, &key, got, clock_mono_ms() + 5000, &second), "and what it read is there for the others");
	cache_landed(scene.cache, &first, STR_NONE);
	scene_end(&scene);
}

struct churn {
	struct cache *cache;
	uint32_t seed;
};

static void *
churn_run(void *self)
{
	struct churn *churn = self;

	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t number = (i * 7919 + churn->seed) % 400;
		struct uuid id = object(number);

		if (i % 50 == 0)
			cache_forget(churn->cache, &id);
		else if (!has(churn->cache, number, 40 * KIB))
			keep(churn->cache, number, 40 * KIB);
	}
	return NULL;
}

/* 16 MB of pieces through 8 MB: segments come and go under the readers. */
Test(cache, readers_writers_and_deletions_at_once_see_only_what_is_right, .timeout = 120)
{
	struct churn churns[6];
	pthread_t threads[6];
	struct scene scene;

	scene_begin(&scene, CACHE_SIZE_LEAST);
	for (uint32_t i = 0; i < 6; i++) {
		churns[i] = (struct churn){ scene.cache, i * 131 };
		pthread_create(&threads[i], NULL, churn_run, &churns[i]);
	}
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	again(&scene);
	for (uint32_t i = 0; i < 400; i++)
		has(scene.cache, i, 40 * KIB);
	scene_end(&scene);
}
