#include "libcommon/core/str.h"

#include <criterion/criterion.h>

Test(str, compares_by_bytes_a_prefix_first)
{
	static const struct { struct str a, b; int sign; } cases[] = {
		{ { "a", 1 }, { "b", 1 }, -1 }, { { "b", 1 }, { "a", 1 }, 1 }, { { "a", 1 }, { "ab", 2 }, -1 },
		{ { "", 0 }, { "a", 1 }, -1 }, { { NULL, 0 }, { "", 0 }, 0 }, { { "\xff", 1 }, { "a", 1 }, 1 },
		{ { "a\0b", 3 }, { "a\0c", 3 }, -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int order = str_compare(cases[i].a, cases[i].b);

		cr_assert_eq((order > 0) - (order < 0), cases[i].sign, "case %zu", i);
	}
}

Test(str, finds_what_is_there)
{
	static const struct { const char *s, *needle; size_t at; } cases[] = {
		{ "abcabd", "abd", 3 }, { "aaab", "aab", 1 }, { "abc", "", 0 }, { "abc", "abcd", 3 }, { "", "a", 0 },
		{ "abc", "c", 2 }, { "abab", "ba", 1 }, { "xyz", "q", 3 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(str_find(str_c(cases[i].s), str_c(cases[i].needle)), cases[i].at, "%s in %s", cases[i].needle,
		    cases[i].s);
	cr_assert_eq(str_find_nocase(STR("Hello World"), STR("WORLD")), 6);
}

Test(str, splits_into_every_part_empty_ones_too)
{
	struct str rest = STR("a,,b,"), part;
	const char *parts[] = { "a", "", "b", "" };
	size_t count = 0;

	while (str_split(&rest, ',', &part)) {
		cr_assert_lt(count, 4);
		cr_assert(str_equal(part, str_c(parts[count])), "part %zu", count);
		count++;
	}
	cr_assert_eq(count, 4);
}

Test(str, numbers_are_digits_that_fit)
{
	static const struct { const char *text; bool ok; uint32_t value; } cases[] = {
		{ "0", true, 0 }, { "4294967295", true, UINT32_MAX }, { "4294967296", false, 0 }, { "", false, 0 }, { "-1", false, 0 },
		{ "1 ", false, 0 }, { "+1", false, 0 }, { "99999999999999999999999", false, 0 }, { "007", true, 7 },
	};
	uint64_t wide;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t value = 0;

		cr_assert_eq(str_to_u32(str_c(cases[i].text), &value), cases[i].ok, "%s", cases[i].text);
		cr_assert_eq(value, cases[i].value, "%s", cases[i].text);
	}
	cr_assert(str_to_u64(STR("18446744073709551615"), &wide));
	cr_assert_eq(wide, UINT64_MAX);
	cr_assert_not(str_to_u64(STR("18446744073709551616"), &wide));
}

Test(str, utf8_is_the_shortest_form_of_a_real_character)
{
	static const struct { const char *text; bool ok; } cases[] = {
		{ "abc", true }, { "\xc3\xbc", true }, { "\xe2\x82\xac", true }, { "\xf0\x9f\x98\x80", true }, { "\xc0\x80", false },
		{ "\xed\xa0\x80", false }, { "\xf4\x90\x80\x80", false }, { "\xe2\x82", false }, { "\x80", false }, { "\xff", false },
		{ "\xe0\x80\x80", false }, { "\xf0\x80\x80\x80", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(str_is_utf8(str_c(cases[i].text)), cases[i].ok, "case %zu", i);
}

Test(str, sub_is_clamped_and_trim_takes_white_space)
{
	cr_assert(str_equal(str_sub(STR("hello"), 1, 3), STR("ell")));
	cr_assert(str_equal(str_sub(STR("hello"), 9, 3), STR("")));
	cr_assert(str_equal(str_sub(STR("hello"), 3, SIZE_MAX), STR("lo")));
	cr_assert(str_equal(str_trim(STR(" \t a b \r\n")), STR("a b")));
	cr_assert(str_equal_nocase(STR("InBoX"), STR("INBOX")));
	cr_assert_not(str_equal_nocase(STR("INBOX"), STR("INBO")));
}
