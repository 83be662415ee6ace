#include "libcommon/core/arena.h"

#include <criterion/criterion.h>
#include <stdint.h>

static char order[8];
static size_t called;

static void
note(void *value)
{
	order[called++] = *(char *)value;
}

Test(arena, memory_is_zeroed_and_aligned)
{
	struct arena arena = { 0 };

	for (size_t size = 0; size < 5000; size += 7) {
		char *p = arena_alloc(&arena, size);

		cr_assert_eq((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			cr_assert_eq(p[i], 0);
		memset(p, 0xff, size);
	}
	arena_clear(&arena);
}

Test(arena, reset_runs_hooks_newest_first)
{
	struct arena arena = { 0 };
	char a = 'a', b = 'b', c = 'c';

	arena_defer(&arena, note, &a);
	arena_defer(&arena, note, &b);
	arena_defer(&arena, note, &c);
	arena_reset(&arena);
	cr_assert_str_eq(order, "cba");
	arena_clear(&arena);
	cr_assert_eq(called, 3);
}

Test(arena, a_limit_is_never_passed)
{
	struct arena arena = { 0 };

	arena_set_limit(&arena, 1000);
	cr_assert_not_null(arena_try_alloc(&arena, 600));
	cr_assert_null(arena_try_alloc(&arena, 600));
	cr_assert_null(arena_try_alloc(&arena, SIZE_MAX));
	cr_assert_not_null(arena_try_alloc(&arena, 100));
	arena_clear(&arena);
}

Test(arena, copies_end_with_nul_and_keep_nul_inside)
{
	struct arena arena = { 0 };
	struct str copy = arena_copy(&arena, str_from("a\0b", 3));

	cr_assert_eq(copy.len, 3);
	cr_assert_eq(memcmp(copy.ptr, "a\0b", 4), 0);
	cr_assert(str_equal(arena_printf(&arena, "%d-%s", 7, "x"), STR("7-x")));
	cr_assert(str_equal(arena_lower(&arena, STR("InBox")), STR("inbox")));
	arena_clear(&arena);
}
