/* The same cases over both back ends: what was put comes back, ranges too, and nothing else ever does. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/core/mem.h"
#include "services/blob/s3/s3.h"
#include "tests/services/blob/stores.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static const size_t sizes[] = { 0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB, 256 * KIB + 1, MIB, 8 * MIB - 1, 8 * MIB,
	8 * MIB + 1, 20 * MIB };

/* Read [offset, offset + len) and compare. */
static void
check_range(struct blob *blob, const struct blob_ref *ref, struct str body, uint64_t offset, size_t len)
{
	struct arena arena = { 0 };
	struct str got;
	enum err err;

	if (offset > body.len)
		offset = body.len;
	len = str_sub(body, (size_t)offset, len).len;
	err = body_read(blob, ref, offset, len, &arena, soon(10), &got);
	cr_assert_eq(err, ERR_OK, "%s: %zu bytes at %llu of %zu: %s", blob->ops->name, len, (unsigned long long)offset, body.len,
	    err_row(err)->name);
	cr_assert(str_equal(got, str_sub(body, (size_t)offset, len)), "%s: %zu bytes at %llu of %zu", blob->ops->name, len,
	    (unsigned long long)offset, body.len);
	arena_clear(&arena);
}

static void
check_ranges(struct blob *blob, const struct blob_ref *ref, struct str body)
{
	static const size_t places[] = { 0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 200000, 8 * MIB - 1, 8 * MIB };
	static const size_t lens[] = { 1, 2, 4096, 64 * KIB, 64 * KIB + 2, BUS_CHUNK_MAX };

	for (size_t at = 0; at < body.len; at += BUS_CHUNK_MAX)
		check_range(blob, ref, body, at, BUS_CHUNK_MAX);
	for (size_t p = 0; p < sizeof(places) / sizeof(*places); p++) {
		for (size_t l = 0; l < sizeof(lens) / sizeof(*lens) && places[p] <= body.len; l++)
			check_range(blob, ref, body, places[p], lens[l]);
	}
	check_range(blob, ref, body, body.len > 5 ? body.len - 5 : 0, 100);
	check_range(blob, ref, body, body.len, 1);
}

Test(body, comes_back_whole_and_in_every_range, .timeout = 300)
{
	for (size_t i = 0; i < 4 * sizeof(sizes) / sizeof(*sizes); i++) {
		struct config *config;
		struct blob *blob = store_open(store_names[i % 2], NULL, &config);
		size_t len = sizes[i / 4];
		char *bytes = body_make(len, i / 2 % 2);
		struct blob_ref ref;

		cr_assert_eq(body_put(blob, str_from(bytes, len), BUS_CHUNK_MAX, &ref), ERR_OK, "%s: %zu", blob->ops->name, len);
		cr_assert_eq(ref.size, len);
		check_ranges(blob, &ref, str_from(bytes, len));
		free(bytes);
		store_close(blob, config);
	}
}

/* ---- damage */

/* Overwrite the stored object, through the back end's own ways: remove it, and put other bytes under its id. */
static void
replace_object(struct blob *blob, const struct uuid *id, struct str bytes)
{
	void *put;

	cr_assert_eq(blob->ops->remove(blob->store, id, soon(5)), ERR_OK);
	cr_assert_eq(blob->ops->put_begin(blob->store, id, &put), ERR_OK);
	cr_assert_eq(blob->ops->put_write(put, bytes, soon(5)), ERR_OK);
	cr_assert_eq(blob->ops->put_commit(put, soon(5)), ERR_OK);
}

static char *
load_object(struct blob *blob, const struct blob_ref *ref)
{
	char *stored = mem_alloc((size_t)ref->stored);

	cr_assert_eq(blob->ops->read(blob->store, &ref->object, 0, (size_t)ref->stored, stored, soon(5)), ERR_OK);
	return stored;
}

/* What the first wrong chunk's read says; everything before it must be right. */
static enum err
read_through(struct blob *blob, const struct blob_ref *ref, struct str body)
{
	for (size_t at = 0; at < body.len; at += BUS_CHUNK_MAX) {
		struct arena arena = { 0 };
		struct str got = STR_NONE, expected = str_sub(body, at, BUS_CHUNK_MAX);
		enum err err = body_read(blob, ref, at, expected.len, &arena, soon(10), &got);
		bool is_right = str_equal(got, expected);

		arena_clear(&arena);
		if (err != ERR_OK)
			return err;
		cr_assert(is_right, "%s: wrong bytes at %zu", blob->ops->name, at);
	}
	return ERR_OK;
}

