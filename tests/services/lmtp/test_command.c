#include "services/lmtp/command.h"
#include "services/lmtp/outcome.h"

#include <criterion/criterion.h>

/* RFC 2033 s. 4.1: LHLO instead of HELO and EHLO. */
Test(lmtp_command, the_table_has_what_the_rfcs_ask_for)
{
	static const char *const names[] = { "LHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "VRFY", "QUIT", "HELP", "STARTTLS",
		"BDAT", "XCLIENT", "XFORWARD" };
	size_t count;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct lmtp_command *command = lmtp_command_find(str_c(names[i]));

		cr_assert_not_null(command, "%s", names[i]);
		cr_assert(str_starts_with(str_c(command->syntax), str_c(names[i])), "%s", names[i]);
	}
	lmtp_commands(&count);
	cr_assert_eq(count, sizeof(names) / sizeof(names[0]));
	cr_assert_eq(lmtp_command_find(STR("data")), lmtp_command_find(STR("DATA")));
	cr_assert_null(lmtp_command_find(STR("HELO")));
	cr_assert_null(lmtp_command_find(STR("EHLO")));
	cr_assert_null(lmtp_command_find(STR("")));
}

Test(lmtp_command, arguments_are_checked_before_anything_runs)
{
	static const struct {
		const char *command, *args;
		enum lmtp_reply refusal;
	} cases[] = {
		{ "LHLO", "mta.example.org", LMTP_REPLY_NONE },
		{ "LHLO", "", LMTP_REPLY_BAD_ARGUMENTS },
		{ "MAIL", "FROM:<>", LMTP_REPLY_NONE },
		{ "MAIL", "FROM:<a@b.example> SIZE=18446744073709551615 BODY=8bitmime", LMTP_REPLY_NONE },
		{ "MAIL", "FROM:<a@b.example> SIZE=x", LMTP_REPLY_BAD_ARGUMENTS },
		{ "MAIL", "FROM:<a@b.example> SIZE=-1", LMTP_REPLY_BAD_ARGUMENTS },
		{ "MAIL", "FROM:<a@b.example> BODY=BINARYMIME", LMTP_REPLY_NONE },
		{ "MAIL", "FROM:<a@b.example> SMTPUTF8=1", LMTP_REPLY_BAD_ARGUMENTS },
		{ "MAIL", "FROM:<\xc3\xbc@b.example>", LMTP_REPLY_SENDER_NOT_ASCII },
		{ "MAIL", "FROM:<\xc3\xbc@b.example> SMTPUTF8", LMTP_REPLY_NONE },
		{ "XCLIENT", "ADDR=192.0.2.1", LMTP_REPLY_NONE },
		{ "XCLIENT", "ADDR=x", LMTP_REPLY_BAD_ARGUMENTS },
		{ "XFORWARD", "IDENT=1", LMTP_REPLY_NONE },
		{ "VRFY", "", LMTP_REPLY_BAD_ARGUMENTS },
		{ "MAIL", "FROM:<a@b.example> RET=FULL", LMTP_REPLY_BAD_PARAMETER },
		{ "MAIL", "TO:<a@b.example>", LMTP_REPLY_BAD_ARGUMENTS },
		{ "MAIL", "FROM:<a@b.example", LMTP_REPLY_BAD_SENDER },
		{ "RCPT", "TO:<a@b.example>", LMTP_REPLY_NONE },
		{ "RCPT", "TO:<postmaster>", LMTP_REPLY_NONE },
		{ "RCPT", "TO:<>", LMTP_REPLY_BAD_RECIPIENT },
		{ "RCPT", "TO:<a@b.example> NOTIFY=NEVER", LMTP_REPLY_BAD_PARAMETER },
		{ "STARTTLS", "now", LMTP_REPLY_BAD_ARGUMENTS },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		void *args;
		enum lmtp_reply refusal = lmtp_command_find(str_c(cases[i].command))->parse(str_c(cases[i].args), &arena, &args);

		cr_assert_eq(refusal, cases[i].refusal, "%s %s: %s", cases[i].command, cases[i].args, lmtp_reply_text(refusal));
		arena_clear(&arena);
	}
}

/* RFC 2034 s. 3: the class of the enhanced code is that of the reply. */
Test(lmtp_reply, enhanced_codes_are_of_their_codes_class)
{
	for (int i = LMTP_REPLY_NONE + 1; i < LMTP_REPLY_COUNT; i++) {
		const char *text = lmtp_reply_text((enum lmtp_reply)i);

		if (i != LMTP_REPLY_GO_ON)
			cr_assert(text[3] == ' ' && text[4] == text[0] && text[5] == '.', "%s", text);
	}
}

Test(lmtp_reply, only_what_is_said_of_recipient_or_mail_is_permanent)
{
	for (int i = 0; i < ERR_COUNT; i++) {
		struct lmtp_outcome outcome = lmtp_outcome((enum err)i, false);
		bool is_permanent = i == ERR_NO_ACCOUNT || i == ERR_DISABLED || i == ERR_OVERQUOTA || i == ERR_TOO_BIG || i == ERR_LOOP ||
		    i == ERR_REFUSED;

		cr_assert_eq(outcome.code[0], i == ERR_OK ? '2' : is_permanent ? '5' : '4', "%s: %s", err_row((enum err)i)->name,
		    outcome.code);
		cr_assert_eq(outcome.code[4], outcome.code[0], "%s: %s", err_row((enum err)i)->name, outcome.code);
	}
	cr_assert_eq(lmtp_outcome(ERR_OVERQUOTA, true).code[0], '4');
}
