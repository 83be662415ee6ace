#include "services/lmtp/parser.h"

#include <criterion/criterion.h>

Test(lmtp_parser, reads_a_line_at_every_split)
{
	static const struct {
		const char *line, *verb, *args;
	} cases[] = {
		{ "NOOP\r\n", "NOOP", "" },
		{ "lhlo  mta.example.org \r\n", "lhlo", "mta.example.org" },
		{ "MAIL FROM:<a@b> SIZE=1\r\n", "MAIL", "FROM:<a@b> SIZE=1" },
		{ "\r\n", "", "" },
		{ " x\r\n", "", "x" },
		{ "RCPT TO:<\xc3\xbc@b>\r\n", "RCPT", "TO:<\xc3\xbc@b>" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str line = str_c(cases[i].line);
		struct lmtp_request request;
		size_t used;

		for (size_t split = 0; split < line.len; split++)
			cr_assert_eq(lmtp_parse(str_sub(line, 0, split), &request, &used), ERR_AGAIN, "%s", cases[i].line);
		cr_assert_eq(lmtp_parse(line, &request, &used), ERR_OK, "%s", cases[i].line);
		cr_assert_eq(used, line.len);
		cr_assert(str_equal(request.verb, str_c(cases[i].verb)), "%s", cases[i].line);
		cr_assert(str_equal(request.args, str_c(cases[i].args)), "%s", cases[i].line);
	}
}

Test(lmtp_parser, takes_one_line_of_many)
{
	struct lmtp_request request;
	size_t used;

	cr_assert_eq(lmtp_parse(STR("RSET\r\nQUIT\r\n"), &request, &used), ERR_OK);
	cr_assert_eq(used, 6);
	cr_assert(str_equal(request.verb, STR("RSET")));
}

Test(lmtp_parser, refuses_bare_line_feeds_and_controls)
{
	static const struct str lines[] = { { "NOOP\n", 5 }, { "\n", 1 }, { "NO\rOP\r\n", 7 }, { "NO\0OP\r\n", 7 },
		{ "RCPT TO:<a\x7f@b>\r\n", 16 }, { "NOOP\t\r\n", 7 } };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct lmtp_request request;
		size_t used = 0;

		cr_assert_eq(lmtp_parse(lines[i], &request, &used), ERR_SYNTAX, "case %zu", i);
		cr_assert_eq(used, lines[i].len, "case %zu", i);
	}
}

Test(lmtp_parser, refuses_a_line_that_is_too_long)
{
	static char line[LMTP_LINE_MAX + 10];
	struct lmtp_request request;
	size_t used;

	memset(line, 'x', sizeof(line));
	cr_assert_eq(lmtp_parse(str_from(line, LMTP_LINE_MAX - 1), &request, &used), ERR_AGAIN);
	cr_assert_eq(lmtp_parse(str_from(line, sizeof(line)), &request, &used), ERR_TOO_BIG);
	cr_assert_eq(lmtp_parse(str_from(line, LMTP_LINE_MAX), &request, &used), ERR_TOO_BIG);
	memcpy(line + LMTP_LINE_MAX - 2, "\r\n", 2);
	cr_assert_eq(lmtp_parse(str_from(line, sizeof(line)), &request, &used), ERR_OK);
}

Test(lmtp_parser, reads_paths_and_parameters)
{
	static const struct {
		const char *args;
		enum err err;
		const char *address, *params; /* "NAME=value," each */
	} cases[] = {
		{ "FROM:<a@b.example>", ERR_OK, "a@b.example", "" },
		{ "from:<a@b.example>", ERR_OK, "a@b.example", "" },
		{ "FROM: <a@b.example>", ERR_OK, "a@b.example", "" },
		{ "FROM:<>", ERR_OK, "", "" },
		{ "FROM:<> BODY=8BITMIME", ERR_OK, "", "BODY=8BITMIME," },
		{ "FROM:<@x.example,@y.example:a@b.example>", ERR_OK, "a@b.example", "" },
		{ "FROM:<\"a b\"@c.example> SIZE=12  BODY=7BIT", ERR_OK, "\"a b\"@c.example", "SIZE=12,BODY=7BIT," },
		{ "FROM:<a@b.example> X", ERR_OK, "a@b.example", "X=," },
		{ "FROM:<a+detail@b.example>", ERR_OK, "a+detail@b.example", "" },
		{ "FROM:<SRS0=abcd=ef=some.long.domain.example=local.part.that.is.longer.than.sixtyfour.octets@b.example>", ERR_OK,
		    "SRS0=abcd=ef=some.long.domain.example=local.part.that.is.longer.than.sixtyfour.octets@b.example", "" },
		{ "TO:<a@b>", ERR_SYNTAX, NULL, NULL },
		{ "", ERR_SYNTAX, NULL, NULL },
		{ "FROM:<a@b", ERR_INVALID, NULL, NULL },
		{ "FROM:<a@b>x", ERR_INVALID, NULL, NULL },
		{ "FROM:<a@b.example> =1", ERR_SYNTAX, NULL, NULL },
		{ "FROM:<a@b.example> <c@d>", ERR_SYNTAX, NULL, NULL },
		{ "FROM:<a@b.example> A A A A A A A A A A A A A A A A A A A A A", ERR_SYNTAX, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct lmtp_path_args args;
		struct str params = STR_NONE;
		enum err err = lmtp_parse_path(str_c(cases[i].args), STR("FROM:"), &arena, &args);

		cr_assert_eq(err, cases[i].err, "%s: %s", cases[i].args, err_row(err)->name);
		if (err == ERR_OK) {
			cr_assert(str_equal(args.path.address, str_c(cases[i].address)), "%s: %.*s", cases[i].args,
			    STR_ARG(args.path.address));
			for (size_t p = 0; p < args.param_count; p++)
				params = arena_printf(&arena, "%.*s%.*s=%.*s,", STR_ARG(params), STR_ARG(args.params[p].name),
				    STR_ARG(args.params[p].value));
			cr_assert(str_equal(params, str_c(cases[i].params)), "%s: %.*s", cases[i].args, STR_ARG(params));
		}
		arena_clear(&arena);
	}
}
