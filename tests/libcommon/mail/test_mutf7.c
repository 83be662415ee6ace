#include <criterion/criterion.h>

#include "libcommon/mail/charset.h"

Test(mutf7, names_go_there_and_back)
{
	/* RFC 3501 s. 5.1.3, and pairs of surrogates */
	static const struct { const char *mutf7, *utf8; } cases[] = {
		{ "", "" }, { "INBOX", "INBOX" }, { "a &- b", "a & b" }, { "&-", "&" },
		{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
		{ "&Jjo-!", "\xe2\x98\xba!" }, { "caf&AOk-", "caf\xc3\xa9" }, { "&2D3eAA-", "\xf0\x9f\x98\x80" }, { "&AOk-&-", "\xc3\xa9&" },
		{ "&AAo-", "\n" },
	};
	struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got = STR_NONE;

		cr_assert_eq(mail_mutf7_decode(str_c(cases[i].mutf7), &arena, &got), ERR_OK, "%s", cases[i].mutf7);
		cr_assert(str_equal(got, str_c(cases[i].utf8)), "%s: %.*s", cases[i].mutf7, STR_ARG(got));
		cr_assert_eq(mail_mutf7_encode(str_c(cases[i].utf8), &arena, &got), ERR_OK, "%s", cases[i].mutf7);
		cr_assert(str_equal(got, str_c(cases[i].mutf7)), "%s: %.*s", cases[i].mutf7, STR_ARG(got));
	}
	arena_clear(&arena);
}

Test(mutf7, only_one_writing_is_right)
{
	static const char *const wrong[] = {
		"&", "&Jjo", "&Jjo!", "&AGE-" /* "a" */, "&AOk-&AOk-", "&U,BTFw-&ZeVnLIqe-", "&2D0-", "&3gA-", "&3gDYPQ-", "&2D0AYQ-", "&J-", "&Jj-",
		"&AOl-" /* bits left over */, "&AOkA-", "caf\xc3\xa9", "a\nb", "&A Ok-", "&AAA-", "&AOk=-",
	};
	struct arena arena = { 0 };
	struct str got;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_eq(mail_mutf7_decode(str_c(wrong[i]), &arena, &got), ERR_SYNTAX, "%s", wrong[i]);
	cr_assert_eq(mail_mutf7_encode(STR("\xff"), &arena, &got), ERR_SYNTAX);
	arena_clear(&arena);
}

/* Every code point but NUL, which no name has. */
Test(mutf7, every_character_survives)
{
	for (uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
		struct arena arena = { 0 };
		struct str mutf7, again;
		char utf8[4];
		size_t len = 0;

		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		if (c < 0x80)
			utf8[len++] = (char)c;
		else if (c < 0x800)
			utf8[len++] = (char)(0xc0 | c >> 6);
		else if (c < 0x10000)
			utf8[len++] = (char)(0xe0 | c >> 12);
		else
			utf8[len++] = (char)(0xf0 | c >> 18);
		if (c >= 0x10000)
			utf8[len++] = (char)(0x80 | (c >> 12 & 0x3f));
		if (c >= 0x800)
			utf8[len++] = (char)(0x80 | (c >> 6 & 0x3f));
		if (c >= 0x80)
			utf8[len++] = (char)(0x80 | (c & 0x3f));
		cr_assert_eq(mail_mutf7_encode(str_from(utf8, len), &arena, &mutf7), ERR_OK, "U+%04X", c);
		cr_assert_eq(mail_mutf7_decode(mutf7, &arena, &again), ERR_OK, "U+%04X: %.*s", c, STR_ARG(mutf7));
		cr_assert(str_equal(again, str_from(utf8, len)), "U+%04X", c);
		arena_clear(&arena);
	}
}
