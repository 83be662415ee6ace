/* Scripts printed and parsed again; what is said of those that are none. */
#include <criterion/criterion.h>

#include "libcommon/core/buffer.h"
#include "services/sieve/sieve.h"

Test(sieve_parser, a_script_printed_and_parsed_again_is_the_same)
{
	static const char *const scripts[] = {
		"",
		"keep;",
		"if true{keep;}elsif not false{discard;}else{stop;}",
		"if anyof(header :is [\"a\",\"b\"] \"c\",size :over 10K){fileinto \"x\";}",
		"redirect text:#why\r\n..a\r\n\"b\\\r\n.\r\n;",
		"/* comment */ keep ; # another\r\n",
		"set :lower \"a\" \"\\\"\\\\\";",
	};
	struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct str once, twice;

		cr_assert(sieve_canonical(str_c(scripts[i]), &sieve_limits_default, &arena, &once), "%s", scripts[i]);
		cr_assert(sieve_canonical(once, &sieve_limits_default, &arena, &twice), "%s", scripts[i]);
		cr_expect(str_equal(once, twice), "%s: %.*s", scripts[i], STR_ARG(twice));
	}
	arena_clear(&arena);
}

/* Every prefix of a script is parsed without harm; only some are scripts. */
Test(sieve_parser, a_script_that_is_cut_off_is_told_where_it_ends)
{
	static const char script[] = "require [\"fileinto\"];\r\nif anyof (header :contains \"a\" \"b\", not true) {\r\n fileinto text:\r\nx\r\n.\r\n;\r\n} /* end */\r\n";
	struct arena arena = { 0 };

	for (size_t len = 0; len < sizeof(script) - 1; len++) {
		struct sieve_problems problems;
		struct sieve_script *compiled = NULL;
		enum err err = sieve_compile(str_from(script, len), &sieve_limits_default, &arena, &compiled, &problems);

		cr_expect(err == ERR_OK || (problems.count > 0 && problems.items[0].line >= 1 && problems.items[0].line <= 8), "%zu", len);
		sieve_script_unref(compiled);
	}
	arena_clear(&arena);
}

Test(sieve_parser, a_user_learns_what_is_wrong_and_where)
{
	static const struct {
		const char *script, *says;
	} cases[] = {
		{ "fileinot \"x\";", "1:1: error: unknown command 'fileinot'; did you mean 'fileinto'?\n" },
		{ "keep\r\n", "1:5: error: ';' or '{' is expected here, not the end of the script\n" },
		{ "keep # all\r\n\r\ndiscard;", "1:5: error: ';' is expected here, not 'discard'\n" },
		{ "keep\nif true { stop; }", "1:5: error: ';' is expected here, not 'if'\n" },
		{ "keep true;", "1:6: error: 'keep' does not take a test\n" },
		{ "keep }", "1:5: error: ';' or '{' is expected here, not '}'\n" },
		{ "keep; }", "1:7: error: a command is expected here, not '}'\n" },
		{ "if true {\n keep;\n\n", "2:7: error: a command or '}' is expected here, not the end of the script\n" },
		{ "if true {\n keep;\n\n]", "4:1: error: a command or '}' is expected here, not ']'\n" },
		{ "redirect [\"a@b\",\n];", "1:17: error: a string is expected here, not ']'\n" },
		{ "redirect [\"a@b\"\n;", "1:16: error: ',' or ']' is expected here, not ';'\n" },
		{ "if not\nanyof (true,\n", "2:13: error: a test is expected here, not the end of the script\n" },
		{ "if anyof (true\n{ keep; }", "1:15: error: ',' or ')' is expected here, not '{'\n" },
		{ "redirect \"a\r\nb\"\r\n# end", "2:3: error: ';' or '{' is expected here, not the end of the script\n" },
		{ "redirect text:\r\na@b\r\n.\r\n# end", "4:1: error: ';' or '{' is expected here, not the end of the script\n" },
		{ "if header \"a\" { keep; }", "1:4: error: 'header': the list of keys is missing, a string or a list of strings\n" },
		{ "if size :over \"5\" { keep; }", "1:15: error: size: the limit is expected, a number, not a string\n" },
		{ "keep \"x\";", "1:6: error: 'keep': this is one argument too many\n" },
		{ "vacation \"x\";", "1:1: error: the command vacation needs 'require \"vacation\";' at the beginning of the script\n" },
		{ "if keep { stop; }", "1:4: error: 'keep' is a command: a test is expected here\n" },
		{ "keep;\r\nredirect \"a@b\r\n", "2:10: error: this string has no end: '\"' is expected\n" },
	};
	struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sieve_problems problems;
		struct sieve_script *script = NULL;
		struct buffer out = { 0 };

		cr_expect_eq(sieve_compile(str_c(cases[i].script), &sieve_limits_default, &arena, &script, &problems), ERR_SYNTAX, "%s", cases[i].script);
		sieve_print_problems(&problems, &out);
		cr_expect(str_equal(buffer_str(&out), str_c(cases[i].says)), "%s: %.*s", cases[i].script, STR_ARG(buffer_str(&out)));
		buffer_clear(&out);
		sieve_script_unref(script);
	}
	arena_clear(&arena);
}
