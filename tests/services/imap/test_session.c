#include <stdio.h>

#include <criterion/criterion.h>

#include "peers.h"
#include "services/imap/ahead.h"

static bool
has(struct str text, const char *what)
{
	return str_find(text, str_c(what)) < text.len;
}

#define HAS(text, what) cr_expect(has((text), (what)), "expected %s in %.*s", (what), STR_ARG(text))
#define HAS_NOT(text, what) cr_expect(!has((text), (what)), "unexpected %s in %.*s", (what), STR_ARG(text))

Test(imap_session, an_event_that_follows_is_told_without_a_call, .timeout = 60)
{
	struct peers peers = { 0 };
	struct str came;
	int syncs;

	peers_start(&peers, 3);
	HAS(peers_talk(&peers, 0, "a SELECT INBOX\r\n"), "* 3 EXISTS");
	peers_talk(&peers, 0, "b NOOP\r\n");
	syncs = peers.syncs;
	peers_deliver(&peers);
	peers_tell(&peers, peers.modseq - 1, true);
	came = peers_talk(&peers, 0, "c NOOP\r\n");
	HAS(came, "* 4 EXISTS\r\n");
	cr_expect_eq(peers.syncs, syncs, "no call was needed");
	peers_stop(&peers);
}

Test(imap_session, a_gap_and_an_event_without_its_change_are_asked_for, .timeout = 60)
{
	struct peers peers = { 0 };
	struct str came;
	int syncs;

	peers_start(&peers, 3);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	peers_talk(&peers, 0, "b NOOP\r\n");
	syncs = peers.syncs;
	peers_deliver(&peers);
	peers_remove(&peers, 2);
	peers_tell(&peers, peers.modseq - 1, true);
	came = peers_talk(&peers, 0, "c NOOP\r\n");
	HAS(came, "* 2 EXPUNGE\r\n* 3 EXISTS\r\n");
	cr_expect_eq(peers.syncs, syncs + 1);
	peers_deliver(&peers);
	peers_tell(&peers, peers.modseq - 1, false);
	HAS(peers_talk(&peers, 0, "d NOOP\r\n"), "* 4 EXISTS\r\n");
	/* What was known before is no news. */
	peers_tell(&peers, peers.modseq - 1, true);
	came = peers_talk(&peers, 0, "e NOOP\r\n");
	HAS_NOT(came, "* ");
	peers_stop(&peers);
}

Test(imap_session, a_journal_that_does_not_reach_back_is_a_new_load, .timeout = 60)
{
	struct peers peers = { 0 };
	struct str came;

	peers_start(&peers, 3);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	peers_remove(&peers, 1);
	peers_deliver(&peers);
	peers.is_lost = true;
	peers.timeline = 6;
	peers_tell(&peers, peers.modseq - 1, true);
	came = peers_talk(&peers, 0, "b NOOP\r\n");
	HAS(came, "* 1 EXPUNGE\r\n* 3 EXISTS\r\n");
	HAS(came, "b OK");
	peers.is_lost = false;
	peers_stop(&peers);
}

Test(imap_session, another_uidvalidity_ends_the_session, .timeout = 60)
{
	struct peers peers = { 0 };

	peers_start(&peers, 3);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	peers.is_lost = true;
	peers.uidvalidity++;
	peers_deliver(&peers);
	peers_tell(&peers, peers.modseq - 1, false);
	HAS(peers_talk(&peers, 0, "b NOOP\r\n"), "* BYE");
	peers_stop(&peers);
}

Test(imap_session, idle_hears_of_events_and_of_the_mailbox_s_end, .timeout = 60)
{
	struct peers peers = { 0 };

	peers_start(&peers, 3);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	peers_talk(&peers, 1, "a SELECT INBOX\r\n");
	peers_send(&peers, 0, "b IDLE\r\n");
	HAS(peers_until(&peers, 0, "+ "), "+ ");
	peers_deliver(&peers);
	peers_tell(&peers, peers.modseq - 1, true);
	HAS(peers_until(&peers, 0, "RECENT"), "* 4 EXISTS\r\n");
	peers_tell_gone(&peers);
	HAS(peers_until(&peers, 0, "BYE"), "* BYE");
	HAS(peers_talk(&peers, 1, "b NOOP\r\n"), "* BYE");
	peers_stop(&peers);
}

