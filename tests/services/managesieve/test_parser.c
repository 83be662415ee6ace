#include "services/managesieve/parser.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct managesieve_limits LIMITS = { 100, 20, 60 };

/* What a client sends, in pieces that end at `a` and `b`: each command as it is framed, "<len>" or, of one that is too big, "!". */
static const char *
frames(struct str bytes, size_t a, size_t b, struct arena *arena)
{
	const size_t ends[] = { a, b, bytes.len };
	struct managesieve_framer framer = { 0 };
	struct buffer input = { 0 }, out = { 0 };
	size_t sent = 0;
	const char *text;

	for (size_t i = 0; i < 3; i++) {
		enum managesieve_frame frame;

		buffer_add(&input, str_sub(bytes, sent, ends[i] - sent));
		sent = ends[i];
		while ((frame = managesieve_frame(&framer, &LIMITS, buffer_str(&input))) != MANAGESIEVE_FRAME_MORE) {
			cr_assert_eq(managesieve_frame(&framer, &LIMITS, buffer_str(&input)), frame, "another look changes nothing");
			if (frame == MANAGESIEVE_FRAME_TOO_LONG) {
				buffer_add(&out, STR("too long"));
				break;
			}
			buffer_consume(&input, framer.len);
			if (frame == MANAGESIEVE_FRAME_SKIP) {
				managesieve_framer_skipped(&framer);
				continue;
			}
			if (framer.is_refused)
				buffer_add(&out, STR("!"));
			else
				buffer_printf(&out, "<%zu>", framer.len);
			framer = (struct managesieve_framer){ 0 };
		}
		if (frame == MANAGESIEVE_FRAME_TOO_LONG)
			break;
	}
	text = arena_cstr(arena, buffer_str(&out));
	buffer_clear(&input);
	buffer_clear(&out);
	return text;
}

