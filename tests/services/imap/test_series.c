#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "peers.h"
#include "services/imap/series.h"

static bool
has(struct str text, const char *what)
{
	return str_find(text, str_c(what)) < text.len;
}

#define HAS(text, what) cr_expect(has((text), (what)), "expected %s in %.*s", (what), STR_ARG(text))
#define HAS_NOT(text, what) cr_expect(!has((text), (what)), "unexpected %s in %.*s", (what), STR_ARG(text))

static void
start(struct peers *peers, size_t count)
{
	peers_start(peers, count);
	peers_talk(peers, 0, "s SELECT INBOX\r\n");
}

static struct str
ask(struct peers *peers, const char *tag_and_name, int number, const char *items)
{
	return peers_talk(peers, 0, arena_printf(&peers->arena, "%s %d %s\r\n", tag_and_name, number, items).ptr);
}

static struct str
fetch(struct peers *peers, int number)
{
	char want[64];
	struct str came = ask(peers, "f FETCH", number, "(BODY.PEEK[])");

	snprintf(want, sizeof(want), "* %d FETCH (BODY[] {%zu}\r\n\nx", number, peers->body_bytes);
	HAS(came, want);
	HAS(came, "x)\r\nf OK");
	return came;
}

static int64_t
held(void)
{
	return metric_get(METRIC_IMAP_AHEAD);
}

Test(imap_series, those_that_follow_each_other_cost_few_calls, .timeout = 60)
{
	struct peers peers = { .is_at_hand = true };

	start(&peers, 300);
	for (int i = 1; i <= 300; i++)
		fetch(&peers, i);
	/* 1; 4 from 2, 8 from 6, 16 from 14, 32 from 30, 64 from 62, 128 from 126, 47 from 254. */
	cr_expect_eq(peers.fetches, 8, "%d", peers.fetches);
	cr_expect_eq(peers.rows, 300);
	cr_expect_eq(peers.rows_most, IMAP_WINDOW_MAX, "%d", peers.rows_most);
	cr_expect_eq(peers.many_most, IMAP_AHEAD, "%d", peers.many_most);
	cr_expect_leq(peers.many, 300, "no body is read twice");
	cr_expect_eq(peers.gets_most, 1);
	peers_stop(&peers);
}

Test(imap_series, so_do_short_ranges_by_uid_and_several_sections, .timeout = 60)
{
	struct peers peers = { .is_at_hand = true };
	char want[128];

	start(&peers, 60);
	for (int i = 1; i < 60; i += 3) {
		struct str came;

		snprintf(want, sizeof(want), "u UID FETCH %d:%d (BODY.PEEK[] FLAGS BODY.PEEK[TEXT]<1.3>)\r\n", i, i + 2);
		came = peers_talk(&peers, 0, want);
		for (int k = i; k < i + 3; k++) {
			snprintf(want, sizeof(want), "* %d FETCH (BODY[] {10}\r\n\nxxxxxxxxx FLAGS () BODY[TEXT]<1> {3}\r\nxxx UID %d)\r\n", k, k);
			HAS(came, want);
		}
		HAS(came, "u OK");
	}
	cr_expect_leq(peers.fetches, 6, "%d", peers.fetches);
	peers_stop(&peers);
}

/* None, and of what follows but once a few; gently then. */
Test(imap_series, who_opens_one_now_and_then_has_no_others_read, .timeout = 60)
{
	static const int numbers[] = { 5, 9, 3, 7, 7, 6, 20, 21 };
	enum { COUNT = sizeof(numbers) / sizeof(numbers[0]) };
	struct peers peers = { .is_at_hand = true };

	start(&peers, 50);
	for (size_t i = 0; i < COUNT - 1; i++)
		fetch(&peers, numbers[i]);
	cr_expect_eq(peers.fetches, COUNT - 1);
	cr_expect_eq(peers.rows, COUNT - 1);
	/* Its items are others: they follow nothing. */
	HAS(peers_talk(&peers, 0, "a FETCH 21 (BODY.PEEK[] UID)\r\n"), "a OK");
	fetch(&peers, 22);
	/* As late as somebody who reads. */
	usleep((IMAP_SERIES_MS + 200) * 1000);
	fetch(&peers, 23);
	cr_expect_eq(peers.rows, COUNT + 2);
	cr_expect_eq(peers.many, 0);
	cr_expect_eq(held(), 0);
	fetch(&peers, 24);
	cr_expect_eq(peers.rows, COUNT + 2 + IMAP_WINDOW_FIRST);
	cr_expect_eq(peers.many, IMAP_WINDOW_FIRST);
	cr_expect_eq(held(), 1);
	peers_stop(&peers);
}

