/* Bodies with a cache on disk: what was read is not read again from the store, and what the disk damages is never given out. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "services/blob/s3/s3.h"
#include "tests/services/blob/get_many.h"
#include "tests/services/blob/stores.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

struct scene {
	struct blob *blob;
	struct config *config;
	char cache[200];
	int64_t reads; /* of the store, as last seen */
};

static void
scene_begin(struct scene *scene, const char *store)
{
	*scene = (struct scene){ 0 };
	scene->blob = store_open(store, NULL, &scene->config);
	snprintf(scene->cache, sizeof(scene->cache), "%s/sora-cache-test-%d-%llx", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid(),
	    (unsigned long long)random_u64());
	scene->config->blob_cache_dir = str_c(scene->cache);
	scene->config->blob_cache_size = 64 * MIB;
	scene->blob->cache = cache_open(scene->config);
	cr_assert_not_null(scene->blob->cache);
	scene->reads = metric_get(METRIC_BLOB_STORE_READS);
}

static void
forget_indexes(struct blob *blob)
{
	index_cache_clear(&blob->indexes);
	index_cache_init(&blob->indexes);
}

/* The process ends, with all that it had in memory. */
static void
stop(struct scene *scene)
{
	cache_close(scene->blob->cache);
	scene->blob->cache = NULL;
	forget_indexes(scene->blob);
}

static void
start(struct scene *scene)
{
	scene->blob->cache = cache_open(scene->config);
	cr_assert_not_null(scene->blob->cache);
}

/* The cache is empty, as on another machine. */
static void
lose_cache(struct scene *scene)
{
	char command[300];

	stop(scene);
	snprintf(command, sizeof(command), "rm -rf '%s'", scene->cache);
	cr_assert_eq(system(command), 0);
	start(scene);
}

static void
scene_end(struct scene *scene)
{
	lose_cache(scene);
	stop(scene);
	rmdir(scene->cache);
	scene->config->blob_cache_dir = STR_NONE;
	store_close(scene->blob, scene->config);
}

/* Reads of the store since the last question. */
static int64_t
reads(struct scene *scene)
{
	int64_t before = scene->reads;

	scene->reads = metric_get(METRIC_BLOB_STORE_READS);
	return scene->reads - before;
}

static void
check(struct scene *scene, const struct blob_ref *ref, struct str body, size_t at, size_t len)
{
	struct arena arena = { 0 };
	struct str got, expected = str_sub(body, at, len);
	enum err err = body_read(scene->blob, ref, at, expected.len, &arena, soon(10), &got);

	cr_assert_eq(err, ERR_OK, "%s: %zu bytes at %zu: %s", scene->blob->ops->name, len, at, err_row(err)->name);
	cr_assert(str_equal(got, expected), "%s: %zu bytes at %zu of %zu", scene->blob->ops->name, len, at, body.len);
	arena_clear(&arena);
}

/* The body in chunks, as a reader asks for it. */
static void
check_all(struct scene *scene, const struct blob_ref *ref, struct str body)
{
	size_t at = 0;

	do
		check(scene, ref, body, at, BUS_CHUNK_MAX);
	while ((at += BUS_CHUNK_MAX) < body.len);
}

Test(cached_body, read_twice_is_read_once_from_the_store, .timeout = 120)
{
	/* How many reads of the store the first time takes: of a long one, the index and each group of frames. */
	static const struct { size_t len; int64_t first; } cases[] = { { 1, 1 }, { 5000, 1 }, { 64 * KIB, 1 }, { 256 * KIB, 1 },
		{ 700 * KIB, 4 }, { 2 * MIB + 1, 10 } };

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		size_t len = cases[i / 2].len;
		char *bytes = body_make(len, true);
		struct str body = str_from(bytes, len);
		struct blob_ref ref;
		struct scene scene;

		scene_begin(&scene, store_names[i % 2]);
		cr_assert_eq(body_put(scene.blob, body, BUS_CHUNK_MAX, &ref), ERR_OK);
		lose_cache(&scene);
		check_all(&scene, &ref, body);
		cr_assert_eq(reads(&scene), cases[i / 2].first, "%zu bytes, empty cache", len);
		check_all(&scene, &ref, body);
		cr_assert_eq(reads(&scene), 0, "%zu bytes, the second time", len);
		stop(&scene);
		start(&scene);
		check_all(&scene, &ref, body);
		cr_assert_eq(reads(&scene), 0, "%zu bytes, after a restart", len);
		free(bytes);
		scene_end(&scene);
	}
}

