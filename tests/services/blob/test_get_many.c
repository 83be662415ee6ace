/* GetMany over a directory, which has everything at hand: order, bounds, and what is left out. With a cache: test_cached_body.c. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/services/blob/get_many.h"
#include "tests/services/blob/stores.h"

enum { KIB = 1024 };

struct scene {
	struct blob *blob;
	struct config *config;
	struct asked asked;
	char *bytes;
};

static void
scene_begin(struct scene *scene, const char *store)
{
	*scene = (struct scene){ 0 };
	scene->blob = store_open(store, NULL, &scene->config);
	scene->bytes = body_make(400 * KIB, true);
}

static void
scene_end(struct scene *scene)
{
	asked_clear(&scene->asked);
	free(scene->bytes);
	store_close(scene->blob, scene->config);
}

/* The first `len` bytes of all, as a body. */
static struct blob_ref
put(struct scene *scene, size_t len)
{
	struct blob_ref ref;

	cr_assert_eq(body_put(scene->blob, str_from(scene->bytes, len), BUS_CHUNK_MAX, &ref), ERR_OK);
	return ref;
}

static void
expect(struct scene *scene, const char *there)
{
	struct str got;

	cr_assert_eq(get_many(&scene->asked, scene->blob, soon(10)), ERR_OK);
	got = which(&scene->asked);
	cr_assert(str_equal(got, str_c(there)), "%.*s, not %s", STR_ARG(got), there);
}

Test(get_many, several_come_in_the_order_in_which_they_were_asked_for, .timeout = 60)
{
	static const size_t lens[] = { 5000, 1, 0, 70 * KIB, 64 * KIB, 2 };
	struct scene scene;

	scene_begin(&scene, "dir");
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		struct blob_ref ref = put(&scene, lens[i]);

		ask_for(&scene.asked, &ref, 0, UINT64_MAX);
	}
	expect(&scene, "111111");
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		cr_assert(str_equal(scene.asked.items[i].bytes, str_from(scene.bytes, lens[i])), "%zu bytes", lens[i]);
		cr_assert_eq(scene.asked.items[i].size, lens[i]);
	}
	scene_end(&scene);
}

Test(get_many, each_may_be_a_range_and_ends_with_its_body)
{
	static const struct { uint64_t offset, len; size_t at, got; } cases[] = { { 10, 20, 10, 20 }, { 100 * KIB - 1, UINT64_MAX, 100 * KIB - 1, 1 },
		{ 66 * KIB, 100, 66 * KIB, 100 }, { 100 * KIB, 5, 0, 0 }, { UINT64_MAX, 5, 0, 0 }, { 5, 0, 0, 0 } };
	struct blob_ref ref;
	struct scene scene;

	scene_begin(&scene, "dir");
	ref = put(&scene, 100 * KIB);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ask_for(&scene.asked, &ref, cases[i].offset, cases[i].len);
	expect(&scene, "111111");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cr_assert(str_equal(scene.asked.items[i].bytes, str_from(scene.bytes + cases[i].at, cases[i].got)), "case %zu", i);
		cr_assert_eq(scene.asked.items[i].size, 100 * KIB);
	}
	scene_end(&scene);
}

Test(get_many, what_does_not_fit_into_a_chunk_any_more_is_left_out)
{
	struct blob_ref large, small, longer;
	struct scene scene;

	scene_begin(&scene, "dir");
	large = put(&scene, 200 * KIB);
	small = put(&scene, 56 * KIB);
	longer = put(&scene, 400 * KIB);
	ask_for(&scene.asked, &longer, 0, UINT64_MAX);
	ask_for(&scene.asked, &large, 0, UINT64_MAX);
	ask_for(&scene.asked, &large, 0, UINT64_MAX);
	ask_for(&scene.asked, &small, 0, UINT64_MAX);
	ask_for(&scene.asked, &small, 0, UINT64_MAX);
	ask_for(&scene.asked, &longer, 5, 5);
	ask_for(&scene.asked, &small, 5, 0);
	expect(&scene, ".1.1..1");
	scene_end(&scene);
}

Test(get_many, a_list_has_an_end)
{
	struct blob_ref ref;
	struct scene scene;

	scene_begin(&scene, "dir");
	expect(&scene, "");
	ref = put(&scene, 10);
	for (size_t i = 0; i < 64; i++)
		ask_for(&scene.asked, &ref, 0, UINT64_MAX);
	expect(&scene, "1111111111111111111111111111111111111111111111111111111111111111");
	ask_for(&scene.asked, &ref, 0, UINT64_MAX);
	cr_assert_eq(get_many(&scene.asked, scene.blob, soon(10)), ERR_INVALID);
	scene_end(&scene);
}

/* Other bytes where the object was. */
static void
damage(struct blob *blob, const struct blob_ref *ref)
{
	static const char wrong[9000];
	void *put;

	cr_assert_leq(ref->stored, sizeof(wrong));
	cr_assert_eq(blob->ops->remove(blob->store, &ref->object, soon(5)), ERR_OK);
	cr_assert_eq(blob->ops->put_begin(blob->store, &ref->object, &put), ERR_OK);
	cr_assert_eq(blob->ops->put_write(put, str_from(wrong, (size_t)ref->stored), soon(5)), ERR_OK);
	cr_assert_eq(blob->ops->put_commit(put, soon(5)), ERR_OK);
}

Test(get_many, what_is_damaged_missing_or_no_reference_is_left_out_and_the_others_come)
{
	struct blob_ref refs[5];
	struct scene scene;

	scene_begin(&scene, "dir");
	for (size_t i = 0; i < 5; i++) {
		refs[i] = put(&scene, 8000);
		ask_for(&scene.asked, &refs[i], 0, UINT64_MAX);
	}
	damage(scene.blob, &refs[1]);
	cr_assert_eq(scene.blob->ops->remove(scene.blob->store, &refs[2].object, soon(5)), ERR_OK);
	scene.asked.items[3].ref[20] ^= 1;
	expect(&scene, "1...1");
	cr_assert(str_equal(scene.asked.items[4].bytes, str_from(scene.bytes, 8000)));
	scene_end(&scene);
}

Test(get_many, after_the_deadline_nothing_is_read)
{
	struct blob_ref ref;
	struct scene scene;

	scene_begin(&scene, "dir");
	ref = put(&scene, 10);
	ask_for(&scene.asked, &ref, 0, UINT64_MAX);
	cr_assert_eq(get_many(&scene.asked, scene.blob, soon(0)), ERR_OK);
	cr_assert(str_equal(which(&scene.asked), STR(".")));
	scene_end(&scene);
}

Test(get_many, s3_without_a_cache_is_not_asked_for_anything)
{
	struct blob_ref ref;
	struct scene scene;

	scene_begin(&scene, "s3");
	ref = put(&scene, 5000);
	ask_for(&scene.asked, &ref, 0, UINT64_MAX);
	expect(&scene, ".");
	scene_end(&scene);
}
