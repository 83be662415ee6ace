/* The cache of indexes: what was given comes back, the oldest go first, and it stays small. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "services/blob/index_cache.h"
#include "services/blob/store.h"

static struct frame_index *
make_index(uint8_t name, size_t count)
{
	struct frame_index *index = mem_calloc(1, sizeof(*index) + count * sizeof(index->rows[0]));

	index->ref.object.bytes[0] = name;
	index->count = count;
	return index;
}

static bool
has(struct index_cache *cache, uint8_t name)
{
	struct blob_ref ref = { .object.bytes = { name } };
	struct frame_index *index = index_cache_take(cache, &ref);

	if (index != NULL)
		index_cache_give(cache, index);
	return index != NULL;
}

Test(index_cache, gives_back_what_it_was_given_until_it_is_taken)
{
	struct index_cache cache;
	struct blob_ref ref = { .object.bytes = { 1 } };
	struct frame_index *index;

	index_cache_init(&cache);
	cr_assert_null(index_cache_take(&cache, &ref));
	index_cache_give(&cache, make_index(1, 5));
	index_cache_give(&cache, make_index(2, 5));
	ref.size = 7;
	cr_assert_null(index_cache_take(&cache, &ref), "another body");
	ref.size = 0;
	index = index_cache_take(&cache, &ref);
	cr_assert(index != NULL && index->count == 5);
	cr_assert_null(index_cache_take(&cache, &ref), "taken");
	free(index);
	cr_assert(has(&cache, 2));
	index_cache_clear(&cache);
}

Test(index_cache, lets_the_one_used_longest_ago_go_by_number_and_by_bytes)
{
	size_t third = INDEX_CACHE_BYTES / 3 / sizeof(struct frame_row) - 100;
	struct index_cache cache;

	index_cache_init(&cache);
	for (uint8_t i = 1; i <= 3; i++)
		index_cache_give(&cache, make_index(i, third));
	cr_assert(has(&cache, 1));
	index_cache_give(&cache, make_index(4, third));
	cr_assert(has(&cache, 1) && !has(&cache, 2) && has(&cache, 3) && has(&cache, 4));
	index_cache_give(&cache, make_index(5, 4 * third));
	cr_assert(!has(&cache, 5) && has(&cache, 4), "too big to be kept");
	for (int i = 0; i < 2 * INDEX_CACHE_COUNT; i++)
		index_cache_give(&cache, make_index(100, 1));
	cr_assert_leq(cache.bytes, INDEX_CACHE_BYTES);
	cr_assert_not(has(&cache, 4));
	index_cache_clear(&cache);
}

Test(store, a_path_is_read_only_where_its_object_belongs)
{
	static const char *const wrong[] = { "", "ab", "00/00/00000000000000000000000000000001", "01/00/0000000000000000000000000000000g",
		"01/00/00000000000000000000000000000001x", "01-00-00000000000000000000000000000001", "01/00/0000000000000000000000000000AB01",
		"../../00000000000000000000000000000001" };
	struct uuid id = uuid_v7(), back;
	char path[STORE_PATH_BYTES + 1];

	store_path(&id, path);
	cr_assert(store_path_read(str_c(path), &back) && memcmp(id.bytes, back.bytes, 16) == 0);
	cr_assert(store_path_read(STR("01/00/00000000000000000000000000000001"), &back));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		cr_assert_not(store_path_read(str_c(wrong[i]), &back), "%s", wrong[i]);
}
