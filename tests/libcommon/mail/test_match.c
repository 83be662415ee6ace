#include "libcommon/mail/match.h"

#include <criterion/criterion.h>

static const struct {
	const char *needle;
	enum mail_encoding encoding;
	const char *charset, *text;
	bool is_found;
} cases[] = {
	{ "world", MAIL_IDENTITY, "", "Hello World", true },
	{ "worlds", MAIL_IDENTITY, "", "Hello World", false },
	{ "", MAIL_IDENTITY, "", "", true },
	{ "x", MAIL_IDENTITY, "", "", false },
	{ "aab", MAIL_IDENTITY, "", "aaab", true },
	{ "CAF\xc3\x89", MAIL_QUOTED_PRINTABLE, "iso-8859-1", "un caf=E9=\r\nau lait", true },
	{ "\xc3\xa9" "au", MAIL_QUOTED_PRINTABLE, "iso-8859-1", "un caf=E9=\r\nau lait", true },
	{ "\xe6\x9c\xac", MAIL_BASE64, "iso-2022-jp", "GyRCRnxLXDhsGyhC", true },
	{ "\xe6\x9c\xac", MAIL_IDENTITY, "no-such-charset", "\xe6\x97\xa5\xe6\x9c\xac", true },
	{ "\xc3\xa9", MAIL_IDENTITY, "us-ascii", "caf\xe9", true },
};

Test(match, finds_across_every_split)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str text = str_c(cases[i].text);
		struct buffer needle = { 0 };

		mail_fold(str_c(cases[i].needle), &needle);
		for (size_t at = 0; at <= text.len; at++) {
			struct mail_match match;
			bool is_found;

			mail_match_init(&match, buffer_str(&needle), cases[i].encoding, str_c(cases[i].charset));
			mail_match_feed(&match, str_sub(text, 0, at), false);
			is_found = mail_match_feed(&match, str_sub(text, at, SIZE_MAX), true);
			cr_assert_eq(is_found, cases[i].is_found, "%s in %s split at %zu", cases[i].needle, cases[i].text, at);
			mail_match_clear(&match);
		}
		buffer_clear(&needle);
	}
}

Test(match, short_texts_are_searched_at_once)
{
	cr_assert(mail_match_text(STR("R\xc3\xa9sum\xc3\xa9"), STR("re\xcc\x81s")));
	cr_assert(mail_match_text(STR("x"), STR("")));
	cr_assert_not(mail_match_text(STR(""), STR("x")));
	cr_assert_not(mail_match_text(STR("abc"), STR("abd")));
}
