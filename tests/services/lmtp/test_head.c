#include "services/lmtp/head.h"

#include <criterion/criterion.h>

#include "libcommon/core/mem.h"
#include "services/lmtp/body.h"

/* A mail of which all is there: its header up to the empty line. */
static struct str
fields_of(struct str text, struct lmtp_body *body)
{
	struct lmtp_transaction mail = { .body = body };

	buffer_add(&body->head, str_sub(text, 0, LMTP_HEAD_MAX));
	body->size = text.len;
	mail_parser_init(&body->store.parser);
	mail_parser_feed(&body->store.parser, text);
	body->store.header_len = mail_parser_finish(&body->store.parser)->root->header_len;
	mail_parser_clear(&body->store.parser);
	return lmtp_head_fields(&mail);
}

Test(lmtp_head, fields_end_before_the_empty_line)
{
	static const struct {
		const char *mail, *fields;
	} cases[] = {
		{ "A: b\r\nC: d\r\n\r\nbody", "A: b\r\nC: d\r\n" },
		{ "A: b\n\nbody", "A: b\n" },
		{ "A: b\r\n\nbody", "A: b\r\n" },
		{ "A: b\r\n", "A: b\r\n" },
		{ "A: b", "A: b" },
		{ "\r\nbody", "" },
		{ "\nbody", "" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lmtp_body *body = MEM_NEW(struct lmtp_body);
		struct str fields = fields_of(str_c(cases[i].mail), body);

		cr_assert(str_equal(fields, str_c(cases[i].fields)), "case %zu: %.*s", i, STR_ARG(fields));
		buffer_clear(&body->head);
		free(body);
	}
}

Test(lmtp_head, a_header_that_is_too_long_is_cut_at_a_line)
{
	struct lmtp_body *body = MEM_NEW(struct lmtp_body);
	struct buffer text = { 0 };
	struct str fields;

	while (buffer_len(&text) < 2 * LMTP_HEAD_MAX)
		buffer_add(&text, STR("X-Some: thing\r\n"));
	fields = fields_of(buffer_str(&text), body);
	cr_assert(fields.len <= LMTP_HEAD_MAX && fields.len > LMTP_HEAD_MAX - 15 && str_ends_with(fields, STR("thing\r\n")));
	buffer_clear(&body->head);
	buffer_clear(&text);
	free(body);
}