Test(body, a_changed_byte_anywhere_in_the_object_is_corrupt, .timeout = 120)
{
	for (size_t i = 0; i < 4; i++) {
		struct config *config;
		struct blob *blob = store_open(store_names[i % 2], NULL, &config);
		size_t len = i < 2 ? 100 * KIB : 700 * KIB;
		char *bytes = body_make(len, true), *stored;
		struct blob_ref ref;

		cr_assert_eq(body_put(blob, str_from(bytes, len), BUS_CHUNK_MAX, &ref), ERR_OK);
		stored = load_object(blob, &ref);
		for (size_t n = 0; n < 24; n++) {
			size_t at = n < 8 ? n * 4 : n < 16 ? (size_t)ref.stored - 1 - (n - 8) * 13 : (size_t)(random_u64() % ref.stored);

			stored[at] ^= 0x20;
			replace_object(blob, &ref.object, str_from(stored, (size_t)ref.stored));
			stored[at] ^= 0x20;
			index_cache_clear(&blob->indexes);
			index_cache_init(&blob->indexes);
			cr_assert_eq(read_through(blob, &ref, str_from(bytes, len)), ERR_CORRUPT, "%s: byte %zu", blob->ops->name, at);
		}
		free(stored);
		free(bytes);
		store_close(blob, config);
	}
}

Test(body, a_shorter_object_is_corrupt_and_a_missing_one_nonexistent)
{
	for (size_t i = 0; i < 4; i++) {
		struct config *config;
		struct blob *blob = store_open(store_names[i % 2], NULL, &config);
		size_t len = i < 2 ? 5000 : 700 * KIB;
		char *bytes = body_make(len, true), *stored;
		struct blob_ref ref;

		cr_assert_eq(body_put(blob, str_from(bytes, len), BUS_CHUNK_MAX, &ref), ERR_OK);
		stored = load_object(blob, &ref);
		for (size_t cut = 1; cut < ref.stored; cut = cut * 4 + 1) {
			replace_object(blob, &ref.object, str_from(stored, (size_t)ref.stored - cut));
			cr_assert_eq(read_through(blob, &ref, str_from(bytes, len)), ERR_CORRUPT, "%s: %zu cut", blob->ops->name, cut);
		}
		cr_assert_eq(blob->ops->remove(blob->store, &ref.object, soon(5)), ERR_OK);
		cr_assert_eq(blob->ops->remove(blob->store, &ref.object, soon(5)), ERR_OK, "done twice is done once");
		if (i % 2 == 1)
			((struct s3 *)blob->store)->young_ms = 0;
		cr_assert_eq(read_through(blob, &ref, str_from(bytes, len)), ERR_NONEXISTENT, "%s", blob->ops->name);
		free(stored);
		free(bytes);
		store_close(blob, config);
	}
}

/* ---- what is visible */

static size_t
count_objects(struct blob *blob)
{
	struct store_object objects[10];
	size_t count;
	bool is_more;

	cr_assert_eq(blob->ops->list(blob->store, NULL, 10, objects, &count, &is_more, soon(10)), ERR_OK);
	return count;
}

Test(body, an_upload_that_is_given_up_leaves_nothing_visible, .timeout = 60)
{
	static const size_t lens[] = { 0, 1000, 300 * KIB, 10 * MIB };

	for (size_t i = 0; i < 2 * sizeof(lens) / sizeof(*lens); i++) {
		struct config *config;
		struct blob *blob = store_open(store_names[i % 2], NULL, &config);
		char *bytes = body_make(lens[i / 2], true);
		struct upload *up;

		cr_assert_eq(upload_new(blob, &up), ERR_OK);
		cr_assert_eq(upload_add(up, str_from(bytes, lens[i / 2]), soon(10)), ERR_OK);
		cr_assert_eq(count_objects(blob), 0, "%s: before the commit", blob->ops->name);
		upload_drop(up);
		cr_assert_eq(count_objects(blob), 0, "%s: after the end", blob->ops->name);
		cr_assert_eq(blob->upload_count, 0);
		free(bytes);
		store_close(blob, config);
	}
}