Test(cached_body, a_range_of_a_long_one_reads_and_keeps_only_what_is_near, .timeout = 120)
{
	size_t len = 50 * MIB;
	char *bytes = body_make(len, true);
	struct str body = str_from(bytes, len);
	struct blob_ref ref;
	struct scene scene;

	scene_begin(&scene, "dir");
	cr_assert_eq(body_put(scene.blob, body, BUS_CHUNK_MAX, &ref), ERR_OK);
	check(&scene, &ref, body, 20 * MIB + 5, 100);
	cr_assert_eq(reads(&scene), 2, "index and one group");
	cr_assert_leq(metric_get(METRIC_BLOB_CACHE_BYTES), MIB);
	check(&scene, &ref, body, 20 * MIB, BUS_CHUNK_MAX);
	check(&scene, &ref, body, 20 * MIB + 200 * KIB, 10);
	cr_assert_eq(reads(&scene), 0, "the same group");
	check(&scene, &ref, body, 20 * MIB + 100 * KIB, BUS_CHUNK_MAX);
	cr_assert_eq(reads(&scene), 1, "the next one");
	check(&scene, &ref, body, len - 10, 10);
	check(&scene, &ref, body, 0, 10);
	cr_assert_eq(reads(&scene), 2, "the last and the first");
	stop(&scene);
	start(&scene);
	check(&scene, &ref, body, 20 * MIB + 100 * KIB, BUS_CHUNK_MAX);
	check(&scene, &ref, body, len - 10, 10);
	cr_assert_eq(reads(&scene), 0);
	free(bytes);
	scene_end(&scene);
}

/* ---- damage */

/* Change the file of the cache while nobody has it open: from the end of its table on. */
static void
damage(struct scene *scene, void (*change)(int fd, off_t data_at, off_t end))
{
	DIR *dir;
	const struct dirent *file;

	stop(scene);
	dir = opendir(scene->cache);
	while ((file = readdir(dir)) != NULL) {
		int fd = file->d_name[0] == '.' ? -1 : openat(dirfd(dir), file->d_name, O_RDWR);

		if (fd < 0)
			continue;
		/* 2 MiB segments of 1024 rows. */
		change(fd, 11 * 4096, lseek(fd, 0, SEEK_END));
		close(fd);
	}
	closedir(dir);
	start(scene);
}

static void
flip_all(int fd, off_t data_at, off_t end)
{
	for (char byte; data_at < end; data_at += 500) {
		cr_assert_eq(pread(fd, &byte, 1, data_at), 1);
		byte ^= 4;
		cr_assert_eq(pwrite(fd, &byte, 1, data_at), 1);
	}
}

static void
zero_all(int fd, off_t data_at, off_t end)
{
	static const char zeros[4096];

	for (; data_at < end; data_at += (off_t)sizeof(zeros))
		cr_assert_eq(pwrite(fd, zeros, sizeof(zeros), data_at), sizeof(zeros));
}

static void
cut(int fd, off_t data_at, off_t end)
{
	(void)data_at;
	cr_assert_eq(ftruncate(fd, end - 1), 0);
}

/* The first two pieces have the same length: let each be where the other was. */
static void
swap(int fd, off_t data_at, off_t end)
{
	size_t len = (size_t)(end - data_at) / 2;
	char *both = mem_alloc(2 * len);

	cr_assert_eq(pread(fd, both, 2 * len, data_at), (ssize_t)(2 * len));
	cr_assert_eq(pwrite(fd, both + len, len, data_at), (ssize_t)len);
	cr_assert_eq(pwrite(fd, both, len, data_at + (off_t)len), (ssize_t)len);
	free(both);
}

