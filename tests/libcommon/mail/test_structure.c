#include <criterion/criterion.h>
#include <inttypes.h>

#include "tests/libcommon/mail/derived.h"

#define MULTIPART(boundary) "Content-Type: multipart/mixed; boundary=\"" boundary "\"\r\n\r\n"

/* The tree in one line: TYPE/SUBTYPE, in braces what is inside. */
static void
outline(const struct mail_part *part, struct buffer *out)
{
	buffer_printf(out, "%.*s/%.*s", STR_ARG(part->type), STR_ARG(part->subtype));
	if (part->first_child == NULL)
		return;
	buffer_add_byte(out, '{');
	for (const struct mail_part *child = part->first_child; child != NULL; child = child->next) {
		outline(child, out);
		if (child->next != NULL)
			buffer_add_byte(out, ' ');
	}
	buffer_add_byte(out, '}');
}

static const struct {
	const char *bytes, *outline;
} trees[] = {
	/* RFC 2045 s. 5.2: defaults */
	{ "", "TEXT/PLAIN" },
	{ "\r\n", "TEXT/PLAIN" },
	{ "Subject: x", "TEXT/PLAIN" },
	{ "no header at all\r\n\r\nbody", "TEXT/PLAIN" },
	{ "Content-Type: text/html\r\n\r\n<p>", "TEXT/HTML" },
	{ "content-TYPE : Text/Html\n\n<p>", "TEXT/HTML" },
	{ "Content-Type:\r\n\r\nx", "TEXT/PLAIN" },
	{ "Content-Type: ; charset=x\r\n\r\nx", "TEXT/PLAIN" },
	{ "Content-Type: text\r\n\r\nx", "TEXT/PLAIN" },
	{ "Content-Type: text/\r\n\r\nx", "TEXT/PLAIN" },
	{ "Content-Type: (a comment) text (b) / (c) html\r\n\r\nx", "TEXT/HTML" },
	{ "Content-Type:\r\n text/html;\r\n charset=x\r\n\r\nx", "TEXT/HTML" },
	{ "Content-Type: text/html\r\nContent-Type: image/png\r\n\r\nx", "TEXT/HTML" },
	{ "Content-Type: application-x-gzip; name=a.gz\r\n\r\nx", "APPLICATION/OCTET-STREAM" },
	{ "Content-Type: image\r\n\r\nx", "APPLICATION/OCTET-STREAM" },
	{ "Content-Type: /plain\r\n\r\nx", "APPLICATION/OCTET-STREAM" },
	{ "Content-Type: \xff\xfe\r\n\r\nx", "APPLICATION/OCTET-STREAM" },
	{ "Content-Type: multipart/mixed\r\n\r\n--a\r\n\r\nx\r\n--a--", "TEXT/PLAIN" },
	{ "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n----\r\n\r\nx", "TEXT/PLAIN" },
	/* RFC 2046 s. 5.1.1: delimiters */
	{ MULTIPART("a") "--a\r\n\r\none\r\n--a\r\nContent-Type: text/html\r\n\r\ntwo\r\n--a--\r\n", "MULTIPART/MIXED{TEXT/PLAIN TEXT/HTML}" },
	{ "Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a\n\ntwo\n--a--\n", "MULTIPART/MIXED{TEXT/PLAIN TEXT/PLAIN}" },
	{ MULTIPART("a") "preamble\r\n--a\r\n\r\none\r\n--a--\r\nepilogue\r\n--a\r\n\r\nnot a part", "MULTIPART/MIXED{TEXT/PLAIN}" },
	{ MULTIPART("a b") "--a b  \t\r\n\r\none\r\n--a b-- \r\n", "MULTIPART/MIXED{TEXT/PLAIN}" },
	{ "Content-Type: multipart/mixed; boundary=\"a  \"\r\n\r\n--a\r\n\r\nx\r\n--a--", "MULTIPART/MIXED{TEXT/PLAIN}" },
	{ "Content-Type: multipart/mixed; boundary*=us-ascii''a%20b\r\n\r\n--a b\r\n\r\nx\r\n--a b\r\n\r\ny",
	    "MULTIPART/MIXED{TEXT/PLAIN TEXT/PLAIN}" },
	{ "Content-Type: multipart/mixed; boundary*0=a;\r\n boundary*1=b\r\n\r\n--ab\r\n\r\nx\r\n--ab\r\n\r\ny",
	    "MULTIPART/MIXED{TEXT/PLAIN TEXT/PLAIN}" },
	{ "Content-Type: multipart/mixed boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a\r\n\r\ny", "MULTIPART/MIXED{TEXT/PLAIN TEXT/PLAIN}" },
	{ "Content-Type: multipart; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--", "MULTIPART/MIXED{TEXT/PLAIN}" },
	{ MULTIPART("a") "--a\r\n\r\none", "MULTIPART/MIXED{TEXT/PLAIN}" },                 /* no close delimiter */
	{ MULTIPART("a") "no delimiter at all\r\n", "MULTIPART/MIXED{TEXT/PLAIN}" },
	{ MULTIPART("a") "--a--\r\n", "MULTIPART/MIXED{TEXT/PLAIN}" },                      /* a multipart has a part */
	{ MULTIPART("a") "--a", "MULTIPART/MIXED{TEXT/PLAIN}" },
	{ MULTIPART("a") "--a\r\nContent-Type: image/png\r\n--a--", "MULTIPART/MIXED{IMAGE/PNG}" }, /* no empty line */
	{ MULTIPART("a") "--abc\r\n\r\nx\r\n--a--", "MULTIPART/MIXED{TEXT/PLAIN}" },        /* the boundary is only the beginning */
	/* nesting; one boundary is the beginning of the other */
	{ MULTIPART("a") "--a\r\n" MULTIPART("ab") "--ab\r\n\r\nx\r\n--ab--\r\n--a\r\n\r\ny\r\n--a--",
	    "MULTIPART/MIXED{MULTIPART/MIXED{TEXT/PLAIN} TEXT/PLAIN}" },
	{ MULTIPART("ab") "--ab\r\n" MULTIPART("a") "--a\r\n\r\nx\r\n--ab\r\n\r\ny\r\n--ab--",
	    "MULTIPART/MIXED{MULTIPART/MIXED{TEXT/PLAIN} TEXT/PLAIN}" },
	{ MULTIPART("a") "--a\r\n" MULTIPART("b") "--b\r\n\r\nx\r\n--a\r\n\r\ny", "MULTIPART/MIXED{MULTIPART/MIXED{TEXT/PLAIN} TEXT/PLAIN}" },
	{ MULTIPART("a") "--a\r\n" MULTIPART("b") "--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\nnot a part\r\n--a\r\n\r\ny",
	    "MULTIPART/MIXED{MULTIPART/MIXED{TEXT/PLAIN} TEXT/PLAIN}" },
	{ MULTIPART("ab") "--ab\r\n" MULTIPART("a") "--a\r\n\r\nx\r\n--abx\r\n\r\ny",
	    "MULTIPART/MIXED{MULTIPART/MIXED{TEXT/PLAIN} TEXT/PLAIN}" },
	/* messages inside */
	{ "Content-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: text/html\r\n\r\nx", "MESSAGE/RFC822{TEXT/HTML}" },
	{ "Content-Type: message/rfc822\r\n", "MESSAGE/RFC822{TEXT/PLAIN}" },
	{ "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogaW4=", "APPLICATION/OCTET-STREAM" },
	{ "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx", "MESSAGE/RFC822{TEXT/PLAIN}" },
	{ "Content-Type: message/delivery-status\r\n\r\nx", "MESSAGE/DELIVERY-STATUS" },
	{ MULTIPART("a") "--a\r\nContent-Type: message/rfc822\r\n\r\n" MULTIPART("b") "--b\r\n\r\nx\r\n--a\r\n\r\ny\r\n--a--",
	    "MULTIPART/MIXED{MESSAGE/RFC822{MULTIPART/MIXED{TEXT/PLAIN}} TEXT/PLAIN}" },
	/* RFC 2046 s. 5.1.5: digests */
	{ "Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\nSubject: 1\r\n\r\nx\r\n--a\r\nContent-Type: text/plain\r\n\r\ny\r\n--a--",
	    "MULTIPART/DIGEST{MESSAGE/RFC822{TEXT/PLAIN} TEXT/PLAIN}" },
};