Test(body, the_list_gives_every_object_once_in_pages_of_any_size, .timeout = 60)
{
	for (size_t i = 0; i < 2; i++) {
		struct config *config;
		struct blob *blob = store_open(store_names[i], NULL, &config);
		struct blob_ref refs[23];

		for (size_t n = 0; n < 23; n++)
			cr_assert_eq(body_put(blob, STR("x"), 1, &refs[n]), ERR_OK);
		for (size_t limit = 1; limit < 30; limit += 7) {
			struct store_object objects[30];
			size_t seen[23] = { 0 }, count = 0, total = 0;
			bool is_more = true;
			struct uuid after;

			while (is_more) {
				cr_assert_eq(blob->ops->list(blob->store, total ? &after : NULL, limit, objects, &count, &is_more, soon(10)), ERR_OK);
				cr_assert(count <= limit && (count > 0 || !is_more));
				for (size_t n = 0; n < count; n++) {
					for (size_t r = 0; r < 23; r++)
						seen[r] += memcmp(&objects[n].id, &refs[r].object, 16) == 0;
					cr_assert_eq(objects[n].size, refs[0].stored);
					cr_assert(llabs(objects[n].put_ms - refs[0].put_ms) < 20000, "%s", store_names[i]);
				}
				total += count;
				after = objects[count ? count - 1 : 0].id;
			}
			cr_assert_eq(total, 23, "%s: limit %zu: %zu", store_names[i], limit, total);
			for (size_t r = 0; r < 23; r++)
				cr_assert_eq(seen[r], 1);
		}
		store_close(blob, config);
	}
}

Test(body, the_check_names_what_is_wrong)
{
	struct config *config;
	struct blob *blob = store_open("s3", NULL, &config);
	struct buffer problems = { 0 };
	struct blob *other;

	cr_assert_eq(blob->ops->check(blob->store, &problems, soon(5)), ERR_OK);
	config->s3_bucket = STR("no-such-bucket");
	cr_assert_eq(blob_new(config, &problems, &other), ERR_OK);
	cr_assert_eq(other->ops->check(other->store, &problems, soon(5)), ERR_CONFIG);
	cr_assert_lt(str_find(buffer_str(&problems), STR("does not exist")), buffer_len(&problems));
	blob_free(other);
	config->s3_bucket = STR("sora-test");
	config->s3_secret_key = STR("WRONG");
	cr_assert_eq(blob_new(config, &problems, &other), ERR_OK);
	cr_assert_eq(other->ops->check(other->store, &problems, soon(5)), ERR_CONFIG);
	cr_assert_lt(str_find(buffer_str(&problems), STR("keys are wrong")), buffer_len(&problems));
	blob_free(other);
	config->s3_endpoint = STR("ftp://x");
	cr_assert_eq(blob_new(config, &problems, &other), ERR_CONFIG);
	buffer_clear(&problems);
	store_close(blob, config);
}

Test(body, an_upload_that_nobody_continues_ends)
{
	struct config *config;
	struct blob *blob = store_open("dir", NULL, &config);
	struct upload *first, *second;
	uint64_t number;

	cr_assert_eq(blob->ops->check(blob->store, &(struct buffer){ 0 }, soon(5)), ERR_OK);
	blob->idle_ms = 200;
	cr_assert_eq(blob_keeper_start(blob), ERR_OK);
	cr_assert_eq(upload_new(blob, &first), ERR_OK);
	cr_assert_eq(upload_new(blob, &second), ERR_OK);
	number = upload_number(first);
	upload_park(first);
	cr_assert_eq(upload_take(blob, number + 1), NULL);
	cr_assert_eq(upload_take(blob, number), first);
	cr_assert_eq(upload_take(blob, number), NULL, "taken");
	upload_park(first);
	upload_park(second);
	pthread_mutex_lock(&blob->lock);
	for (int64_t end_ms = soon(10); blob->upload_count > 0 && soon(0) < end_ms;) {
		pthread_mutex_unlock(&blob->lock);
		usleep(20000);
		pthread_mutex_lock(&blob->lock);
	}
	cr_assert_eq(blob->upload_count, 0);
	pthread_mutex_unlock(&blob->lock);
	cr_assert_eq(upload_take(blob, number), NULL);
	blob_keeper_stop(blob);
	store_close(blob, config);
}

Test(body, there_is_a_limit_to_uploads_at_once)
{
	struct config *config;
	struct blob *blob = store_open("dir", NULL, &config);
	struct upload *up;
	enum err err = ERR_OK;
	size_t count = 0;

	while ((err = upload_new(blob, &up)) == ERR_OK && count++ < BLOB_UPLOADS_MAX)
		upload_park(up);
	cr_assert_eq(err, ERR_BUSY);
	cr_assert_eq(count, BLOB_UPLOADS_MAX);
	upload_drop_parked(blob);
	cr_assert_eq(blob->upload_count, 0);
	cr_assert_eq(body_put(blob, STR("x"), 1, &(struct blob_ref){ 0 }), ERR_OK);
	store_close(blob, config);
}