Test(managesieve_parser, frames_commands_whatever_their_pieces)
{
	static const struct {
		const char *bytes, *frames;
	} cases[] = {
		{ "NOOP\r\n", "<6>" },
		{ "NOOP\n", "<5>" },
		{ "NOOP\r\nLOGOUT\r\n", "<6><8>" },
		{ "NOOP {3+}\r\na\r\n\r\nNOOP\r\n", "<16><6>" },
		{ "NOOP {0+}\r\n\r\n", "<13>" },
		{ "RENAMESCRIPT {1+}\r\na {2+}\r\nbc\r\nNOOP\r\n", "<31><6>" },
		{ "NOOP {3+}\r\n{3+\r\n}\r\n", "<16><3>" },
		/* Synchronising literals are not of this protocol: the line is a command. */
		{ "NOOP {3}\r\nabc\r\n", "<10><5>" },
		{ "NOOP {+}\r\n", "<10>" },
		{ "NOOP {3 +}\r\n", "<12>" },
		{ "NOOP {99999999999999999999+}\r\n", "<30>" },
		/* What is too big goes, whatever its pieces, and what follows is understood. */
		{ "NOOP {21+}\r\n123456789012345678901\r\nNOOP\r\n", "!<6>" },
		{ "NOOP {15+}\r\n123456789012345 {6+}\r\n123456\r\nNOOP\r\n", "!<6>" },
		{ "NOOP {21+}\r\n123456789012345678901 {1+}\r\na {3+}\r\nNO\n\r\nNOOP\r\n", "!<6>" },
		{ "NOOP {61+}\r\n", "too long" },
		{ "NOOP {40+}\r\n1234567890123456789012345678901234567890 {21+}\r\n", "too long" },
		{ "NOOP {18446744073709551615+}\r\n", "too long" },
		{ "NOOP", "" },
		{ "NOOP {3+}\r\nab", "" },
		{ "NOOP {30+}\r\nab", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str bytes = str_c(cases[i].bytes);
		struct arena arena = { 0 };

		for (size_t a = 0; a <= bytes.len; a++)
			for (size_t b = a; b <= bytes.len; b++)
				cr_assert_str_eq(frames(bytes, a, b, &arena), cases[i].frames, "%s cut at %zu, %zu", cases[i].bytes, a, b);
		arena_clear(&arena);
	}
}

Test(managesieve_parser, lines_are_bounded_literals_not_counted)
{
	static char bytes[300];
	struct managesieve_framer framer = { 0 };

	memset(bytes, 'x', sizeof(bytes));
	cr_assert_eq(managesieve_frame(&framer, &LIMITS, str_from(bytes, 100)), MANAGESIEVE_FRAME_MORE);
	cr_assert_eq(managesieve_frame(&framer, &LIMITS, str_from(bytes, 101)), MANAGESIEVE_FRAME_TOO_LONG);
	framer = (struct managesieve_framer){ 0 };
	memcpy(bytes, "NOOP {20+}\r\n", 12);
	cr_assert_eq(managesieve_frame(&framer, &LIMITS, str_from(bytes, 120)), MANAGESIEVE_FRAME_MORE);
	cr_assert_eq(managesieve_frame(&framer, &LIMITS, str_from(bytes, 121)), MANAGESIEVE_FRAME_TOO_LONG);
}

/* Lesson 59: the total of a command's literals counts, not each; before a login nothing is waited for only to be thrown away. */
Test(managesieve_parser, lesson_59_literals_have_a_total)
{
	static const struct managesieve_limits before_login = { 100, 20, 0 };
	struct managesieve_framer framer = { 0 };
	struct arena arena = { 0 };

	cr_assert_eq(managesieve_frame(&framer, &before_login, STR("NOOP {21+}\r\n")), MANAGESIEVE_FRAME_TOO_LONG);
	framer = (struct managesieve_framer){ 0 };
	cr_assert_eq(managesieve_frame(&framer, &before_login, STR("A {10+}\r\n1234567890 {10+}\r\n1234567890 {1+}\r\n")),
	    MANAGESIEVE_FRAME_TOO_LONG);
	cr_assert_str_eq(frames(STR("A {10+}\r\n1234567890 {10+}\r\n1234567890 {1+}\r\nx\r\n"), 0, 0, &arena), "!");
	arena_clear(&arena);
}

/* Every argument, as "s:text" or "n:5", or why it is none. */
static const char *
parse(const char *bytes, size_t len, struct arena *arena)
{
	struct managesieve_request request;
	struct buffer out = { 0 };
	const char *why, *text;

	if (managesieve_parse(str_from(bytes, len), arena, &request, &why) != ERR_OK)
		return why;
	buffer_add(&out, request.name);
	for (size_t i = 0; i < request.count; i++) {
		if (request.args[i].is_number)
			buffer_printf(&out, " n:%u", request.args[i].number);
		else
			buffer_printf(&out, " s:%.*s", STR_ARG(request.args[i].text));
	}
	text = arena_cstr(arena, buffer_str(&out));
	buffer_clear(&out);
	return text;
}

#define QUOTED_CHARACTER "wrong character in a quoted string"
#define NUMBER "a number is expected: 0 to 4294967295, without zeros in front"
#define LITERAL "a literal begins with {octets+} at the end of a line"

Test(managesieve_parser, takes_strings_and_numbers)
{
	static const struct {
		struct str bytes;
		const char *parsed;
	} cases[] = {
		{ STR("NOOP\r\n"), "NOOP" },
		{ STR("noop\n"), "noop" },
		{ STR("NOOP \r\n"), "NOOP" },
		{ STR("HAVESPACE \"a\" 4294967295\r\n"), "HAVESPACE s:a n:4294967295" },
		{ STR("HAVESPACE {1+}\r\na 0 \r\n"), "HAVESPACE s:a n:0" },
		{ STR("X \"\" \"\\\"\\\\\" {0+}\r\n\r\n"), "X s: s:\"\\ s:" },
		{ STR("X \"{5+}\"\r\n"), "X s:{5+}" },
		{ STR("X \"\t \xc3\xa9\"\r\n"), "X s:\t \xc3\xa9" },
		{ STR("X {3+}\r\n\xff\n\"\r\n"), "X s:\xff\n\"" },
		{ STR("X \"a\r\n"), "the quoted string does not end" },
		{ STR("X \"a\\\r\n"), "the quoted string does not end" },
		{ STR("X \"a\\b\"\r\n"), QUOTED_CHARACTER },
		{ STR("X \"a\0b\"\r\n"), QUOTED_CHARACTER },
		{ STR("X \"\xff\"\r\n"), "a quoted string is UTF-8" },
		{ STR("X 01\r\n"), NUMBER },
		{ STR("X 4294967296\r\n"), NUMBER },
		{ STR("X -1\r\n"), "a string is expected" },
		{ STR("X atom\r\n"), "a string is expected" },
		{ STR("X {3}\r\n"), LITERAL },
		{ STR("X {3+}x\r\n"), LITERAL },
		{ STR("X {+}\r\n"), "the length of a literal is expected" },
		{ STR("X {3+}\r\nab\r\n"), "X s:ab\r" },
		{ STR("X {1+}\r\nab\r\n"), "the end of the line is expected" },
		{ STR("X {9+}\r\nab\r\n"), "the literal is shorter than it says" },
		{ STR("X \"a\"\"b\"\r\n"), "the end of the line is expected" },
		{ STR("X 1 2 3 4\r\n"), "the end of the line is expected" },
		{ STR("X\r \r\n"), "the end of the line is expected" },
		{ STR("\r\n"), "a command is expected" },
		{ STR(" NOOP\r\n"), "a command is expected" },
		{ STR("\"NOOP\"\r\n"), "a command is expected" },
		{ STR("\0\r\n"), "a command is expected" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };

		cr_expect_str_eq(parse(cases[i].bytes.ptr, cases[i].bytes.len, &arena), cases[i].parsed, "%.*s", STR_ARG(cases[i].bytes));
		arena_clear(&arena);
	}
}

Test(managesieve_parser, knows_whether_arguments_are_those_of_a_command)
{
	static const struct {
		const char *line, *kinds;
		bool has;
	} cases[] = {
		{ "X\r\n", "", true },
		{ "X \"a\"\r\n", "", false },
		{ "X\r\n", "?s", true },
		{ "X \"a\"\r\n", "?s", true },
		{ "X 1\r\n", "?s", false },
		{ "X \"a\"\r\n", "s?s", true },
		{ "X \"a\" \"b\"\r\n", "s?s", true },
		{ "X \"a\" \"b\" \"c\"\r\n", "s?s", false },
		{ "X\r\n", "s?s", false },
		{ "X \"a\" 1\r\n", "sn", true },
		{ "X \"a\" \"1\"\r\n", "sn", false },
		{ "X \"a\"\r\n", "sn", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct managesieve_request request;
		const char *why;

		cr_assert_eq(managesieve_parse(str_c(cases[i].line), &arena, &request, &why), ERR_OK);
		cr_expect_eq(managesieve_has_args(&request, cases[i].kinds), cases[i].has, "%s as %s", cases[i].line, cases[i].kinds);
		arena_clear(&arena);
	}
}

Test(managesieve_parser, takes_a_string_alone)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
		{ "\"*\"\r\n", "*" },
		{ "\"\"\r\n", "" },
		{ "{0+}\r\n\r\n", "" },
		{ "{4+}\r\nAGE=\r\n", "AGE=" },
		{ "\"AGE=\" \r\n", "AGE=" },
		{ "*\r\n", NULL },
		{ "\r\n", NULL },
		{ "\"a\" \"b\"\r\n", NULL },
		{ "5\r\n", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct str text;
		const char *why = NULL;
		enum err err = managesieve_parse_string(str_c(cases[i].line), &arena, &text, &why);

		cr_expect_eq(err, cases[i].text ? ERR_OK : ERR_SYNTAX, "%s", cases[i].line);
		cr_expect(cases[i].text ? str_equal(text, str_c(cases[i].text)) : why != NULL, "%s", cases[i].line);
		arena_clear(&arena);
	}
}

Test(managesieve_parser, strings_are_quoted_where_they_can_be)
{
	static char long_text[1026];
	const struct {
		struct str text;
		const char *printed;
	} cases[] = {
		{ STR(""), "\"\"" },
		{ STR("a \"b\" \\"), "\"a \\\"b\\\" \\\\\"" },
		{ STR("\xc3\xa9"), "\"\xc3\xa9\"" },
		{ STR("a\r\nb"), "{4}\r\na\r\nb" },
		{ STR("\xff"), "{1}\r\n\xff" },
		{ { long_text, 1025 }, NULL },
	};
	struct buffer out = { 0 };

	memset(long_text, 'x', sizeof(long_text) - 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buffer_reset(&out);
		managesieve_add_string(&out, cases[i].text);
		if (cases[i].printed)
			cr_expect(str_equal(buffer_str(&out), str_c(cases[i].printed)), "%.*s", STR_ARG(buffer_str(&out)));
		else
			cr_expect(str_starts_with(buffer_str(&out), STR("{1025}\r\nxx")));
	}
	buffer_reset(&out);
	managesieve_add_string(&out, str_from(long_text, 1024));
	cr_expect(str_starts_with(buffer_str(&out), STR("\"xx")));
	buffer_clear(&out);
}