Test(cached_body, damage_on_the_disk_is_read_from_the_store_silently, .timeout = 120)
{
	static const struct { void (*change)(int fd, off_t data_at, off_t end); int64_t reads, dropped; } cases[] = {
		/* A piece that the file is too short for was no piece from the beginning. */
		{ flip_all, 2, 2 }, { zero_all, 2, 2 }, { swap, 2, 2 }, { cut, 1, 0 },
	};

	for (size_t i = 0; i < 4 * sizeof(cases) / sizeof(*cases); i++) {
		size_t len = i / 2 % 2 ? 200 * KIB : 9000;
		char *bytes = body_make(2 * len, true);
		struct str bodies[2] = { str_from(bytes, len), str_from(bytes + len, len) };
		struct blob_ref refs[2];
		struct scene scene;
		int64_t dropped;

		scene_begin(&scene, store_names[i % 2]);
		for (size_t n = 0; n < 2; n++)
			cr_assert_eq(body_put(scene.blob, bodies[n], BUS_CHUNK_MAX, &refs[n]), ERR_OK);
		lose_cache(&scene);
		for (size_t n = 0; n < 2; n++)
			check_all(&scene, &refs[n], bodies[n]);
		reads(&scene);
		damage(&scene, cases[i / 4].change);
		dropped = metric_get(METRIC_BLOB_CACHE_DROPPED);
		for (size_t n = 0; n < 2; n++)
			check_all(&scene, &refs[n], bodies[n]);
		cr_assert_eq(reads(&scene), cases[i / 4].reads, "case %zu", i);
		cr_assert_eq(metric_get(METRIC_BLOB_CACHE_DROPPED) - dropped, cases[i / 4].dropped, "case %zu", i);
		for (size_t n = 0; n < 2; n++)
			check_all(&scene, &refs[n], bodies[n]);
		cr_assert_eq(reads(&scene), 0, "case %zu: mended", i);
		free(bytes);
		scene_end(&scene);
	}
}

Test(cached_body, damage_in_every_piece_of_a_long_one_is_mended_in_one_read, .timeout = 60)
{
	size_t len = 900 * KIB;
	char *bytes = body_make(len, true);
	struct str body = str_from(bytes, len);
	struct blob_ref ref;
	struct scene scene;

	scene_begin(&scene, "dir");
	cr_assert_eq(body_put(scene.blob, body, BUS_CHUNK_MAX, &ref), ERR_OK);
	check_all(&scene, &ref, body);
	reads(&scene);
	damage(&scene, flip_all);
	/* Two groups and the index, all damaged. */
	check(&scene, &ref, body, 100 * KIB, BUS_CHUNK_MAX);
	cr_assert_eq(reads(&scene), 3);
	check_all(&scene, &ref, body);
	cr_assert_eq(reads(&scene), 2, "the two other groups");
	free(bytes);
	scene_end(&scene);
}

static enum err
add_to(void *self, struct str bytes)
{
	buffer_add(self, bytes);
	return ERR_OK;
}

/* One object with two bodies, as small ones are written that come at the same time. */
static void
put_both(struct blob *blob, const struct str bodies[2], struct blob_ref ret[2])
{
	struct uuid object = uuid_v7();
	struct buffer bytes = { 0 };
	struct frame_sink sink = { add_to, &bytes };
	struct frame_writer w;
	void *put;

	for (size_t i = 0; i < 2; i++) {
		frame_writer_init(&w, &object, (uint32_t)buffer_len(&bytes), NULL, &sink);
		cr_assert_eq(frame_writer_add(&w, bodies[i]), ERR_OK);
		cr_assert_eq(frame_writer_finish(&w, &ret[i]), ERR_OK);
		frame_writer_clear(&w);
	}
	cr_assert_eq(blob->ops->put_begin(blob->store, &object, &put), ERR_OK);
	cr_assert_eq(blob->ops->put_write(put, buffer_str(&bytes), soon(5)), ERR_OK);
	cr_assert_eq(blob->ops->put_commit(put, soon(5)), ERR_OK);
	buffer_clear(&bytes);
}