/* Within a window some may be left out; of more than a few in one command none is kept. */
Test(imap_series, what_is_left_out_costs_nothing_and_what_goes_back_is_read_again, .timeout = 60)
{
	struct peers peers = { .is_at_hand = true };

	start(&peers, 50);
	for (int i = 1; i <= 6; i++)
		fetch(&peers, i);
	cr_expect_eq(peers.fetches, 3);
	fetch(&peers, 9);
	fetch(&peers, 13);
	cr_expect_eq(peers.fetches, 3);
	fetch(&peers, 12);
	cr_expect_eq(peers.fetches, 4);
	cr_expect_eq(held(), 0);
	fetch(&peers, 13);
	cr_expect_eq(held(), 1);
	HAS(peers_talk(&peers, 0, "b FETCH 14:40 (BODY.PEEK[])\r\n"), "* 40 FETCH");
	cr_expect_eq(held(), 0);
	peers_stop(&peers);
}

Test(imap_series, flags_are_as_they_were_told, .timeout = 60)
{
	struct peers peers = { .is_at_hand = true };

	start(&peers, 5);
	peers_talk(&peers, 1, "s SELECT INBOX\r\n");
	HAS(peers_talk(&peers, 0, "a FETCH 1 (FLAGS BODY.PEEK[])\r\n"), "* 1 FETCH (FLAGS () BODY[]");
	HAS(peers_talk(&peers, 0, "b FETCH 2 (FLAGS BODY.PEEK[])\r\n"), "* 2 FETCH (FLAGS () BODY[]");
	HAS(peers_talk(&peers, 1, "t STORE 4 +FLAGS (\\Flagged)\r\n"), "t OK");
	HAS(peers_talk(&peers, 0, "c FETCH 3 (FLAGS BODY.PEEK[])\r\n"), "* 4 FETCH (FLAGS (\\Flagged))\r\nc OK");
	HAS(peers_talk(&peers, 0, "d FETCH 4 (FLAGS BODY.PEEK[])\r\n"), "* 4 FETCH (FLAGS (\\Flagged) BODY[]");
	cr_expect_eq(peers.fetches, 2, "they were read before: %d", peers.fetches);
	peers_stop(&peers);
}

/* Nor does what a program does with each mail that it has. */
Test(imap_series, seen_is_set_and_deleted_stored_in_between, .timeout = 60)
{
	struct peers peers = { .is_at_hand = true };
	char want[64];

	start(&peers, 20);
	for (int i = 1; i <= 20; i++) {
		snprintf(want, sizeof(want), "* %d FETCH (FLAGS (\\Seen) BODY[] {10}\r\n", i);
		HAS(ask(&peers, "a FETCH", i, "(BODY[])"), want);
		HAS(ask(&peers, "b STORE", i, "+FLAGS.SILENT (\\Deleted)"), "b OK");
	}
	cr_expect_eq(peers.stores, 40);
	cr_expect_leq(peers.fetches, 4, "%d", peers.fetches);
	peers_stop(&peers);
}

Test(imap_series, what_was_expunged_and_told_is_gone, .timeout = 60)
{
	struct peers peers = { .is_at_hand = true };
	struct str came;

	start(&peers, 10);
	HAS(peers_talk(&peers, 0, "a UID FETCH 1 (BODY.PEEK[])\r\n"), "* 1 FETCH");
	HAS(peers_talk(&peers, 0, "b UID FETCH 2 (BODY.PEEK[])\r\n"), "* 2 FETCH");
	peers_remove(&peers, 4);
	peers_tell(&peers, peers.modseq - 1, true);
	HAS(peers_talk(&peers, 0, "c UID FETCH 3 (BODY.PEEK[])\r\n"), "* 4 EXPUNGE\r\nc OK");
	came = peers_talk(&peers, 0, "d UID FETCH 4 (BODY.PEEK[])\r\n");
	HAS_NOT(came, "FETCH (");
	HAS(came, "d OK");
	HAS(peers_talk(&peers, 0, "e UID FETCH 5 (BODY.PEEK[])\r\n"), "* 4 FETCH (BODY[] {10}\r\n\nxxxxxxxxx UID 5)");
	peers_stop(&peers);
}