Test(structure, is_what_the_bytes_say_in_every_split)
{
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		struct buffer out = { 0 };
		struct derived d;

		derived_make(&d, str_c(trees[i].bytes), 0, 0);
		outline(d.message->root, &out);
		cr_assert(str_equal(buffer_str(&out), str_c(trees[i].outline)), "%s\nis %.*s", trees[i].bytes, STR_ARG(buffer_str(&out)));
		cr_assert_eq(d.message->size, strlen(trees[i].bytes));
		cr_assert_not(d.message->is_cut, "%s", trees[i].bytes);
		buffer_clear(&out);
		derived_clear(&d);
		derived_check_splits(str_c(trees[i].bytes));
	}
}

/* Octets and lines as they are stored; the line end before a delimiter is not the part's. */
Test(structure, counts_bytes_and_lines_as_stored)
{
	static const struct {
		const char *bytes;
		uint64_t header_len, body_len, lines; /* of the first part */
	} cases[] = {
		{ MULTIPART("a") "--a\r\nA: b\r\n\r\none\r\ntwo\r\n--a--\r\n", 8, 8, 1 },
		{ MULTIPART("a") "--a\nA: b\n\none\ntwo\n--a--\n", 6, 7, 1 },
		{ MULTIPART("a") "--a\r\nA: b\r\n\r\none\r\ntwo\n--a--\r\n", 8, 8, 1 },
		{ MULTIPART("a") "--a\r\n\r\n\r\n--a--\r\n", 2, 0, 0 },
		{ MULTIPART("a") "--a\r\n\r\n--a--\r\n", 2, 0, 0 },
		{ MULTIPART("a") "--a\r\n--a--\r\n", 0, 0, 0 },
		{ MULTIPART("a") "--a\r\nA: b\r\n--a--\r\n", 6, 0, 0 },
		{ MULTIPART("a") "--a\r\n\r\none\r\n\r\n--a--\r\n", 2, 5, 1 },
		{ MULTIPART("a") "--a\r\n\r\none\r\n", 2, 5, 1 },
		{ MULTIPART("a") "--a\r\n\r\none\r\r\n--a--", 2, 4, 0 },
		{ MULTIPART("a") "none\r\n", 0, 6, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct mail_part *part;
		struct derived d;

		derived_make(&d, str_c(cases[i].bytes), 0, 0);
		part = d.message->root->first_child;
		cr_assert_eq(part->header_len, cases[i].header_len, "%s: header %" PRIu64, cases[i].bytes, part->header_len);
		cr_assert_eq(part->body_len, cases[i].body_len, "%s: body %" PRIu64, cases[i].bytes, part->body_len);
		cr_assert_eq(part->body_lines, cases[i].lines, "%s: lines %" PRIu64, cases[i].bytes, part->body_lines);
		derived_clear(&d);
		derived_check_splits(str_c(cases[i].bytes));
	}
}

static void
feed_times(struct mail_parser *parser, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++)
		mail_parser_feed(parser, str_c(text));
}

