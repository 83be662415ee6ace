#include <criterion/criterion.h>

#include "libcommon/mail/charset.h"

Test(unicode, folding_makes_equal_what_people_take_for_equal)
{
	static const struct { const char *a, *b; } cases[] = {
		{ "Hello", "hELLO" }, { "\xc3\x89t\xc3\xa9", "\xc3\xa9T\xc3\x89" }, { "\xc3\xa9", "e\xcc\x81" }, /* composed, decomposed */
		{ "Stra\xc3\x9f" "e", "STRASSE" }, { "\xce\xa3\xcf\x82", "\xcf\x83\xcf\x83" }, { "\xef\xbc\xa1", "a" },   /* fullwidth */
		{ "\xef\xac\x81", "FI" }, { "\xd0\x9f", "\xd0\xbf" }, { "a\xff", "A\xfe" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer a = { 0 }, b = { 0 };

		mail_fold(str_c(cases[i].a), &a);
		mail_fold(str_c(cases[i].b), &b);
		cr_assert(str_equal(buffer_str(&a), buffer_str(&b)), "%s and %s", cases[i].a, cases[i].b);
		buffer_clear(&a);
		buffer_clear(&b);
	}
}

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A250 A50 A50 A50 A50 A50

Test(unicode, mailbox_names_are_checked_and_normalised)
{
	static const struct { struct str name; const char *want; } cases[] = {
		{ { "Sent", 4 }, "Sent" }, { { "inbox", 5 }, "INBOX" }, { { "iNbOx/Work", 10 }, "INBOX/Work" }, { { "inboxes", 7 }, "inboxes" },
		{ { "a/inbox", 7 }, "a/inbox" }, { { "e\xcc\x81", 3 }, "\xc3\xa9" }, { { "a b/c.d", 7 }, "a b/c.d" }, { { "...", 3 }, "..." },
		{ { "", 0 }, NULL }, { { "/", 1 }, NULL }, { { "/a", 2 }, NULL }, { { "a/", 2 }, NULL }, { { "a//b", 4 }, NULL },
		{ { "a/../b", 6 }, NULL }, { { ".", 1 }, NULL }, { { "a\nb", 3 }, NULL }, { { "a\0b", 3 }, NULL }, { { "a\x7f", 2 }, NULL },
		{ { "a\xc2\x85", 3 }, NULL }, { { "a\xe2\x80\xa8", 4 }, NULL }, { { "a\xff", 2 }, NULL },
		{ { A250 "12345", 255 }, A250 "12345" }, { { A250 "123456", 256 }, NULL },
		{ { A250 "/" A250 "/" A250 "/" A250, 1003 }, NULL },
	};
	struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got = STR_NONE;
		enum err err = mail_mailbox_name(cases[i].name, &arena, &got);

		cr_assert_eq(err, cases[i].want != NULL ? ERR_OK : ERR_INVALID, "case %zu", i);
		cr_assert(err != ERR_OK || str_equal(got, str_c(cases[i].want)), "case %zu: %.*s", i, STR_ARG(got));
	}
	arena_clear(&arena);
}
