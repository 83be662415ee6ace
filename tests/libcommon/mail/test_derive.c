#include <criterion/criterion.h>

#include "tests/libcommon/mail/derived.h"

static const struct {
	const char *header, *envelope;
} envelopes[] = {
	/* RFC 3501 s. 7.4.2: absent is NIL, empty is "", Sender and Reply-To default to From */
	{ "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "Subject:\r\nDate:\r\nMessage-ID:\r\n", "(\"\" \"\" NIL NIL NIL NIL NIL NIL NIL \"\")" },
	{ "From: a@b\r\n", "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL)" },
	{ "From: a@b\r\nSender:\r\nReply-To: c@d\r\n",
	    "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) NIL NIL NIL NIL NIL)" },
	{ "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nSubject: IMAP4rev1 WG mtg summary\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n"
	  "To: imap@cac.washington.edu\r\nCc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
	  "Message-Id: <B27397-0100000@cac.washington.edu>\r\nIn-Reply-To: <x@y>\r\n",
	    "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary\" "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) "
	    "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL \"<x@y>\" "
	    "\"<B27397-0100000@cac.washington.edu>\")" },
	/* groups */
	{ "To: Friends: a@b, c@d;, undisclosed-recipients:;\r\n",
	    "(NIL NIL NIL NIL NIL ((NIL NIL \"Friends\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")(NIL NIL NIL NIL)"
	    "(NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)" },
	/* strings: quotes and backslashes escaped, folds undone, 8-bit as literals, encoded words as they are */
	{ "Subject: a \"b\" \\c\r\n", "(NIL \"a \\\"b\\\" \\\\c\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "Subject: a\r\n b\r\n\tc \r\n", "(NIL \"a b\tc\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "Subject: caf\xc3\xa9\r\n", "(NIL {5}\r\ncaf\xc3\xa9 NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "Subject: =?utf-8?q?=C3=A9?=\r\n", "(NIL \"=?utf-8?q?=C3=A9?=\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ "Subject: a\rb\r\n", "(NIL \"a b\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
	/* malformed addresses stay in some form */
	{ "To: just words\r\n", "(NIL NIL NIL NIL NIL ((NIL NIL \"just words\" \"\")) NIL NIL NIL NIL)" },
	{ "To: <@a,@b:c@d>\r\n", "(NIL NIL NIL NIL NIL ((NIL \"@a,@b\" \"c\" \"d\")) NIL NIL NIL NIL)" },
};

/* ENVELOPE is made from the raw fields; a malformed address is kept in some form, not dropped. */
Test(derive, envelope_is_made_from_the_raw_fields)
{
	for (size_t i = 0; i < sizeof(envelopes) / sizeof(envelopes[0]); i++) {
		struct arena arena = { 0 };
		struct str bytes = arena_printf(&arena, "%s\r\nbody", envelopes[i].header);
		struct derived d;

		derived_make(&d, bytes, 0, 0);
		cr_assert(str_equal(d.row.envelope, str_c(envelopes[i].envelope)), "%s\n%.*s\n%s", envelopes[i].header,
		    STR_ARG(d.row.envelope), envelopes[i].envelope);
		derived_clear(&d);
		arena_clear(&arena);
	}
}

/* No string of IMAP can carry NUL. */
Test(derive, nul_is_left_out)
{
	struct buffer out = { 0 };
	struct derived d;

	derived_make(&d, STR("Subject: a\0b\xff\0c\r\nContent-Type: te\0xt/pl\0ain; x=\"a\0b\"\r\n\r\n"), 0, 0);
	cr_assert_eq(memchr(d.row.envelope.ptr, '\0', d.row.envelope.len), NULL);
	cr_assert(str_find(d.row.envelope, STR("{4}\r\nab\xff" "c")) < d.row.envelope.len, "%.*s", STR_ARG(d.row.envelope));
	cr_assert_eq(memchr(d.row.bodystructure.ptr, '\0', d.row.bodystructure.len), NULL);
	derived_clear(&d);

	mail_print_nstring(STR("a\0b\r\n\"c"), &out);
	mail_print_nstring(STR("\0\xff\0"), &out);
	mail_print_nstring(STR_NONE, &out);
	cr_assert(str_equal(buffer_str(&out), STR("\"ab  \\\"c\"{1}\r\n\xffNIL")), "%.*s", STR_ARG(buffer_str(&out)));
	buffer_clear(&out);
}

static const struct {
	const char *bytes, *bodystructure, *body;
} bodies[] = {
	{ "\r\nhello\r\n", "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 7 1 NIL NIL NIL NIL)",
	    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 7 1)" },
	{ "Content-Type: text/html; Charset=utf-8; x=\"a \\\"b\\\"\"\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\nx",
	    "(\"TEXT\" \"HTML\" (\"CHARSET\" \"utf-8\" \"X\" \"a \\\"b\\\"\") NIL NIL \"QUOTED-PRINTABLE\" 1 0 NIL NIL NIL NIL)",
	    "(\"TEXT\" \"HTML\" (\"CHARSET\" \"utf-8\" \"X\" \"a \\\"b\\\"\") NIL NIL \"QUOTED-PRINTABLE\" 1 0)" },
	/* everything that a part can say */
	{ "Content-Type: image/png; name=a.png\r\nContent-ID: <1@x>\r\nContent-Description: A picture\r\nContent-Transfer-Encoding: base64\r\n"
	  "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\nContent-Disposition: attachment; filename=\"a b.png\"; size=4\r\n"
	  "Content-Language: en, de (German)\r\nContent-Location: http://x/y\r\n\r\nAAAA",
	    "(\"IMAGE\" \"PNG\" (\"NAME\" \"a.png\") \"<1@x>\" \"A picture\" \"BASE64\" 4 \"Q2hlY2sgSW50ZWdyaXR5IQ==\" "
	    "(\"ATTACHMENT\" (\"FILENAME\" \"a b.png\" \"SIZE\" \"4\")) (\"en\" \"de\") \"http://x/y\")",
	    "(\"IMAGE\" \"PNG\" (\"NAME\" \"a.png\") \"<1@x>\" \"A picture\" \"BASE64\" 4)" },
	{ "Content-Type: image/png\r\nContent-Disposition: inline\r\nContent-Language: fr\r\n\r\n",
	    "(\"IMAGE\" \"PNG\" NIL NIL NIL \"7BIT\" 0 NIL (\"INLINE\" NIL) \"fr\" NIL)", "(\"IMAGE\" \"PNG\" NIL NIL NIL \"7BIT\" 0)" },
	/* No blank between the parts; one canonical case */
	{ "Content-Type: Multipart/Alternative; boundary=Bb\r\n\r\n--Bb\r\n\r\na\r\n--Bb\r\nContent-Type: text/HTML\r\n\r\nb\r\n--Bb--\r\n",
	    "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1 0 NIL NIL NIL NIL)"
	    "(\"TEXT\" \"HTML\" NIL NIL NIL \"7BIT\" 1 0 NIL NIL NIL NIL) \"ALTERNATIVE\" (\"BOUNDARY\" \"Bb\") NIL NIL NIL)",
	    "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1 0)(\"TEXT\" \"HTML\" NIL NIL NIL \"7BIT\" 1 0) \"ALTERNATIVE\")" },
	/* a message inside: envelope, body, lines */
	{ "Content-Type: message/rfc822\r\n\r\nSubject: in\r\nFrom: a@b\r\n\r\nx\r\ny",
	    "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 30 (NIL \"in\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) "
	    "NIL NIL NIL NIL NIL) (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 4 1 NIL NIL NIL NIL) 4 NIL NIL NIL NIL)",
	    "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 30 (NIL \"in\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) "
	    "NIL NIL NIL NIL NIL) (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 4 1) 4)" },
	/* parameters as mailers write them */
	{ "Content-Type: text/plain; name=a b.txt; charset=us-ascii (comment)\r\n\r\n",
	    "(\"TEXT\" \"PLAIN\" (\"NAME\" \"a b.txt\" \"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" 0 0 NIL NIL NIL NIL)",
	    "(\"TEXT\" \"PLAIN\" (\"NAME\" \"a b.txt\" \"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" 0 0)" },
	{ "Content-Type: image/png; name=\"unclosed.png\r\nContent-Disposition: ; filename=a;;\r\n\r\n",
	    "(\"IMAGE\" \"PNG\" (\"NAME\" \"unclosed.png\") NIL NIL \"7BIT\" 0 NIL (\"ATTACHMENT\" (\"FILENAME\" \"a\")) NIL NIL)",
	    "(\"IMAGE\" \"PNG\" (\"NAME\" \"unclosed.png\") NIL NIL \"7BIT\" 0)" },
	{ "Content-Type: image/png\r\nContent-Disposition: filename=a\r\n\r\n",
	    "(\"IMAGE\" \"PNG\" NIL NIL NIL \"7BIT\" 0 NIL (\"ATTACHMENT\" (\"FILENAME\" \"a\")) NIL NIL)", "(\"IMAGE\" \"PNG\" NIL NIL NIL \"7BIT\" 0)" },
	{ "Content-Type: image/png; name=\"\xc3\xa9\"; filename*0*=utf-8''%41\r\n\r\n",
	    "(\"IMAGE\" \"PNG\" (\"NAME\" {2}\r\n\xc3\xa9 \"FILENAME*0*\" \"utf-8''%41\") NIL NIL \"7BIT\" 0 NIL NIL NIL NIL)",
	    "(\"IMAGE\" \"PNG\" (\"NAME\" {2}\r\n\xc3\xa9 \"FILENAME*0*\" \"utf-8''%41\") NIL NIL \"7BIT\" 0)" },
};

Test(derive, bodystructure_has_the_extensions_and_body_has_not)
{
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct derived d;

		derived_make(&d, str_c(bodies[i].bytes), 0, 0);
		cr_assert(str_equal(d.row.bodystructure, str_c(bodies[i].bodystructure)), "%s\n%.*s\n%s", bodies[i].bytes,
		    STR_ARG(d.row.bodystructure), bodies[i].bodystructure);
		cr_assert(str_equal(d.row.body, str_c(bodies[i].body)), "%s\n%.*s\n%s", bodies[i].bytes, STR_ARG(d.row.body), bodies[i].body);
		derived_clear(&d);
		derived_check_splits(str_c(bodies[i].bytes));
	}
}

Test(derive, row_has_subject_date_and_message_id)
{
	struct derived d;

	derived_make(&d, STR("Subject: =?iso-8859-1?q?caf=E9?= 1\r\nDate: 1 Jan 1970 01:00 +0100\r\nMessage-ID:  <a@b> \r\n\r\n"), 0, 0);
	cr_assert(str_equal(d.row.subject, STR("caf\xc3\xa9 1")), "%.*s", STR_ARG(d.row.subject));
	cr_assert(str_equal(d.row.message_id, STR("<a@b>")));
	cr_assert(d.row.has_sent && d.row.sent.unix_s == 0 && d.row.sent.offset_minutes == 60);
	cr_assert_eq(d.row.parser_version, MAIL_DERIVE_VERSION);
	derived_clear(&d);
}

Test(derive, subject_is_cut_between_characters)
{
	struct buffer bytes = { 0 };
	struct derived d;

	buffer_add(&bytes, STR("Subject: x"));
	for (int i = 0; i < MAIL_SUBJECT_MAX; i++)
		buffer_add(&bytes, STR("\xc3\xa9"));
	derived_make(&d, buffer_str(&bytes), 0, 0);
	cr_assert(str_is_utf8(d.row.subject));
	cr_assert_eq(d.row.subject.len, MAIL_SUBJECT_MAX - 1);
	derived_clear(&d);
	buffer_clear(&bytes);
}
