#include <criterion/criterion.h>

#include "libcommon/mail/header.h"

static const struct {
	const char *value, *want;
} words[] = {
	/* RFC 2047 s. 8 */
	{ "=?US-ASCII?Q?Keith_Moore?=", "Keith Moore" },
	{ "=?ISO-8859-1?Q?Andr=E9?= Pirard", "Andr\xc3\xa9 Pirard" },
	{ "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
	    "If you can read this you understand the example." },
	{ "(=?ISO-8859-1?Q?a?=)", "(a)" },
	{ "=?ISO-8859-1?Q?a?= b", "a b" },
	{ "=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab" },
	{ "=?ISO-8859-1?Q?a?=   =?ISO-8859-1?Q?_b?=", "a b" },
	{ "x =?utf-8?q?a?=", "x a" },
	/* RFC 2231 s. 5: a language */
	{ "=?us-ascii*en?q?a?=", "a" },
	/* what is met */
	{ "=?utf-8?B?w6?= =?utf-8?B?k=?=", "\xc3\xa9" },              /* base64 in the middle of a group */
	{ "=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "\xc3\xa9" },             /* a character in two words */
	{ "\"=?utf-8?q?a?=\"", "\"a\"" },
	{ "=?utf-8?q?What?" "?=", "What?" },
	{ "=?x-unknown-charset?q?a?=", "=?x-unknown-charset?q?a?=" },
	{ "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
	{ "=?utf-8?q?not ended", "=?utf-8?q?not ended" },
	{ "1 = 1 =? 2", "1 = 1 =? 2" },
	{ "=?utf-8?q?a=0D=0AEvil:_b=00?=", "a  Evil: b " },
	{ "=?utf-8?q?=FF?=", "\xef\xbf\xbd" },
	{ "caf\xc3\xa9", "caf\xc3\xa9" },
	{ "caf\xe9", "caf\xc3\xa9" },
	{ "=?gb2312?B?xOO6ww==?=", "\xe4\xbd\xa0\xe5\xa5\xbd" },
	{ "=?iso-2022-jp?B?GyRCRnxLXDhsGyhC?=", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
	{ "", "" },
};

Test(words, are_decoded_as_people_read_them)
{
	struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct str got = mail_decode_words(str_c(words[i].value), &arena);

		cr_assert(str_equal(got, str_c(words[i].want)), "%s: %.*s", words[i].value, STR_ARG(got));
	}
	arena_clear(&arena);
}

#define P(name, value) { { name, sizeof(name) - 1 }, { value, sizeof(value) - 1 } }

Test(words, parameters_are_joined_and_decoded)
{
	static const struct { struct mail_param params[4]; size_t count; const char *want; } cases[] = {
		{ { P("FILENAME", "a.txt") }, 1, "a.txt" },
		{ { P("FILENAME", "=?utf-8?q?=C3=A9?=.txt") }, 1, "\xc3\xa9.txt" },
		{ { P("FILENAME*", "utf-8'en'%C3%A9.txt") }, 1, "\xc3\xa9.txt" },
		{ { P("FILENAME*", "iso-8859-1''%E9") }, 1, "\xc3\xa9" },
		{ { P("filename*1", "b"), P("filename*0", "a"), P("filename*2", "c") }, 3, "abc" },
		{ { P("filename*0*", "utf-8''%C3"), P("filename*1*", "%A9"), P("filename*2", "%41") }, 3, "\xc3\xa9%41" },
		{ { P("filename*0", "a"), P("filename*2", "c") }, 2, "a" },
		{ { P("filename*", "no quotes") }, 1, "no quotes" },
		{ { P("filename*", "x-unknown''a%E9") }, 1, "a\xc3\xa9" },
		{ { P("filename*99999999999", "x"), P("filename*x", "y"), P("name", "z") }, 3, NULL },
		{ { P("filename2", "x") }, 1, NULL },
	};
	struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got = STR_NONE;
		bool is_there = mail_param_decode(cases[i].params, cases[i].count, STR("filename"), &arena, &got);

		cr_assert_eq(is_there, cases[i].want != NULL, "case %zu", i);
		cr_assert(!is_there || str_equal(got, str_c(cases[i].want)), "case %zu: %.*s", i, STR_ARG(got));
	}
	arena_clear(&arena);
}

Test(words, a_part_has_the_name_of_its_disposition_else_of_its_type)
{
	static const struct mail_param name[] = { P("NAME", "n") }, filename[] = { P("FILENAME", "f") };
	struct mail_part part = { .params = name, .param_count = 1, .disposition_params = filename, .disposition_param_count = 1 };
	struct arena arena = { 0 };
	struct str got;

	cr_assert(mail_part_filename(&part, &arena, &got) && str_equal(got, STR("f")));
	part.disposition_param_count = 0;
	cr_assert(mail_part_filename(&part, &arena, &got) && str_equal(got, STR("n")));
	part.param_count = 0;
	cr_assert_not(mail_part_filename(&part, &arena, &got));
	arena_clear(&arena);
}
