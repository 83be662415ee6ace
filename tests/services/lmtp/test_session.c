#include "services/lmtp/session.h"

#include <criterion/criterion.h>

#include "libcommon/core/mem.h"
#include "peers.h"
#include "services/lmtp/recipients.h"

#define MAIL_TO_3 "MAIL FROM:<s@x>\r\nRCPT TO:<a1@x>\r\nRCPT TO:<a2@x>\r\nRCPT TO:<a1@y>\r\nDATA\r\n"
#define TEXT "Subject: x\r\n\r\n..dot\r\n.\r\n"

static void
expect(struct peers *peers, const char *text, size_t replies, const char *codes)
{
	struct str got = peers_talk(peers, text, replies);

	cr_assert(str_equal(got, str_c(codes)), "%s: %.*s, not %s", text, STR_ARG(got), codes);
}

Test(lmtp_session, pipelined_recipients_are_resolved_in_one_call)
{
	struct peers peers = { 0 };

	peers_start(&peers, "");
	expect(&peers, "MAIL FROM:<s@x>\r\nRCPT TO:<a1@x>\r\nRCPT TO:<nobody@x>\r\nRCPT TO:<a2@x>\r\nDATA\r\n", 5, "250 250 550 250 354 ");
	cr_assert_eq(peers.resolves, 1);
	expect(&peers, TEXT "VRFY x\r\n", 3, "250 250 252 ");
	cr_assert_eq(peers.delivers, 1);
	cr_assert(str_equal(str_from(peers.body, peers.body_len), STR("Subject: x\r\n\r\n.dot\r\n")));
	peers_stop(&peers);
}

Test(lmtp_session, an_account_named_twice_has_one_copy_and_two_replies)
{
	struct peers peers = { .results = { ERR_OK, ERR_OVERQUOTA } };

	peers_start(&peers, "");
	expect(&peers, MAIL_TO_3 TEXT, 8, "250 250 250 250 354 250 552 250 ");
	cr_assert_eq(peers.copy_count, 2);
	cr_assert(peers.accounts[0] == 1 && peers.accounts[1] == 2);
	peers_stop(&peers);
}

/* A failure that is ours, whatever its number, is temporary: for every recipient, at RCPT and after DATA. */
Test(lmtp_session, no_failure_of_a_call_is_permanent)
{
	for (int i = ERR_OK + 1; i < ERR_COUNT; i++) {
		struct peers peers = { 0 };

		if (i == ERR_AGAIN || err_row((enum err)i)->is_retryable)
			continue;
		peers_start(&peers, "");
		peers.deliver = (enum err)i;
		expect(&peers, MAIL_TO_3 TEXT, 8, i == ERR_LIMIT ? "250 250 250 250 354 452 452 452 " : "250 250 250 250 354 451 451 451 ");
		peers_stop(&peers);
	}
}

Test(lmtp_session, a_recipient_without_a_result_is_deferred)
{
	struct peers peers = { .results_missing = 1 };

	peers_start(&peers, "");
	expect(&peers, MAIL_TO_3 TEXT, 8, "250 250 250 250 354 250 451 250 ");
	peers_stop(&peers);
}

Test(lmtp_session, a_body_that_is_not_stored_is_deferred_after_its_end)
{
	struct peers peers = { .put = ERR_CORRUPT };

	peers_start(&peers, "");
	expect(&peers, MAIL_TO_3 TEXT, 8, "250 250 250 250 354 451 451 451 ");
	cr_assert_eq(peers.delivers, 0);
	expect(&peers, "NOOP\r\n", 1, "250 ");
	peers_stop(&peers);
}

Test(lmtp_session, a_mail_over_the_limit_is_refused_after_its_end)
{
	struct peers peers = { 0 };
	char *line = mem_alloc(1001);

	memset(line, 'x', 998);
	memcpy(line + 998, "\r\n", 3);
	peers_start(&peers, "message: { size: 1M }\n");
	expect(&peers, MAIL_TO_3, 5, "250 250 250 250 354 ");
	for (int i = 0; i < 2000; i++)
		expect(&peers, line, 0, "");
	expect(&peers, ".\r\n", 3, "552 552 552 ");
	cr_assert_eq(peers.delivers, 0);
	expect(&peers, MAIL_TO_3 TEXT, 8, "250 250 250 250 354 250 250 250 ");
	free(line);
	peers_stop(&peers);
}

/* RFC 3030 s. 2: a chunk that fails is read to its end, and so are those behind it; each has its reply, the last one for each recipient. */
Test(lmtp_session, chunks_behind_a_failure_are_read_and_refused)
{
	struct peers peers = { 0 };
	struct buffer text = { 0 };

	peers_start(&peers, "message: { size: 1M }\n");
	buffer_printf(&text, "MAIL FROM:<s@x>\r\nRCPT TO:<a1@x>\r\nRCPT TO:<a2@x>\r\nBDAT 1000000\r\n%01000000dBDAT 100000\r\n%0100000d"
	    "BDAT 6\r\nQUIT\r\nNOOP\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n%c", 0, 0, '\0');
	expect(&peers, buffer_str(&text).ptr, 10, "250 250 250 250 552 552 250 552 552 250 ");
	cr_assert_eq(peers.delivers, 0);
	expect(&peers, "MAIL FROM:<s@x>\r\nRCPT TO:<a1@x>\r\nBDAT 6\r\nx: y\r\nRSET\r\nBDAT 0 LAST\r\n", 5, "250 250 250 250 503 ");
	cr_assert_eq(peers.delivers, 0);
	peers_stop(&peers);
	buffer_clear(&text);
	peers = (struct peers){ .put = ERR_CORRUPT };
	peers_start(&peers, "");
	expect(&peers, "MAIL FROM:<s@x>\r\nRCPT TO:<a1@x>\r\nRCPT TO:<a2@x>\r\nBDAT 6\r\nx: y\r\nBDAT 0 LAST\r\n", 6,
	    "250 250 250 250 451 451 ");
	peers_stop(&peers);
}