Test(cached_body, two_of_one_object_are_not_taken_for_each_other, .timeout = 60)
{
	for (size_t i = 0; i < 2; i++) {
		char *bytes = body_make(2 * 9000, true);
		const struct str bodies[2] = { str_from(bytes, 9000), str_from(bytes + 9000, 9000) };
		struct blob_ref refs[2];
		struct scene scene;

		scene_begin(&scene, store_names[i]);
		put_both(scene.blob, bodies, refs);
		for (size_t n = 0; n < 4; n++)
			check_all(&scene, &refs[n % 2], bodies[n % 2]);
		cr_assert_eq(reads(&scene), 2, "each on its own");
		damage(&scene, swap);
		for (size_t n = 0; n < 4; n++)
			check_all(&scene, &refs[n % 2], bodies[n % 2]);
		cr_assert_eq(reads(&scene), 2, "swapped, they are what the store has");
		cache_forget(scene.blob->cache, &refs[0].object);
		check_all(&scene, &refs[1], bodies[1]);
		cr_assert_eq(reads(&scene), 1, "an object goes with all that is in it");
		free(bytes);
		scene_end(&scene);
	}
}

/* ---- several in one call */

static void
expect_many(struct scene *scene, struct asked *asked, const char *there, struct str body)
{
	struct str got;

	cr_assert_eq(get_many(asked, scene->blob, soon(10)), ERR_OK);
	got = which(asked);
	cr_assert(str_equal(got, str_c(there)), "%.*s, not %s", STR_ARG(got), there);
	for (size_t i = 0; i < asked->count; i++)
		cr_assert(!asked->items[i].is_there || str_equal(asked->items[i].bytes, body), "%zu", i);
}

Test(cached_body, of_several_only_those_come_that_s3_need_not_be_asked_for, .timeout = 60)
{
	char *bytes = body_make(9000, true);
	struct str body = str_from(bytes, 9000);
	struct asked asked = { 0 };
	struct blob_ref refs[4];
	struct scene scene;

	scene_begin(&scene, "s3");
	for (size_t i = 0; i < 4; i++) {
		cr_assert_eq(body_put(scene.blob, body, BUS_CHUNK_MAX, &refs[i]), ERR_OK);
		ask_for(&asked, &refs[i], 0, UINT64_MAX);
	}
	expect_many(&scene, &asked, "....", body);
	cr_assert_eq(reads(&scene), 0, "a cold cache");
	check_all(&scene, &refs[1], body);
	check_all(&scene, &refs[3], body);
	cr_assert_eq(reads(&scene), 2);
	expect_many(&scene, &asked, ".1.1", body);
	stop(&scene);
	start(&scene);
	expect_many(&scene, &asked, ".1.1", body);
	cr_assert_eq(reads(&scene), 0);
	asked_clear(&asked);
	free(bytes);
	scene_end(&scene);
}

Test(cached_body, of_several_what_the_cache_has_damaged_is_left_out_and_mended_by_get, .timeout = 60)
{
	char *bytes = body_make(9000, true);
	struct str body = str_from(bytes, 9000);
	struct asked asked = { 0 };
	struct blob_ref refs[2];
	struct scene scene;
	int64_t dropped;

	scene_begin(&scene, "s3");
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(body_put(scene.blob, body, BUS_CHUNK_MAX, &refs[i]), ERR_OK);
		ask_for(&asked, &refs[i], 0, UINT64_MAX);
		check_all(&scene, &refs[i], body);
	}
	damage(&scene, flip_all);
	reads(&scene);
	dropped = metric_get(METRIC_BLOB_CACHE_DROPPED);
	for (size_t i = 0; i < 2; i++)
		expect_many(&scene, &asked, "..", body);
	cr_assert_eq(reads(&scene), 0);
	cr_assert_eq(metric_get(METRIC_BLOB_CACHE_DROPPED) - dropped, 2, "each once");
	for (size_t i = 0; i < 2; i++)
		check_all(&scene, &refs[i], body);
	cr_assert_eq(reads(&scene), 2);
	expect_many(&scene, &asked, "11", body);
	asked_clear(&asked);
	free(bytes);
	scene_end(&scene);
}

/* ---- many at once */

struct reader {
	struct scene *scene;
	const struct blob_ref *ref;
	struct str body;
};

