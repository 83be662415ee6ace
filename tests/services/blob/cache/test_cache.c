/* The cache on disk gives what it was given, or nothing; it is bounded; and any number of threads may use it. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "tests/services/blob/cache/fixture.h"

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
