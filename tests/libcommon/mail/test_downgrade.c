#include "libcommon/mail/downgrade.h"

#include <criterion/criterion.h>

Test(mail_downgrade, what_is_ascii_stays_and_the_rest_is_said_otherwise)
{
	static const struct {
		const char *header, *surrogate;
	} cases[] = {
		{ "Subject: plain\r\nX: y\r\n", "Subject: plain\r\nX: y\r\n" },
		{ "Subject: Gr\xc3\xbc\xc3\x9f" "e\r\n", "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n" },
		{ "Subject: Gr\xfc\xdf" "e\r\n", "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n" },
		{ "X-Other: Gr\xc3\xbc\xc3\x9f" "e\r\nY: z\r\n", "Y: z\r\n" },
		{ "From: J\xc3\xbcrgen <j@example.org>\r\n", "From: =?utf-8?B?SsO8cmdlbg==?= <j@example.org>\r\n" },
		{ "To: a@example.org, \xc3\xbc@example.org\r\n",
		  "To: <a@example.org>,\r\n =?utf-8?B?w7xAZXhhbXBsZS5vcmc=?= <invalid@internationalized-address.invalid>\r\n" },
		{ "Cc: team: b@example.org, \xc3\xbc <c@example.org>;\r\n", "Cc: <b@example.org>,\r\n =?utf-8?B?w7w=?= <c@example.org>\r\n" },
		{ "Content-Type: text/plain; charset=utf-8; name=\"\xc3\xbc;.txt\"\r\n", "Content-Type: text/plain; charset=utf-8\r\n" },
		{ "Content-Disposition: attachment; filename=\xc3\xbc; size=1\r\n", "Content-Disposition: attachment; size=1\r\n" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer out = { 0 };

		mail_downgrade_header(str_c(cases[i].header), &out);
		cr_assert(str_equal(buffer_str(&out), str_c(cases[i].surrogate)), "case %zu: \"%.*s\"", i, STR_ARG(buffer_str(&out)));
		buffer_clear(&out);
	}
}

Test(mail_downgrade, long_text_is_many_words_and_no_character_is_split)
{
	struct buffer header = { 0 }, out = { 0 };
	struct str rest, line;

	buffer_add(&header, STR("Subject: "));
	for (int i = 0; i < 500; i++)
		buffer_add(&header, STR("\xe2\x82\xac"));
	buffer_add(&header, STR("\r\n"));
	mail_downgrade_header(buffer_str(&header), &out);
	/* 45 bytes are 15 characters of three: 33 full words, and one of five. */
	cr_assert(str_ends_with(buffer_str(&out), STR(" =?utf-8?B?4oKs4oKs4oKs4oKs4oKs?=\r\n")), "%.*s", STR_ARG(buffer_str(&out)));
	rest = buffer_str(&out);
	while (str_split(&rest, '\n', &line)) {
		cr_assert_leq(line.len, 90);
		cr_assert(mail_is_ascii(line));
	}
	buffer_clear(&header);
	buffer_clear(&out);
}