Test(imap_session, what_was_missed_is_told_to_who_idles, .timeout = 60)
{
	struct peers peers = { 0 };
	int syncs;

	peers_start(&peers, 3);
	for (int i = 0; i < PEER_CLIENTS; i++) {
		peers_talk(&peers, i, "a SELECT INBOX\r\n");
		peers_talk(&peers, i, "b NOOP\r\n");
		peers_send(&peers, i, "c IDLE\r\n");
		peers_until(&peers, i, "+ ");
	}
	syncs = peers.syncs;
	peers.watch = ERR_LOST;
	peers_deliver(&peers);
	HAS(peers_until(&peers, 0, "RECENT"), "* 4 EXISTS\r\n");
	HAS(peers_until(&peers, 1, "RECENT"), "* 4 EXISTS\r\n");
	peers.watch = ERR_OK;
	cr_expect_geq(peers.syncs, syncs + 1);
	peers_stop(&peers);
}

/* A UID that the session may have been given itself is not taken for one that is not there. */
Test(imap_session, a_uid_that_may_be_there_is_looked_for_first, .timeout = 60)
{
	struct peers peers = { 0 };

	peers_start(&peers, 3);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	peers.sync = ERR_UNAVAILABLE;
	peers_deliver(&peers);
	HAS(peers_talk(&peers, 0, "b CHECK\r\n"), "b OK");
	HAS(peers_talk(&peers, 0, "c UID STORE 1:* +FLAGS.SILENT (\\Seen)\r\n"), "c NO [UNAVAILABLE]");
	peers.sync = ERR_OK;
	HAS(peers_talk(&peers, 0, "d UID FETCH 1:* FLAGS\r\n"), "* 4 FETCH");
	peers_stop(&peers);
}

Test(imap_session, metadata_that_is_gone_is_no_for_a_while, .timeout = 60)
{
	struct peers peers = { 0 };

	peers_start(&peers, 3);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	peers.sync = ERR_UNAVAILABLE;
	peers_deliver(&peers);
	peers_tell(&peers, 1, false);
	HAS(peers_talk(&peers, 0, "b NOOP\r\n"), "b OK");
	peers.fetch = ERR_UNAVAILABLE;
	HAS(peers_talk(&peers, 0, "c FETCH 1 ENVELOPE\r\n"), "c NO [UNAVAILABLE]");
	HAS(peers_talk(&peers, 0, "d FETCH 1 FLAGS\r\n"), "* 1 FETCH (FLAGS ())");
	peers.fetch = peers.sync = ERR_OK;
	HAS(peers_talk(&peers, 0, "e NOOP\r\n"), "* 4 EXISTS");
	HAS(peers_talk(&peers, 0, "f FETCH 1 ENVELOPE\r\n"), "* 1 FETCH (ENVELOPE (x))");
	peers_stop(&peers);
}

/* How many messages were said to have these items, in their order. */
static size_t
count_in_order(struct str came, const char *items)
{
	size_t seq = 0;
	char line[100];

	for (;;) {
		snprintf(line, sizeof(line), "* %zu FETCH (%s)\r\n", seq + 1, items);
		if (!str_starts_with(came, str_c(line)))
			return seq;
		came = str_sub(came, strlen(line), SIZE_MAX);
		seq++;
	}
}

