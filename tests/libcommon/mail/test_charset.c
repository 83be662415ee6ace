#include "libcommon/mail/charset.h"

#include <criterion/criterion.h>

static const struct {
	const char *charset;
	struct str bytes;
	const char *utf8; /* NULL: the charset is not known */
} texts[] = {
	{ "utf-8", { "caf\xc3\xa9", 5 }, "caf\xc3\xa9" },
	{ "UTF-8", { "a\xff\xc3", 3 }, "a\xef\xbf\xbd\xef\xbf\xbd" },
	{ "utf8", { "\xed\xa0\x80", 3 }, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
	{ "us-ascii", { "caf\xe9 \xc3\xa9", 7 }, "caf\xc3\xa9 \xc3\xa9" },
	{ "", { "\xe9", 1 }, "\xc3\xa9" },
	{ "iso-8859-1", { "caf\xe9", 4 }, "caf\xc3\xa9" },
	{ "ISO-8859-15", { "\xa4", 1 }, "\xe2\x82\xac" },
	{ "windows-1252", { "\x80\x81", 2 }, "\xe2\x82\xac\xef\xbf\xbd" },
	{ "koi8-r", { "\xd0", 1 }, "\xd0\xbf" },
	{ "gb2312", { "\xc4\xe3\xba\xc3", 4 }, "\xe4\xbd\xa0\xe5\xa5\xbd" },
	{ "big5", { "\xa7\x41", 2 }, "\xe4\xbd\xa0" },
	{ "shift_jis", { "\x93\xfa", 2 }, "\xe6\x97\xa5" },
	{ "iso-2022-jp", { "\x1b$BF|K\\8l\x1b(B!", 13 }, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e!" },
	{ "ks_c_5601-1987", { "\xb0\xa1", 2 }, "\xea\xb0\x80" },
	{ "utf-16le", { "a\0\xe9\0", 4 }, "a\xc3\xa9" },
	{ "utf-16", { "\xfe\xff\0a\xd8", 5 }, "a\xef\xbf\xbd" },
	{ "utf-7", { "a+AOk-b", 7 }, "a\xc3\xa9" "b" },
	{ "no-such-charset", { "a", 1 }, NULL },
	{ "utf-8//translit", { "a", 1 }, NULL },
	{ "../../etc/passwd", { "a", 1 }, NULL },
	{ "char", { "a", 1 }, NULL },
};

Test(charset, text_becomes_utf8_in_every_split)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct arena arena = { 0 };
		struct str got = STR_NONE, name = str_c(texts[i].charset);
		bool is_known = mail_charset_to_utf8(name, texts[i].bytes, &arena, &got);

		cr_assert_eq(is_known, texts[i].utf8 != NULL, "%s", texts[i].charset);
		cr_assert(!is_known || str_equal(got, str_c(texts[i].utf8)), "%s: %.*s", texts[i].charset, STR_ARG(got));
		for (size_t at = 0; is_known && at <= texts[i].bytes.len; at++) {
			struct mail_charset cs;
			struct buffer out = { 0 };

			cr_assert(mail_charset_open(&cs, name));
			mail_charset_convert(&cs, str_sub(texts[i].bytes, 0, at), false, &out);
			mail_charset_convert(&cs, str_sub(texts[i].bytes, at, SIZE_MAX), true, &out);
			mail_charset_close(&cs);
			cr_assert(str_equal(buffer_str(&out), str_c(texts[i].utf8)), "%s split at %zu: %.*s", texts[i].charset, at,
			    STR_ARG(buffer_str(&out)));
			buffer_clear(&out);
		}
		arena_clear(&arena);
	}
}

Test(charset, search_knows_what_can_be_read)
{
	cr_assert(mail_charset_is_known(STR("UTF-8")));
	cr_assert(mail_charset_is_known(STR("US-ASCII")));
	cr_assert(mail_charset_is_known(STR("iso-8859-7")));
	cr_assert_not(mail_charset_is_known(STR("")));
	cr_assert_not(mail_charset_is_known(STR("x-foo")));
}