Test(lmtp_session, a_mail_by_bdat_is_stored_byte_for_byte)
{
	struct peers peers = { 0 };

	peers_start(&peers, "");
	expect(&peers, "MAIL FROM:<s@x> BODY=BINARYMIME\r\nRCPT TO:<a1@x>\r\nBDAT 8\r\n..\r\n.\r\n\nBDAT 2 LAST\r\n\r.", 4, "250 250 250 250 ");
	cr_assert(str_equal(str_from(peers.body, peers.body_len), STR("..\r\n.\r\n\n\r.")));
	cr_assert_eq(peers.delivers, 1);
	peers_stop(&peers);
}

/* Nobody but those whom lmtp.xclient_from names may say whom they speak for, nor are they told that one could. */
Test(lmtp_session, only_the_trusted_speak_for_others)
{
	struct peers peers = { 0 };
	struct str rest;

	peers_start(&peers, "");
	expect(&peers, "XCLIENT ADDR=192.0.2.7\r\nXFORWARD ADDR=192.0.2.7\r\n", 2, "550 550 ");
	expect(&peers, "LHLO x\r\nQUIT\r\n", 0, "");
	rest = peers_rest(&peers);
	cr_assert(str_find(rest, STR("250-X")) == rest.len && str_find(rest, STR("250-CHUNKING")) < rest.len, "%.*s", STR_ARG(rest));
	peers_stop(&peers);
	peers = (struct peers){ 0 };
	peers_start(&peers, "  xclient_from: [\"192.0.2.0/24\", \"127.0.0.1\"]\n");
	expect(&peers, "XFORWARD ADDR=192.0.2.7\r\nXCLIENT ADDR=198.51.100.7\r\nXCLIENT ADDR=192.0.2.7\r\n", 3, "250 220 220 ");
	peers_stop(&peers);
}

Test(lmtp_session, a_mail_is_known_again_only_by_an_id)
{
	struct peers peers = { 0 };

	peers_start(&peers, "");
	expect(&peers, MAIL_TO_3 TEXT, 8, "250 250 250 250 354 250 250 250 ");
	cr_assert_eq(peers.transaction_len, 0);
	expect(&peers, MAIL_TO_3 "Received: from a by b id 1; x\r\n" TEXT, 8, "250 250 250 250 354 250 250 250 ");
	cr_assert_eq(peers.transaction_len, 32);
	peers_stop(&peers);
}

Test(lmtp_session, over_quota_is_temporary_by_setting)
{
	struct peers peers = { .results = { ERR_OVERQUOTA } };

	peers_start(&peers, "");
	expect(&peers, "MAIL FROM:<s@x>\r\nRCPT TO:<a1@x>\r\nDATA\r\n" TEXT, 4, "250 250 354 552 ");
	peers_stop(&peers);
	peers = (struct peers){ .results = { ERR_OVERQUOTA } };
	peers_start(&peers, "  overquota_temporary: true\n");
	expect(&peers, "MAIL FROM:<s@x>\r\nRCPT TO:<a1@x>\r\nDATA\r\n" TEXT, 4, "250 250 354 452 ");
	peers_stop(&peers);
}

/* More prefixes than a message of the bus can hold: several calls, each recipient its own reply. */
Test(lmtp_session, very_many_recipients_are_several_calls)
{
	struct peers peers = { 0 };
	struct buffer text = { 0 }, codes = { 0 };
	char detail[901];

	memset(detail, 'd', 900);
	detail[900] = '\0';
	peers_start(&peers, "");
	buffer_printf(&text, "MAIL FROM:<s@x>\r\n");
	for (int i = 1; i <= 2000; i++)
		buffer_printf(&text, "RCPT TO:<a%d@%.200s>\r\n", i, detail);
	buffer_printf(&text, "RCPT TO:<a1@x>\r\nDATA\r\n%s%c", TEXT, '\0');
	for (int i = 0; i < 4003; i++)
		buffer_printf(&codes, "%s ", i == 2001 ? "452" : i == 2002 ? "354" : "250");
	buffer_add_byte(&codes, '\0');
	expect(&peers, buffer_str(&text).ptr, 4003, buffer_str(&codes).ptr);
	cr_assert_eq(peers.copy_count, 2000);
	cr_assert_leq(peers.resolves, 2000 / LMTP_RESOLVE_MAX + 150);
	buffer_clear(&text);
	buffer_clear(&codes);
	peers_stop(&peers);
}

Test(lmtp_session, a_silent_client_is_told_and_disconnected)
{
	struct peers peers = { 0 };
	struct str rest;

	peers_start(&peers, "  idle: 300ms\n");
	rest = peers_rest(&peers);
	cr_assert(str_starts_with(rest, STR("421 4.4.2 ")), "%.*s", STR_ARG(rest));
	peers_stop(&peers);
	peers = (struct peers){ 0 };
	peers_start(&peers, "  idle: 300ms\n");
	expect(&peers, MAIL_TO_3 "Subject: half", 5, "250 250 250 250 354 ");
	rest = peers_rest(&peers);
	cr_assert(str_starts_with(rest, STR("421 4.4.2 ")), "%.*s", STR_ARG(rest));
	cr_assert_eq(peers.delivers, 0);
	peers_stop(&peers);
}
