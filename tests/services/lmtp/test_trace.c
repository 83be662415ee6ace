#include "services/lmtp/trace.h"

#include <criterion/criterion.h>

#include "libcommon/core/mem.h"

struct trace_case {
	const char *header;
	size_t received;
	bool has_id;
	const char *delivered_to; /* the first; NULL: none */
};

static const struct trace_case cases[] = {
	{ "Subject: x\r\n\r\nReceived: not a header\r\n", 0, false, NULL },
	{ "Received: from a by b with ESMTP id 4XyZ; Sat, 21 Nov 2026 10:00:00 +0100\r\n\r\n", 1, true, NULL },
	{ "Received: from a by b\r\n\tid abc\r\n\tfor <x@y>; Sat\r\n\r\n", 1, true, NULL },
	{ "RECEIVED : from a by b ID x; Sat\n\nbody", 1, true, NULL },
	{ "Received: from a (id none) by b with ESMTP; Sat\r\n\r\n", 1, false, NULL },
	{ "Received: from id.example by b with ESMTP; id Sat\r\n\r\n", 1, false, NULL },
	{ "Received: from a by b; Sat\r\nReceived: from c by d id 7; Sat\r\n\r\n", 2, false, NULL },
	{ "Received: from a by b id; Sat\r\n\r\n", 1, false, NULL },
	{ "Delivered-To: user@example.org\r\n\r\n", 0, false, "user@example.org" },
	{ "delivered-to:\r\n <User@Example.org>\r\nX: y\r\n\r\n", 0, false, "User@Example.org" },
	{ "Delivered-To: user@example.org", 0, false, "user@example.org" },
	{ " folded first\r\nno field\r\nDelivered-To: a@b\r\n\r\nDelivered-To: c@d\r\n", 0, false, "a@b" },
	{ "", 0, false, NULL },
	{ "\r\nReceived: x id y\r\n", 0, false, NULL },
};

static struct lmtp_trace *
scan(struct str header, size_t split, struct arena *arena)
{
	struct lmtp_trace *trace = ARENA_NEW(arena, struct lmtp_trace);

	trace->arena = arena;
	lmtp_trace_feed(trace, str_sub(header, 0, split));
	lmtp_trace_feed(trace, str_sub(header, split, SIZE_MAX));
	lmtp_trace_finish(trace);
	return trace;
}

Test(lmtp_trace, sees_the_way_of_a_mail_at_every_split)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str header = str_c(cases[i].header);

		for (size_t split = 0; split <= header.len; split++) {
			struct arena arena = { 0 };
			struct lmtp_trace *trace = scan(header, split, &arena);

			cr_assert_eq(trace->received_count, cases[i].received, "case %zu split %zu: %zu", i, split,
			    trace->received_count);
			cr_assert_eq(trace->has_id, cases[i].has_id, "case %zu split %zu", i, split);
			cr_assert_eq(trace->delivered_to_count, cases[i].delivered_to != NULL, "case %zu split %zu", i, split);
			if (cases[i].delivered_to != NULL)
				cr_assert(str_equal(trace->delivered_to[0], str_c(cases[i].delivered_to)), "case %zu split %zu", i,
				    split);
			arena_clear(&arena);
		}
	}
}

Test(lmtp_trace, long_fields_are_cut_and_what_follows_is_still_seen)
{
	struct arena arena = { 0 };
	struct lmtp_trace *trace = ARENA_NEW(&arena, struct lmtp_trace);
	char line[100];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	trace->arena = &arena;
	lmtp_trace_feed(trace, STR("Subject: y\n"));
	line[0] = ' ';
	for (int i = 0; i < 1000; i++)
		lmtp_trace_feed(trace, str_from(line, sizeof(line)));
	for (int i = 0; i < 200; i++)
		lmtp_trace_feed(trace, STR("Received: from a by b; Sat\nDelivered-To: a@b\n"));
	lmtp_trace_feed(trace, STR("\nReceived: from a by b; Sat\n"));
	lmtp_trace_finish(trace);
	cr_assert_eq(trace->received_count, 200);
	cr_assert_eq(trace->delivered_to_count, LMTP_DELIVERED_TO_MAX);
	arena_clear(&arena);
}

Test(lmtp_trace, an_address_is_known_again_in_any_case)
{
	struct arena arena = { 0 };
	struct lmtp_trace *trace = scan(STR("Delivered-To: User@Example.org\r\n\r\n"), 0, &arena);

	cr_assert(lmtp_trace_was_delivered_to(trace, STR("user@example.org")));
	cr_assert(!lmtp_trace_was_delivered_to(trace, STR("ser@example.org")));
	cr_assert(!lmtp_trace_was_delivered_to(trace, STR("")));
	arena_clear(&arena);
}

static const struct lmtp_client mta = { .helo = "mta.example", .address = "192.0.2.1" };
static const struct lmtp_stamp stamp = { .sender = { "a@b.example", 11 }, .recipient = { "user@sora.test", 14 },
	.client = &mta, .hostname = { "sora.test", 9 }, .id = { "00ff", 4 },
	.has_for = true, .date = { .unix_s = 1795255200 } };

Test(lmtp_trace, a_prefix_has_three_fields)
{
	struct arena arena = { 0 };
	const struct lmtp_client odd = { .helo = "a b\r\nX: y(", .address = "2001:db8::1", .name = "c (" }, unknown = { .name = "x" };
	struct lmtp_stamp other = stamp;
	struct str prefix = lmtp_prefix(&stamp, &arena);

	cr_assert(str_equal(prefix, STR("Return-Path: <a@b.example>\r\n"
					"Delivered-To: user@sora.test\r\n"
					"Received: from mta.example ([192.0.2.1])\r\n"
					"\tby sora.test with LMTP id 00ff\r\n"
					"\tfor <user@sora.test>;\r\n"
					"\tSat, 21 Nov 2026 10:00:00 +0000\r\n")), "%.*s", STR_ARG(prefix));

	other.sender = STR_NONE;
	other.has_for = false;
	other.has_tls = true;
	other.client = &odd;
	prefix = lmtp_prefix(&other, &arena);
	cr_assert(str_equal(prefix, STR("Return-Path: <>\r\n"
					"Delivered-To: user@sora.test\r\n"
					"Received: from a?b??X:?y? (c?? [IPv6:2001:db8::1])\r\n"
					"\tby sora.test with LMTPS id 00ff;\r\n"
					"\tSat, 21 Nov 2026 10:00:00 +0000\r\n")), "%.*s", STR_ARG(prefix));

	/* RFC 6531 s. 4.3 */
	other.client = &unknown;
	other.has_utf8 = true;
	prefix = lmtp_prefix(&other, &arena);
	cr_assert_lt(str_find(prefix, STR("Received: from unknown\r\n\tby sora.test with UTF8LMTPS id 00ff;\r\n")), prefix.len, "%.*s",
	    STR_ARG(prefix));
	arena_clear(&arena);
}

Test(lmtp_trace, a_prefix_is_never_too_long)
{
	struct arena arena = { 0 };
	struct lmtp_stamp longest = stamp;
	struct lmtp_client named = mta;
	char *text = mem_calloc(1, 2000);

	memset(text, 'x', 2000);
	memset(named.helo, 'x', LMTP_CLIENT_MAX);
	memset(named.name, 'x', LMTP_CLIENT_MAX);
	longest.sender = longest.recipient = str_from(text, 1024);
	longest.client = &named;
	longest.hostname = str_from(text, 255);
	cr_assert_leq(lmtp_prefix(&longest, &arena).len, LMTP_PREFIX_MAX);
	arena_clear(&arena);
	free(text);
}