/* What was gone before the window was opened, and is not told yet. */
Test(imap_series, what_is_gone_is_no_as_ever, .timeout = 60)
{
	struct peers peers = { .is_at_hand = true };

	start(&peers, 10);
	fetch(&peers, 1);
	peers_remove(&peers, 3);
	fetch(&peers, 2);
	HAS(peers_talk(&peers, 0, "c FETCH 3 (BODY.PEEK[])\r\n"), "c NO [EXPUNGEISSUED]");
	fetch(&peers, 4);
	fetch(&peers, 5);
	peers_stop(&peers);
}

Test(imap_series, a_login_that_is_over_does_not_read_on_for_long, .timeout = 60)
{
	struct peers peers = { .is_at_hand = true };
	struct str came = STR("");
	int64_t began_ms;
	int i;

	start(&peers, 200);
	for (i = 1; i <= 62; i++)
		fetch(&peers, i);
	/* There are 63 more in the window. */
	peers.fetch = ERR_AUTH_EXPIRED;
	began_ms = clock_mono_ms();
	for (; i <= 125 && !has(came, "* BYE"); i++) {
		came = ask(&peers, "g FETCH", i, "(BODY.PEEK[])");
		if (!has(came, "g OK"))
			came = has(came, "* BYE") ? came : peers_until(&peers, 0, "* BYE");
		usleep(50000);
	}
	HAS(came, "* BYE");
	cr_expect_leq(clock_mono_ms() - began_ms, IMAP_SERIES_MS + 800, "%ld", (long)(clock_mono_ms() - began_ms));
	cr_expect_lt(i, 120);
	peers_stop(&peers);
}

Test(imap_series, what_fails_of_others_is_not_told, .timeout = 60)
{
	struct peers peers = { .fetch_many = ERR_INTERNAL };

	start(&peers, 20);
	for (int i = 1; i <= 6; i++)
		fetch(&peers, i);
	cr_expect_eq(held(), 0);
	peers.fetch_many = ERR_OK;
	fetch(&peers, 7);
	fetch(&peers, 8);
	cr_expect_eq(held(), 1);
	peers_stop(&peers);
}

/* The first time it was asked for early, and failed. */
Test(imap_series, a_body_that_could_not_be_read_early_is_read_in_its_turn, .timeout = 60)
{
	struct peers peers = { 0 };

	start(&peers, 20);
	peers.get_failure = ERR_CORRUPT;
	peers.get_failure_uid = 4;
	for (int i = 1; i <= 3; i++)
		fetch(&peers, i);
	cr_expect_eq(held(), 1);
	usleep(100000);
	peers.get_failure = ERR_OK;
	fetch(&peers, 4);
	peers.get_failure = ERR_CORRUPT;
	peers.get_failure_uid = 6;
	fetch(&peers, 5);
	HAS(peers_talk(&peers, 0, "g FETCH 6 (BODY.PEEK[])\r\n"), "g NO [CORRUPTION]");
	cr_expect_eq(held(), 0);
	fetch(&peers, 7);
	peers_stop(&peers);
}

/* Neither who waits for his mail nor who goes on with something else. */
Test(imap_series, nobody_waits_long_for_what_was_read_early, .timeout = 60)
{
	struct peers peers = { .is_at_hand = true };
	int64_t began_ms;

	start(&peers, 30);
	fetch(&peers, 1);
	peers.many_late_ms = 3500;
	began_ms = clock_mono_ms();
	fetch(&peers, 2);
	cr_expect_lt(clock_mono_ms() - began_ms, 2500, "%ld", (long)(clock_mono_ms() - began_ms));
	peers_talk(&peers, 0, "n NOOP\r\n");
	peers_stop(&peers);
}

Test(imap_series, anything_else_lets_go, .timeout = 120)
{
	static const char *const others[] = { "x NOOP\r\n", "x SEARCH ALL\r\n", "x EXAMINE INBOX\r\n", "x UNSELECT\r\n", "x CLOSE\r\n",
		"x FETCH 1:20 (BODY.PEEK[])\r\n", "x FETCH 6 (BODY.PEEK[])\r\n", "x FETCH 2 (BODY.PEEK[])\r\n", "x FETCH 3 (ENVELOPE)\r\n" };
	struct peers peers = { .is_at_hand = true };

	start(&peers, 50);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		peers_talk(&peers, 0, "s SELECT INBOX\r\n");
		fetch(&peers, 1);
		fetch(&peers, 2);
		cr_expect_eq(held(), 1, "before %s", others[i]);
		/* It is in the view, and needs nothing that would be read. */
		HAS(peers_talk(&peers, 0, "k FETCH 3 (FLAGS)\r\n"), "k OK");
		cr_expect_eq(held(), 1);
		peers_talk(&peers, 0, others[i]);
		cr_expect_eq(held(), 0, "after %s", others[i]);
	}
	peers_talk(&peers, 0, "s SELECT INBOX\r\n");
	fetch(&peers, 1);
	fetch(&peers, 2);
	peers_send(&peers, 0, "x IDLE\r\n");
	HAS(peers_until(&peers, 0, "+ "), "+ ");
	cr_expect_eq(held(), 0);
	peers_stop(&peers);
}