Test(imap_session, columns_come_in_pieces, .timeout = 60)
{
	struct peers peers = { 0 };

	peers_start(&peers, 50);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	for (peers.fetch_most = 0; peers.fetch_most <= 50; peers.fetch_most += 7) {
		cr_expect_eq(count_in_order(peers_talk(&peers, 0, "b FETCH 1:* (ENVELOPE)\r\n"), "ENVELOPE (x)"), 50);
		cr_expect_eq(count_in_order(peers_talk(&peers, 0, "c FETCH 1:* (BODY ENVELOPE BODYSTRUCTURE)\r\n"),
		    "BODY (xxx) ENVELOPE (x) BODYSTRUCTURE (xx)"), 50);
		cr_expect_eq(count_in_order(peers_talk(&peers, 0, "d FETCH 1:* (BODYSTRUCTURE BODY.PEEK[1]<0.1>)\r\n"),
		    "BODYSTRUCTURE (xx) BODY[1]<0> {1}\r\nx"), 50);
	}
	peers.fetch_most = 0;
	peers.fetches = 0;
	HAS(peers_talk(&peers, 0, "e FETCH 1:20,22:50 ENVELOPE\r\n"), "* 50 FETCH (ENVELOPE (x))");
	cr_expect_eq(peers.fetches, 1);
	peers_stop(&peers);
}

Test(imap_session, columns_that_are_not_whole_are_no, .timeout = 60)
{
	struct peers peers = { .is_texts_broken = true };
	struct str came;

	peers_start(&peers, 3);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	came = peers_talk(&peers, 0, "b FETCH 1:3 (ENVELOPE)\r\n");
	HAS_NOT(came, "FETCH (");
	HAS(came, "b NO");
	peers_stop(&peers);
}

Test(imap_session, a_body_that_cannot_be_read_is_no_and_never_empty, .timeout = 60)
{
	struct peers peers = { 0 };
	struct str came;

	peers_start(&peers, 3);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	peers.get_failure = ERR_CORRUPT;
	peers.get_failure_uid = 2;
	came = peers_talk(&peers, 0, "b FETCH 1:3 BODY.PEEK[]\r\n");
	HAS(came, "* 1 FETCH (BODY[] {10}\r\n");
	HAS_NOT(came, "* 2 FETCH");
	HAS(came, "* 3 FETCH (BODY[] {10}\r\n");
	HAS(came, "b NO [CORRUPTION]");
	peers.get_failure = ERR_UNAVAILABLE;
	peers.get_failure_uid = 0;
	came = peers_talk(&peers, 0, "c FETCH 1:3 BODY.PEEK[]\r\n");
	HAS_NOT(came, "FETCH (");
	HAS(came, "c NO [UNAVAILABLE]");
	peers.get_failure = ERR_OK;
	HAS(peers_talk(&peers, 0, "d FETCH 2 BODY.PEEK[]<3.4>\r\n"), "* 2 FETCH (BODY[]<3> {4}\r\nxxxx)");
	peers_stop(&peers);
}

/* Each of the first ones is only answered when all of them were asked for. */
Test(imap_session, bodies_are_asked_for_before_their_turn_but_not_many, .timeout = 60)
{
	struct peers peers = { .get_together = IMAP_AHEAD_LONG, .body_bytes = 200 * 1024 };
	struct str came;

	peers_start(&peers, 4);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	came = peers_talk(&peers, 0, "b FETCH 1:4 BODY.PEEK[]\r\n");
	HAS(came, "* 1 FETCH (BODY[] {204800}\r\n");
	HAS(came, "* 4 FETCH (BODY[] {204800}\r\n");
	HAS(came, "b OK");
	cr_expect_eq(peers.gets_most, IMAP_AHEAD_LONG);
	cr_expect_eq(peers.many_most, IMAP_AHEAD_LONG);
	peers_stop(&peers);
}

