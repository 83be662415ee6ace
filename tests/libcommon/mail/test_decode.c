#include "libcommon/mail/decode.h"

#include <criterion/criterion.h>

static const struct {
	enum mail_encoding encoding;
	const char *text, *want;
	bool is_broken;
} cases[] = {
	{ MAIL_BASE64, "aGVsbG8=", "hello", false },
	{ MAIL_BASE64, "aGVs\r\nbG8g\r\nd29ybGQ=\r\n", "hello world", false },
	{ MAIL_BASE64, "aGk=aGk=", "hihi", false },
	{ MAIL_BASE64, "aGk", "hi", true },      /* no padding */
	{ MAIL_BASE64, "aGk=b", "hi", true },
	{ MAIL_BASE64, "aG*k=", "hi", true },
	{ MAIL_BASE64, "=", "", true },
	{ MAIL_BASE64, "", "", false },
	{ MAIL_QUOTED_PRINTABLE, "caf=C3=A9", "caf\xc3\xa9", false },
	{ MAIL_QUOTED_PRINTABLE, "a=\r\nb", "ab", false },
	{ MAIL_QUOTED_PRINTABLE, "a=\nb", "ab", false },
	{ MAIL_QUOTED_PRINTABLE, "a= \t\r\nb", "ab", false },
	{ MAIL_QUOTED_PRINTABLE, "a  \t\r\nb", "a\r\nb", false },
	{ MAIL_QUOTED_PRINTABLE, "a \nb", "a\nb", false },
	{ MAIL_QUOTED_PRINTABLE, "a b\r\n", "a b\r\n", false },
	{ MAIL_QUOTED_PRINTABLE, "a \rb", "a \rb", false },
	{ MAIL_QUOTED_PRINTABLE, "a=3d=3D", "a==", false },
	{ MAIL_QUOTED_PRINTABLE, "a=", "a", false },
	{ MAIL_QUOTED_PRINTABLE, "a ", "a", false },
	{ MAIL_QUOTED_PRINTABLE, "a=X b", "a=X b", true },
	{ MAIL_QUOTED_PRINTABLE, "a=4", "a=4", true },
	{ MAIL_QUOTED_PRINTABLE, "a=4G", "a=4G", true },
	{ MAIL_QUOTED_PRINTABLE, "==41", "=A", true },
	{ MAIL_QUOTED_PRINTABLE, "=\r=41", "=\rA", true },
	{ MAIL_IDENTITY, "a=41 \r\n", "a=41 \r\n", false },
	{ MAIL_ENCODING_UNKNOWN, "aGk=", "aGk=", false },
};

Test(decode, every_split_gives_the_same)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str text = str_c(cases[i].text);

		for (size_t at = 0; at <= text.len; at++) {
			struct mail_decoder decoder = { .encoding = cases[i].encoding };
			struct buffer out = { 0 };

			mail_decode(&decoder, str_sub(text, 0, at), false, &out);
			mail_decode(&decoder, str_sub(text, at, SIZE_MAX), true, &out);
			cr_assert(str_equal(buffer_str(&out), str_c(cases[i].want)), "%s split at %zu: %.*s", cases[i].text, at,
			    STR_ARG(buffer_str(&out)));
			cr_assert_eq(decoder.is_broken, cases[i].is_broken, "%s", cases[i].text);
			buffer_clear(&out);
		}
	}
}

/* More blanks than are held back: they come out, and nothing is lost. */
Test(decode, endless_blanks_are_bounded)
{
	struct mail_decoder decoder = { .encoding = MAIL_QUOTED_PRINTABLE };
	struct buffer out = { 0 };

	for (int i = 0; i < 1000; i++)
		mail_decode(&decoder, STR(" "), false, &out);
	mail_decode(&decoder, STR("x"), true, &out);
	cr_assert_eq(buffer_len(&out), 1001);
	cr_assert(decoder.is_broken);
	buffer_clear(&out);
}

Test(decode, encodings_have_names_in_any_case)
{
	cr_assert_eq(mail_encoding_from(STR("")), MAIL_IDENTITY);
	cr_assert_eq(mail_encoding_from(STR("8BIT")), MAIL_IDENTITY);
	cr_assert_eq(mail_encoding_from(STR(" Base64 ")), MAIL_BASE64);
	cr_assert_eq(mail_encoding_from(STR("quoted-printable")), MAIL_QUOTED_PRINTABLE);
	cr_assert_eq(mail_encoding_from(STR("x-uuencode")), MAIL_ENCODING_UNKNOWN);
}
