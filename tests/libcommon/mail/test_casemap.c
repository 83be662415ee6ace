/* i;unicode-casemap, and encoded words for those who compare. */
#include <criterion/criterion.h>

#include "libcommon/mail/casemap.h"
#include "libcommon/mail/header.h"

static bool
are_equal(struct str a, struct str b)
{
	struct buffer x = { 0 }, y = { 0 };
	bool equal;

	mail_casemap(a, &x, NULL);
	mail_casemap(b, &y, NULL);
	equal = str_equal(buffer_str(&x), buffer_str(&y));
	cr_expect(buffer_len(&x) <= a.len * MAIL_CASEMAP_GROWTH);
	buffer_clear(&x);
	buffer_clear(&y);
	return equal;
}

Test(mail_casemap, letters_are_equal_in_either_case_and_however_they_are_composed)
{
	static const struct {
		struct str a, b;
		bool are_equal;
	} cases[] = {
		{ STR("Hello"), STR("hELLO"), true },
		{ STR("\xC3\x89tude"), STR("\xC3\xA9TUDE"), true },
		{ STR("e\xCC\x81"), STR("\xC3\x89"), true },
		{ STR("\xC7\x84"), STR("\xC7\x86"), true },      /* RFC 5051's example: all three forms of DZ with caron */
		{ STR("\xC7\x84"), STR("Dz\xCC\x8C"), false },   /* but not what it is made of: the z became Z on its own */
		{ STR("\xEF\xBC\xA1"), STR("a"), true },         /* fullwidth A */
		{ STR("\xC3\xA9"), STR("e"), false },
		{ STR("a\xFFz"), STR("a\xFFz"), true },
		{ STR("a\xFFz"), STR("A\xFFz"), false },         /* no UTF-8: bytes */
		{ STR("\xEF\xB7\xBA"), STR("\xEF\xB7\xBA"), true }, /* U+FDFA, the longest */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(are_equal(cases[i].a, cases[i].b), cases[i].are_equal, "%zu", i);
}

Test(mail_casemap, offsets_name_the_character_that_a_byte_came_from)
{
	struct buffer out = { 0 };
	uint32_t offsets[8 * MAIL_CASEMAP_GROWTH];

	mail_casemap(STR("a\xC3\xA9z"), &out, offsets);
	cr_assert(str_equal(buffer_str(&out), STR("AE\xCC\x81Z")), "%.*s", STR_ARG(buffer_str(&out)));
	cr_assert(offsets[0] == 0 && offsets[1] == 1 && offsets[2] == 1 && offsets[3] == 1 && offsets[4] == 3);
	buffer_clear(&out);
}

Test(mail_casemap, who_compares_gets_the_bytes_that_there_are)
{
	struct buffer out = { 0 };

	mail_decode_words_into(STR("a\xFF =?utf-8?q?b=00c?= =?utf-8?q?d=0De?= =?no-such?q?x?="), &out);
	cr_assert(str_equal(buffer_str(&out), STR("a\xFF b\0cd e=?no-such?q?x?=")) ||
	    str_equal(buffer_str(&out), STR("a\xFF b\0cd e =?no-such?q?x?=")), "%.*s", STR_ARG(buffer_str(&out)));
	buffer_clear(&out);
}