Test(imap_session, short_bodies_are_asked_for_many_at_a_time, .timeout = 60)
{
	struct peers peers = { 0 };
	struct str came;

	peers_start(&peers, 50);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	came = peers_talk(&peers, 0, "b FETCH 1:50 BODY.PEEK[]\r\n");
	HAS(came, "* 1 FETCH (BODY[] {10}\r\n");
	HAS(came, "* 50 FETCH (BODY[] {10}\r\n");
	HAS(came, "b OK");
	cr_expect_eq(peers.many_most, IMAP_AHEAD);
	came = peers_talk(&peers, 0, "c FETCH 3:5 (BODY.PEEK[] BODY.PEEK[]<3.4> BODY.PEEK[TEXT]<0.2>)\r\n");
	HAS(came, "* 5 FETCH (BODY[] {10}\r\n\nxxxxxxxxx BODY[]<3> {4}\r\nxxxx BODY[TEXT]<0> {2}\r\nxx)");
	peers_stop(&peers);
}

Test(imap_session, a_search_in_bodies_asks_for_many_at_a_time_and_a_broken_one_matches_nothing, .timeout = 60)
{
	struct peers peers = { 0 };

	peers_start(&peers, 40);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	HAS(peers_talk(&peers, 0, "b SEARCH 2:39 BODY xxx\r\n"), "* SEARCH 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 "
	    "29 30 31 32 33 34 35 36 37 38 39\r\nb OK");
	cr_expect_eq(peers.many_most, IMAP_AHEAD);
	HAS(peers_talk(&peers, 0, "c SEARCH 2:39 NOT BODY xxx\r\n"), "* SEARCH\r\nc OK");
	HAS(peers_talk(&peers, 0, "d SEARCH OR 7 BODY xxy\r\n"), "* SEARCH 7\r\nd OK");
	peers.get_failure = ERR_CORRUPT;
	peers.get_failure_uid = 38;
	HAS(peers_talk(&peers, 0, "e SEARCH 36:39 BODY xxx\r\n"), "* SEARCH 36 37 39\r\ne OK");
	peers.get_failure = ERR_UNAVAILABLE;
	HAS(peers_talk(&peers, 0, "f SEARCH 36:39 BODY xxx\r\n"), "f NO [UNAVAILABLE]");
	peers_stop(&peers);
}

Test(imap_session, a_body_that_breaks_off_ends_the_connection, .timeout = 60)
{
	struct peers peers = { .body_bytes = 900 * 1024 };
	struct str came;

	peers_start(&peers, 2);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	peers.get_failure = ERR_UNAVAILABLE;
	peers.get_failure_at = 512 * 1024;
	came = peers_talk(&peers, 0, "b FETCH 1:2 BODY.PEEK[]\r\n");
	HAS(came, "* 1 FETCH (BODY[] {921600}\r\n");
	cr_expect_lt(came.len, 900 * 1024);
	HAS_NOT(came, "b ");
	HAS(peers_talk(&peers, 1, "c NOOP\r\n"), "c OK");
	peers_stop(&peers);
}

Test(imap_session, seen_is_one_call_for_all_messages, .timeout = 60)
{
	struct peers peers = { 0 };
	struct str came;

	peers_start(&peers, 5);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	came = peers_talk(&peers, 0, "b FETCH 1:5 BODY[]\r\n");
	HAS(came, "* 5 FETCH (FLAGS (\\Seen) BODY[] {10}\r\n");
	cr_expect_eq(peers.stores, 1);
	peers_talk(&peers, 0, "c FETCH 1:5 BODY[]\r\n");
	cr_expect_eq(peers.stores, 1, "they are seen already");
	came = peers_talk(&peers, 0, "d NOOP\r\n");
	HAS_NOT(came, "FETCH");
	peers_stop(&peers);
}

Test(imap_session, a_login_that_is_over_ends_the_session, .timeout = 60)
{
	struct peers peers = { 0 };
	struct str came;

	peers_start(&peers, 1);
	peers_talk(&peers, 0, "a SELECT INBOX\r\n");
	peers.fetch = ERR_AUTH_EXPIRED;
	peers_send(&peers, 0, "b FETCH 1 ENVELOPE\r\n");
	came = peers_until(&peers, 0, "until the end");
	HAS(came, "b NO [EXPIRED]");
	HAS(came, "* BYE");
	peers_stop(&peers);
}