/* How much memory a parser holds. */
static size_t
held(const struct mail_parser *p)
{
	return p->kept.used_bytes + p->line.size + p->field.size + p->fields.size;
}

Test(structure, memory_is_bounded_whatever_comes)
{
	static const struct { const char *start, *again; size_t times; bool is_cut; } cases[] = {
		{ "Subject: x\r\n\r\n", "body body body body body body body body body body body body\r\n", 200000, false },
		{ "", "one endless line of header ", 200000, true },
		{ "X: y", "\r\n folded", 200000, true },
		{ "", "To: someone@example.org\r\n", 200000, true },
		{ "Content-Type: text/plain", "; a=b", 20000, true },
		{ "Content-Type: multipart/mixed; boundary=a\r\n\r\n", "--a\r\nContent-ID: <a@b>\r\n\r\n", 20000, true },
		{ "", "Content-Type: message/rfc822\r\n\r\n", 20000, true },
		{ "", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n", 20000, true },
		{ "Content-Type: multipart/mixed; boundary=a\r\n\r\n", "--a ", 200000, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mail_parser parser;
		const struct mail_message *message;

		mail_parser_init(&parser);
		feed_times(&parser, cases[i].start, 1);
		feed_times(&parser, cases[i].again, cases[i].times);
		message = mail_parser_finish(&parser);
		cr_assert_eq(message->is_cut, cases[i].is_cut, "%s", cases[i].again);
		cr_assert_leq(message->part_count, MAIL_PARTS_MAX + MAIL_DEPTH_MAX);
		cr_assert_leq(held(&parser), MAIL_KEPT_MAX + 512 * 1024, "%s: %zu", cases[i].again, held(&parser));
		cr_assert_eq(message->size, strlen(cases[i].start) + strlen(cases[i].again) * cases[i].times);
		mail_parser_clear(&parser);
	}
}

/* What is beyond the limit is opaque, what is before stays whole. */
Test(structure, nesting_beyond_the_limit_is_opaque)
{
	struct mail_parser parser;
	const struct mail_part *part;
	unsigned depth = 0;

	mail_parser_init(&parser);
	feed_times(&parser, "Content-Type: message/rfc822\r\n\r\n", MAIL_DEPTH_MAX + 10);
	for (part = mail_parser_finish(&parser)->root; part->first_child != NULL; part = part->first_child)
		depth++;
	cr_assert_eq(depth, MAIL_DEPTH_MAX - 1);
	cr_assert(str_equal(part->type, STR("APPLICATION")));
	cr_assert_eq(part->body_len, 10 * strlen("Content-Type: message/rfc822\r\n\r\n"));
	mail_parser_clear(&parser);
}

Test(structure, first_field_counts_but_address_lists_are_joined)
{
	struct derived d;
	const struct mail_envelope *envelope;

	derived_make(&d, STR("Subject: one\r\nTo: a@b\r\nSubject: two\r\nto: c@d,\r\n\te@f\r\nCc:\r\n\r\n"), 0, 0);
	envelope = d.message->root->envelope;
	cr_assert(str_equal(envelope->subject, STR("one")));
	cr_assert(str_equal(envelope->to, STR("a@b, c@d,\te@f")), "%.*s", STR_ARG(envelope->to));
	cr_assert(envelope->cc.ptr != NULL && envelope->cc.len == 0);
	cr_assert(envelope->bcc.ptr == NULL);
	derived_clear(&d);
}

Test(structure, common_fields_are_kept_raw_in_order_and_capped)
{
	struct buffer bytes = { 0 };
	struct derived d;

	derived_make(&d, STR("Received: x\r\nSUBJECT:  a\r\n b\r\nX-Unknown: y\r\nfrom: z\n\r\nTo: body\r\n"), 0, 0);
	cr_assert(str_equal(d.row.fields, STR("SUBJECT:  a\r\n b\r\nfrom: z\n")), "%.*s", STR_ARG(d.row.fields));
	cr_assert_not(d.row.is_fields_cut);
	derived_clear(&d);

	buffer_add(&bytes, STR("Subject: kept\r\nReferences:"));
	for (int i = 0; i < MAIL_FIELDS_MAX / 20; i++)
		buffer_add(&bytes, STR(" <reference@example.org>\r\n"));
	buffer_add(&bytes, STR("From: a@b\r\n\r\n"));
	derived_make(&d, buffer_str(&bytes), 0, 0);
	cr_assert(d.row.is_fields_cut);
	cr_assert(str_equal(d.row.fields, STR("Subject: kept\r\nFrom: a@b\r\n")));
	derived_clear(&d);
	buffer_clear(&bytes);
}
