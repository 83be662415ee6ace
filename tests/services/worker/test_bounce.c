/* When a mail is tried again, and what its sender is told at the end. */
#include <criterion/criterion.h>

#include "services/worker/bounce.h"
#include "services/worker/outbox.h"

Test(worker_outbox, the_time_between_attempts_doubles_up_to_its_most_and_is_never_the_same_for_all)
{
	const struct config config = { .queue_retry = 1000, .queue_retry_most = 10000 };

	for (uint32_t attempts = 0; attempts < 100; attempts++) {
		int64_t middle = attempts < 4 ? 1000 << attempts : 10000;

		cr_expect_eq(outbox_delay_ms(&config, attempts, 0), middle * 3 / 4, "%u", attempts);
		cr_expect_leq(outbox_delay_ms(&config, attempts, (uint64_t)middle / 2), middle * 5 / 4, "%u", attempts);
		cr_expect_geq(outbox_delay_ms(&config, attempts, UINT64_MAX), middle * 3 / 4, "%u", attempts);
	}
	cr_expect_eq(outbox_delay_ms(&(struct config){ 0 }, 5, 7), 0, "a setting of 0");
}

Test(worker_bounce, of_a_mail_only_whole_lines_of_its_header_are_told)
{
	static const struct {
		const char *mail;
		size_t max;
		const char *header;
	} rows[] = {
		{ "A: b\r\nC: d\r\n\r\nbody\r\n", 100, "A: b\r\nC: d\r\n" },
		{ "A: b\nC: d\n\nbody\n", 100, "A: b\nC: d\n" },
		{ "A: b\r\nC: d\r\n\r\nbody\r\n", 9, "A: b\r\n" },
		{ "A: b", 100, "" },
		{ "\r\nbody", 100, "" },
		{ "", 100, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect(str_equal(bounce_header(str_c(rows[i].mail), rows[i].max), str_c(rows[i].header)), "row %zu", i);
}

static struct str
make(struct arena *arena, struct str recipient, struct str header)
{
	const struct bounce bounce = { .hostname = STR("sora.test"), .id = STR("abc"), .sender = STR("me@example.org"), .recipient = recipient,
		.status = STR("5.4.7"), .reply = STR("no answer"), .header = header, .is_expired = true };
	struct str message_id;

	return bounce_make(&bounce, arena, &message_id);
}

/* RFC 6533 s. 3, 4 */
Test(worker_bounce, what_is_beyond_ascii_is_told_in_7_bits)
{
	struct arena arena = { 0 };
	struct str plain = make(&arena, STR("a@example.com"), STR("A: b\r\n")), wide = make(&arena, STR("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80@example.com"),
	    STR("A: \xc3\xbc\r\n"));

	cr_expect_lt(str_find(plain, STR("Content-Type: message/delivery-status")), plain.len);
	cr_expect_lt(str_find(plain, STR("Final-Recipient: rfc822; a@example.com")), plain.len);
	cr_expect_lt(str_find(plain, STR("Diagnostic-Code: x-sora; no answer")), plain.len);
	cr_expect_eq(str_find(plain, STR("Remote-MTA")), plain.len);
	cr_expect_lt(str_find(wide, STR("Final-Recipient: utf-8; \\x{FC}\\x{20AC}\\x{1F600}@example.com\r\n")), wide.len);
	cr_expect_lt(str_find(wide, STR("Content-Type: message/global-headers\r\nContent-Transfer-Encoding: base64\r\n\r\nQTogw7wNCg==\r\n")),
	    wide.len);
	for (size_t i = 0; i < wide.len; i++)
		cr_assert_lt((unsigned char)wide.ptr[i], 0x80);
	arena_clear(&arena);
}
