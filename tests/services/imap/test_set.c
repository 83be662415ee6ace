#include "services/imap/set.h"

#include <criterion/criterion.h>

#include "services/imap/parser.h"

/* "1:3,*" through the parser. */
static struct imap_set
parse(const char *text, struct arena *arena)
{
	struct imap_syntax syntax = { 0 };
	struct imap_cursor cur = { .in = arena_copy(arena, str_c(text)), .arena = arena, .error = &syntax };
	struct imap_set set = { 0 };

	cr_assert_eq(cur_set(&cur, &set), ERR_OK, "%s: %s", text, syntax.why);
	cr_assert_eq(cur.at, strlen(text), "%s", text);
	return set;
}

static struct str
print(struct imap_set set, struct arena *arena)
{
	struct buffer out = { 0 };
	struct str text;

	imap_set_print(set, &out);
	text = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return text;
}

Test(imap_set, resolves_to_what_exists)
{
	static const struct {
		const char *set;
		uint32_t largest;
		const char *resolved;
	} cases[] = {
		{ "1", 3, "1" },
		{ "4", 3, "" },
		{ "*", 3, "3" },
		{ "1:*", 3, "1:3" },
		{ "*:1", 3, "1:3" },
		{ "5:*", 3, "3" },
		{ "*:5", 3, "3" },
		{ "3:1", 3, "1:3" },
		{ "1:4294967295", 3, "1:3" },
		{ "4294967295:4294967295", 3, "" },
		{ "4294967295", 4294967295u, "4294967295" },
		{ "1:4294967294,4294967295", 4294967295u, "1:4294967295" },
		{ "7,1,3,2", 9, "1:3,7" },
		{ "1:5,2:3,5:6", 9, "1:6" },
		{ "1,3,5", 9, "1,3,5" },
		{ "1:*", 0, "" },
		{ "*", 0, "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct str text = print(imap_set_resolve(parse(cases[i].set, &arena), cases[i].largest, &arena), &arena);

		cr_expect(str_equal(text, str_c(cases[i].resolved)), "%s of %u: %.*s", cases[i].set, cases[i].largest, STR_ARG(text));
		arena_clear(&arena);
	}
}

Test(imap_set, prints_what_was_parsed)
{
	static const char *const cases[] = { "1", "1:2", "2:1", "*", "1:*", "*:1", "5,4,3:2,*,7:*" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };

		cr_expect(str_equal(print(parse(cases[i], &arena), &arena), str_c(cases[i])), "%s", cases[i]);
		arena_clear(&arena);
	}
}

Test(imap_set, refuses_what_is_none)
{
	static const char *const cases[] = { "", "0", "0:1", "1:", ":1", "1,,2", "x", "4294967296", "99999999999999999999", ",1" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct imap_syntax syntax = { 0 };
		struct imap_cursor cur = { .in = str_c(cases[i]), .arena = &arena, .error = &syntax };
		struct imap_set set;

		cr_expect_eq(cur_set(&cur, &set), ERR_SYNTAX, "%s", cases[i]);
		arena_clear(&arena);
	}
}

Test(imap_set, knows_what_is_in_it)
{
	struct arena arena = { 0 };
	struct imap_set set = imap_set_resolve(parse("2,4:6,9", &arena), 9, &arena);
	static const bool in[] = { false, false, true, false, true, true, true, false, false, true, false };

	for (uint32_t i = 1; i < sizeof(in); i++)
		cr_expect_eq(imap_set_has(set, i), in[i], "%u", i);
	arena_clear(&arena);
}
