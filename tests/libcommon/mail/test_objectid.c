#include "libcommon/mail/objectid.h"

#include <criterion/criterion.h>

static const struct {
	enum mail_object kind;
	uint64_t account, number;
	const char *id;
} cases[] = {
	{ MAIL_OBJECT_MAILBOX, 1, 1, "Faaaaaaaaaaaabb" },
	{ MAIL_OBJECT_MAILBOX, 1, 32, "Faaaaaaaaaaaabba" },
	{ MAIL_OBJECT_MAILBOX, 0x7fffffffffffffff, 31, "Fh777777777777" "7" },
	{ MAIL_OBJECT_EMAIL, 0x0123456789abcdef, 1ull << 32 | 1, "Maci2fm6e2xtppeaaaaab" },
	{ MAIL_OBJECT_EMAIL, UINT64_MAX, UINT64_MAX, "Mp777777777777p777777777777" },
};

Test(objectid, is_a_letter_the_account_and_the_number_and_reads_back)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[MAIL_OBJECTID_SIZE];
		struct str id = str_c(mail_objectid_print(cases[i].kind, cases[i].account, cases[i].number, text));

		cr_expect_str_eq(text, cases[i].id);
		cr_expect(mail_objectid_is_valid(id));
		cr_expect_eq(mail_objectid_parse(cases[i].kind, cases[i].account, id), cases[i].number, "%s", text);
		cr_expect_eq(mail_objectid_parse(cases[i].kind, cases[i].account ^ 1, id), 0, "%s: of another account", text);
		cr_expect_eq(mail_objectid_parse(cases[i].kind ^ 'F' ^ 'M', cases[i].account, id), 0, "%s: of another kind", text);
		for (size_t len = 0; len < id.len; len++)
			cr_expect_neq(mail_objectid_parse(cases[i].kind, cases[i].account, str_sub(id, 0, len)), cases[i].number, "%s: cut", text);
	}
}

Test(objectid, has_one_spelling)
{
	static const char *const others[] = { "", "F", "Faaaaaaaaaaaab", "Faaaaaaaaaaaaba", "Faaaaaaaaaaaabab", "FaaaaaaaaaaaabB", "faaaaaaaaaaaabb",
		"FAAAAAAAAAAAABB", "Faaaaaaaaaaaab1", "Faaaaaaaaaaaabb ", "Faaaaaaaaaaaab7777777777777", "Faaaaaaaaaaaab77777777777777",
		"Faaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbb" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		cr_expect_eq(mail_objectid_parse(MAIL_OBJECT_MAILBOX, 1, str_c(others[i])), 0, "%s", others[i]);
}

Test(objectid, may_be_somebody_elses)
{
	char longest[MAIL_OBJECTID_MAX + 1];

	memset(longest, 'x', sizeof(longest));
	cr_expect(mail_objectid_is_valid(str_from(longest, MAIL_OBJECTID_MAX)));
	cr_expect_not(mail_objectid_is_valid(str_from(longest, MAIL_OBJECTID_MAX + 1)));
	cr_expect(mail_objectid_is_valid(STR("F2212ea87-6097_4256")));
	cr_expect_not(mail_objectid_is_valid(STR("")));
	cr_expect_not(mail_objectid_is_valid(STR("F 1")));
	cr_expect_not(mail_objectid_is_valid(STR("F\xc3\xbc")));
}
