#include "services/pop3/parser.h"

#include <criterion/criterion.h>

Test(pop3_parser, a_line_is_a_keyword_and_what_is_behind_the_space)
{
	static const struct {
		const char *line, *keyword, *text;
	} cases[] = {
		{ "STAT\r\n", "STAT", "" },
		{ "stat\n", "stat", "" },
		{ "RETR 1\r\n", "RETR", "1" },
		{ "PASS  two words \r\n", "PASS", " two words " },
		{ "\r\n", "", "" },
		{ " x\r\n", "", "x" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str line = str_c(cases[i].line);
		struct pop3_request request;
		size_t used;

		for (size_t len = 0; len < line.len; len++)
			cr_assert_eq(pop3_parse(str_sub(line, 0, len), &request, &used), ERR_AGAIN, "%s: %zu", cases[i].line, len);
		cr_assert_eq(pop3_parse(line, &request, &used), ERR_OK, "%s", cases[i].line);
		cr_assert_eq(used, line.len, "%s", cases[i].line);
		cr_assert(str_equal(request.keyword, str_c(cases[i].keyword)), "%s", cases[i].line);
		cr_assert(str_equal(request.text, str_c(cases[i].text)), "%s", cases[i].line);
	}
}

Test(pop3_parser, a_line_without_end_is_too_long)
{
	char line[POP3_LINE_MAX];
	struct pop3_request request;
	size_t used;

	memset(line, 'x', sizeof(line));
	cr_assert_eq(pop3_parse(str_from(line, sizeof(line) - 1), &request, &used), ERR_AGAIN);
	cr_assert_eq(pop3_parse(str_from(line, sizeof(line)), &request, &used), ERR_TOO_BIG);
	line[POP3_LINE_MAX - 1] = '\n';
	cr_assert_eq(pop3_parse(str_from(line, sizeof(line)), &request, &used), ERR_OK);
}

Test(pop3_parser, arguments_are_as_the_command_takes_them)
{
	static const struct {
		const char *text;
		enum pop3_args kind;
		bool is_good;
		size_t count;
		uint32_t first, second;
	} cases[] = {
		{ "", POP3_ARGS_NONE, true, 0, 0, 0 },
		{ " ", POP3_ARGS_NONE, true, 0, 0, 0 },
		{ "x", POP3_ARGS_NONE, false, 0, 0, 0 },
		{ "7", POP3_ARGS_MESSAGE, true, 1, 7, 0 },
		{ " 7 ", POP3_ARGS_MESSAGE, true, 1, 7, 0 },
		{ "", POP3_ARGS_MESSAGE, false, 0, 0, 0 },
		{ "7 8", POP3_ARGS_MESSAGE, false, 0, 0, 0 },
		{ "4294967295", POP3_ARGS_MESSAGE, true, 1, 4294967295, 0 },
		{ "4294967296", POP3_ARGS_MESSAGE, false, 0, 0, 0 },
		{ "-1", POP3_ARGS_MESSAGE, false, 0, 0, 0 },
		{ "+1", POP3_ARGS_MESSAGE, false, 0, 0, 0 },
		{ "1x", POP3_ARGS_MESSAGE, false, 0, 0, 0 },
		{ "", POP3_ARGS_MESSAGE_OPTIONAL, true, 0, 0, 0 },
		{ "3", POP3_ARGS_MESSAGE_OPTIONAL, true, 1, 3, 0 },
		{ "1 10", POP3_ARGS_MESSAGE_LINES, true, 2, 1, 10 },
		{ "1", POP3_ARGS_MESSAGE_LINES, false, 0, 0, 0 },
		{ "1 2 3", POP3_ARGS_MESSAGE_LINES, false, 0, 0, 0 },
		{ "", POP3_ARGS_TEXT, false, 0, 0, 0 },
		{ "me", POP3_ARGS_TEXT, true, 0, 0, 0 },
		{ " ", POP3_ARGS_VERBATIM, true, 0, 0, 0 },
		{ "", POP3_ARGS_VERBATIM, false, 0, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pop3_request request = { .text = str_c(cases[i].text) };
		bool is_good = pop3_parse_args(&request, cases[i].kind) == ERR_OK;

		cr_assert_eq(is_good, cases[i].is_good, "\"%s\" %d", cases[i].text, (int)cases[i].kind);
		if (!is_good)
			continue;
		cr_assert_eq(request.count, cases[i].count, "\"%s\"", cases[i].text);
		cr_assert(request.count < 1 || request.numbers[0] == cases[i].first, "\"%s\"", cases[i].text);
		cr_assert(request.count < 2 || request.numbers[1] == cases[i].second, "\"%s\"", cases[i].text);
	}
}
