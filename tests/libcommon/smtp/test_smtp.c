/* What SMTP's client reads and writes, without a server. */
#include <criterion/criterion.h>

#include "libcommon/smtp/smtp.h"

/* RFC 5321 s. 2.3.8, 4.5.2: lines end in CRLF and nothing else does; a dot that begins one is doubled. However the bytes come. */
Test(smtp_stuff, a_mail_on_the_wire_ends_where_it_ends_whatever_is_in_it)
{
	static const struct {
		const char *mail, *wire;
	} rows[] = {
		{ "", ".\r\n" },
		{ "a", "a\r\n.\r\n" },
		{ "a\r\n", "a\r\n.\r\n" },
		{ ".\r\n..\r\n.a\r\na.\r\n", "..\r\n...\r\n..a\r\na.\r\n.\r\n" },
		{ "a\n.\nb", "a\r\n..\r\nb\r\n.\r\n" },
		{ "a\r.\rb\r", "a\r\n..\r\nb\r\n.\r\n" },
		{ "a\r\r\n.\r\n", "a\r\n\r\n..\r\n.\r\n" },
		{ "\r\n\r\n", "\r\n\r\n.\r\n" },
		{ "\n\n", "\r\n\r\n.\r\n" },
		{ "a\r\n.\rQUIT\r\n", "a\r\n..\r\nQUIT\r\n.\r\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str mail = str_c(rows[i].mail);

		for (size_t split = 0; split <= mail.len; split++) {
			struct smtp_stuffer stuffer = { 0 };
			struct buffer out = { 0 };

			smtp_stuff(&stuffer, str_sub(mail, 0, split), &out);
			smtp_stuff(&stuffer, str_sub(mail, split, SIZE_MAX), &out);
			smtp_stuff_end(&stuffer, &out);
			cr_expect(str_equal(buffer_str(&out), str_c(rows[i].wire)), "row %zu, split %zu: \"%.*s\"", i, split,
			    STR_ARG(buffer_str(&out)));
			buffer_clear(&out);
		}
	}
}

Test(smtp_reply, a_line_is_a_code_and_whether_more_follow)
{
	static const struct {
		const char *line;
		bool is_reply;
		int code;
		bool is_last;
		const char *text;
	} rows[] = {
		{ "250 ok", true, 250, true, "ok" },
		{ "250-SIZE 1000", true, 250, false, "SIZE 1000" },
		{ "250", true, 250, true, "" },
		{ "421 ", true, 421, true, "" },
		{ "25 ok", false, 0, false, "" },
		{ "250ok", false, 0, false, "" },
		{ "999 no", false, 0, false, "" },
		{ "+OK POP3", false, 0, false, "" },
		{ "", false, 0, false, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str text = STR_NONE;
		bool is_last = false;
		int code = 0;

		cr_expect_eq(smtp_reply_line(str_c(rows[i].line), &code, &is_last, &text), rows[i].is_reply, "%s", rows[i].line);
		if (rows[i].is_reply)
			cr_expect(code == rows[i].code && is_last == rows[i].is_last && str_equal(text, str_c(rows[i].text)), "%s", rows[i].line);
	}
}

Test(smtp_offer, keywords_count_in_any_case_and_unknown_ones_do_not)
{
	static const char *const lines[] = { "8bitMIME", "SIZE 1000", "auth login XOAUTH2 plain", "X-STARTTLS", "SMTPUTF8X" };
	struct smtp_offer offer = { 0 };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		smtp_offer_add(&offer, str_c(lines[i]));
	cr_expect(offer.eight_bit && offer.size && offer.auth_plain && offer.auth_login);
	cr_expect(!offer.starttls && !offer.utf8);
}
