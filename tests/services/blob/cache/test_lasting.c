/* The cache on disk outlives its process, loses what is deleted, and a disk that fails hurts nobody. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "tests/services/blob/cache/fixture.h"

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
	/* In the second row: a place in the file that is not the piece's. */
	cr_assert_eq(pwrite(fd, "\x7", 1, 32 + 40 + 31), 1);
	close(fd);
	fd = open_file(&scene, 77);
	cr_assert_eq(write(fd, "no segment", 10), 10);
	close(fd);
	close(open_file(&scene, 78));
	scene.cache = cache_open(&scene.config);
	cr_assert(has(scene.cache, 0, 10000) && has(scene.cache, 2, 10000));
	cr_assert(!has(scene.cache, 1, 10000) && !has(scene.cache, 3, 10000));
	cr_assert_eq(metric_get(METRIC_BLOB_CACHE_DROPPED), 0, "they were none from the beginning");
	disk_bytes(&scene, &files);
	cr_assert_eq(files, 1, "the others are removed");
	keep(scene.cache, 3, 10000);
	again(&scene);
	cr_assert(has(scene.cache, 0, 10000) && has(scene.cache, 2, 10000) && has(scene.cache, 3, 10000));
	scene_end(&scene);
}

/* Who goes on from there comes to the last number there is, and the newest looks like the oldest. */
Test(cache, a_foreign_file_with_one_of_the_last_numbers_is_not_gone_on_from)
{
	struct scene scene;
	uint32_t last = 0;

	scene_begin(&scene, CACHE_SIZE_LEAST);
	cache_close(scene.cache);
	close(open_file(&scene, UINT64_MAX - 8));
	scene.cache = cache_open(&scene.config);
	for (; last < 5 * CACHE_SIZE_LEAST / CACHE_PIECE_MAX; last++)
		keep(scene.cache, last, CACHE_PIECE_MAX);
	cr_assert(has(scene.cache, last - 1, CACHE_PIECE_MAX) && has(scene.cache, last - 2, CACHE_PIECE_MAX));
	again(&scene);
	cr_assert(has(scene.cache, last - 1, CACHE_PIECE_MAX) && has(scene.cache, last - 2, CACHE_PIECE_MAX));
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