/* And who does nothing for a second holds nothing. */
Test(imap_series, a_rest_lets_go, .timeout = 60)
{
	struct peers peers = { .is_at_hand = true };
	int64_t began_ms;

	start(&peers, 50);
	fetch(&peers, 1);
	fetch(&peers, 2);
	began_ms = clock_mono_ms();
	while (held() > 0 && clock_mono_ms() < began_ms + 10000)
		usleep(10000);
	cr_expect_eq(held(), 0);
	cr_expect_lt(clock_mono_ms() - began_ms, IMAP_SERIES_MS + 2000);
	fetch(&peers, 3);
	fetch(&peers, 4);
	cr_expect_eq(held(), 1);
	peers_stop(&peers);
	cr_expect_eq(held(), 0, "the end lets go");
}

/* 128 KiB of bodies in each window, whatever their number, and none that is longer. */
Test(imap_series, bodies_that_are_held_are_bounded, .timeout = 60)
{
	static const struct {
		size_t body_bytes;
		int many_most;
	} cases[] = { { 60 * 1024, 2 }, { 30 * 1024, 4 }, { 100 * 1024, 0 }, { 300 * 1024, 0 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peers peers = { .is_at_hand = true, .body_bytes = cases[i].body_bytes };

		start(&peers, 12);
		for (int number = 1; number <= 12; number++)
			fetch(&peers, number);
		cr_expect_eq(peers.many_most, cases[i].many_most, "%zu: %d", cases[i].body_bytes, peers.many_most);
		peers_stop(&peers);
	}
}

Test(imap_series, rows_that_are_held_are_bounded, .timeout = 60)
{
	struct peers peers = { .row_bytes = IMAP_WINDOW_ROWS_BYTES / 8 };

	start(&peers, 50);
	for (int i = 1; i <= 50; i++)
		HAS(ask(&peers, "a FETCH", i, "(ENVELOPE)"), "a OK");
	cr_expect_eq(peers.rows_most, 7, "%d", peers.rows_most);
	cr_expect_eq(held(), 1);
	cr_expect_leq(peers.fetches, 10, "%d", peers.fetches);
	/* Four of these are too many already. */
	peers.row_bytes = IMAP_WINDOW_ROWS_BYTES / 3;
	for (int i = 1; i <= 10; i++) {
		HAS(ask(&peers, "b FETCH", i, "(ENVELOPE)"), "b OK");
		cr_expect_eq(held(), 0);
	}
	peers_stop(&peers);
}

/* It was to be the next window; and it is not asked for again and again. */
Test(imap_series, a_window_that_cannot_be_had_costs_nothing, .timeout = 60)
{
	struct peers peers = { .is_at_hand = true };
	int fetches;

	start(&peers, 200);
	for (int i = 1; i <= 62; i++)
		fetch(&peers, i);
	fetches = peers.fetches;
	peers.fetch_many = ERR_INTERNAL;
	for (int i = 63; i <= 125; i++)
		fetch(&peers, i);
	cr_expect_eq(held(), 1);
	cr_expect_eq(peers.fetches, fetches + 1, "%d", peers.fetches - fetches);
	peers.fetch_many = ERR_OK;
	fetches = peers.fetches;
	for (int i = 126; i <= 200; i++)
		fetch(&peers, i);
	cr_expect_eq(peers.fetches, fetches + 1);
	peers_stop(&peers);
}

Test(imap_series, what_is_asked_for_is_not_held_when_it_is_long, .timeout = 60)
{
	struct peers peers = { 0 };

	for (size_t len = IMAP_SERIES_ITEMS; len <= IMAP_SERIES_ITEMS + 1; len++) {
		struct str items;

		start(&peers, 10);
		items = arena_printf(&peers.arena, "(BODY.PEEK[HEADER.FIELDS (%0*d)])", (int)len - 29, 7);
		cr_assert_eq(items.len, len);
		for (int i = 1; i <= 3; i++)
			HAS(ask(&peers, "a FETCH", i, items.ptr), "a OK");
		cr_expect_eq(held(), len == IMAP_SERIES_ITEMS);
		peers_stop(&peers);
		peers = (struct peers){ 0 };
	}
}
