#include "libcommon/mail/header.h"

#include <criterion/criterion.h>

Test(header, fields_are_views_and_nonsense_is_passed_over)
{
	struct str rest = STR("From garbage at 12:30\r\n folded garbage\r\nA: 1\r\n  2\r\n\t3\r\nno colon\r\nB : x:y\n: no name\nC:\r\n\r\nD: body");
	static const char *const want[][3] = {
		{ "A", " 1\r\n  2\r\n\t3", "A: 1\r\n  2\r\n\t3\r\n" }, { "B", " x:y", "B : x:y\n" }, { "C", "", "C:\r\n" },
	};
	struct mail_field field;
	size_t count = 0;

	while (mail_header_next(&rest, &field)) {
		cr_assert_lt(count, 3);
		cr_assert(str_equal(field.name, str_c(want[count][0])), "%.*s", STR_ARG(field.name));
		cr_assert(str_equal(field.value, str_c(want[count][1])), "%.*s", STR_ARG(field.value));
		cr_assert(str_equal(field.raw, str_c(want[count][2])), "%.*s", STR_ARG(field.raw));
		count++;
	}
	cr_assert_eq(count, 3);
	cr_assert(str_equal(rest, STR("D: body")));
}

/* RFC 3501 s. 6.4.5 */
Test(header, filters_keep_raw_fields_and_end_in_an_empty_line)
{
	static const char header[] = "From: a\r\nTO: b\r\n c\r\nSubject: d\r\nto: e\r\nX: f";
	static const struct { const char *names[2]; size_t count; bool is_not; const char *want; } cases[] = {
		{ { "to", "from" }, 2, false, "From: a\r\nTO: b\r\n c\r\nto: e\r\n\r\n" },
		{ { "to", "from" }, 2, true, "Subject: d\r\nX: f\r\n\r\n" },
		{ { "Cc", "" }, 1, false, "\r\n" },
		{ { "x", "" }, 1, false, "X: f\r\n\r\n" },
		{ { "Subj", "" }, 1, false, "\r\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str names[2] = { str_c(cases[i].names[0]), str_c(cases[i].names[1]) };
		struct buffer out = { 0 };

		mail_header_filter(STR(header), names, cases[i].count, cases[i].is_not, &out);
		mail_header_end(&out);
		cr_assert(str_equal(buffer_str(&out), str_c(cases[i].want)), "case %zu: %.*s", i, STR_ARG(buffer_str(&out)));
		buffer_clear(&out);
	}
}

Test(header, find_gives_the_first)
{
	struct str value = STR_NONE;

	cr_assert(mail_header_find(STR("A: 1\r\nB: 2\r\nb: 3\r\n\r\nC: 4"), STR("b"), &value));
	cr_assert(str_equal(value, STR(" 2")));
	cr_assert_not(mail_header_find(STR("A: 1\r\n\r\nC: 4"), STR("c"), &value));
}

Test(header, unfolding_leaves_the_blank)
{
	static const struct { struct str value; const char *want; } cases[] = {
		{ { " a\r\n b", 6 }, "a b" }, { { "a\n\tb\n c", 7 }, "a\tb c" }, { { " \r\n a \r\n ", 9 }, "a" }, { { "a\0b", 3 }, "ab" },
		{ { "a\rb", 3 }, "a b" }, { { "", 0 }, "" }, { { "\0", 1 }, "" },
	};
	struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert(str_equal(mail_unfold(cases[i].value, &arena), str_c(cases[i].want)), "case %zu", i);
	arena_clear(&arena);
}