static void *
reader_run(void *self)
{
	struct reader *reader = self;
	struct arena arena = { 0 };
	struct str got = STR_NONE;
	enum err err = body_read(reader->scene->blob, reader->ref, 0, reader->body.len, &arena, soon(20), &got);
	bool is_right = err == ERR_OK && str_equal(got, reader->body);

	arena_clear(&arena);
	return is_right ? self : NULL;
}

Test(cached_body, a_storm_of_readers_asks_the_store_once, .timeout = 60)
{
	for (size_t i = 0; i < 2; i++) {
		char *bytes = body_make(200 * KIB, true);
		pthread_t threads[16];
		struct blob_ref ref;
		struct scene scene;
		struct reader reader = { &scene, &ref, str_from(bytes, 200 * KIB) };

		scene_begin(&scene, store_names[i]);
		cr_assert_eq(body_put(scene.blob, reader.body, BUS_CHUNK_MAX, &ref), ERR_OK);
		lose_cache(&scene);
		for (size_t n = 0; n < 16; n++)
			pthread_create(&threads[n], NULL, reader_run, &reader);
		for (size_t n = 0; n < 16; n++) {
			void *is_right;

			pthread_join(threads[n], &is_right);
			cr_assert_not_null(is_right);
		}
		cr_assert_eq(reads(&scene), 1, "%s", store_names[i]);
		free(bytes);
		scene_end(&scene);
	}
}

/* ---- what is not there */

Test(cached_body, a_deleted_one_is_gone_from_the_cache_too)
{
	for (size_t i = 0; i < 2; i++) {
		struct str body = STR("a body that will be deleted");
		uint8_t name[REF_NAME_BYTES];
		struct arena arena = { 0 };
		struct scene scene;
		struct blob_ref ref;
		struct str got;
		BlobDeleteRequest req = BLOB_DELETE_REQUEST__INIT;
		BlobEmpty reply = BLOB_EMPTY__INIT;
		struct rpc rpc = { .arena = &arena, .deadline_ms = soon(10) };

		scene_begin(&scene, store_names[i]);
		rpc.service = scene.blob;
		cr_assert_eq(body_put(scene.blob, body, BUS_CHUNK_MAX, &ref), ERR_OK);
		check_all(&scene, &ref, body);
		ref_name_encode(&ref.object, name);
		req.object = (ProtobufCBinaryData){ REF_NAME_BYTES, name };
		cr_assert_eq(delete_rpc(&rpc, &req, &reply), ERR_OK);
		if (i == 1)
			((struct s3 *)scene.blob->store)->young_ms = 0;
		cr_assert_eq(body_read(scene.blob, &ref, 0, body.len, &arena, soon(5), &got), ERR_NONEXISTENT);
		stop(&scene);
		start(&scene);
		cr_assert_eq(body_read(scene.blob, &ref, 0, body.len, &arena, soon(5), &got), ERR_NONEXISTENT);
		arena_clear(&arena);
		scene_end(&scene);
	}
}

Test(cached_body, what_the_store_has_damaged_is_not_kept)
{
	struct str body = STR("a body whose object is damaged");
	struct arena arena = { 0 };
	char wrong[400] = { 0 };
	struct blob_ref ref;
	struct scene scene;
	struct str got;
	void *put;

	scene_begin(&scene, "dir");
	cr_assert_eq(body_put(scene.blob, body, BUS_CHUNK_MAX, &ref), ERR_OK);
	lose_cache(&scene);
	cr_assert_eq(scene.blob->ops->remove(scene.blob->store, &ref.object, soon(5)), ERR_OK);
	cr_assert_eq(scene.blob->ops->put_begin(scene.blob->store, &ref.object, &put), ERR_OK);
	cr_assert_eq(scene.blob->ops->put_write(put, str_from(wrong, (size_t)ref.stored), soon(5)), ERR_OK);
	cr_assert_eq(scene.blob->ops->put_commit(put, soon(5)), ERR_OK);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(body_read(scene.blob, &ref, 0, body.len, &arena, soon(5), &got), ERR_CORRUPT);
		cr_assert_eq(reads(&scene), 2, "asked twice, each time");
	}
	arena_clear(&arena);
	scene_end(&scene);
}
