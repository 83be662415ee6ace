/* What LMTP makes of the Sieve service's answers; what scripts really decide is tried in tests/integration/test_lmtp_sieve.py. */
#include "services/lmtp/filter.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "libcommon/core/metrics.h"
#include "peers.h"
#include "services/lmtp/actions.h"
#include "services/lmtp/wire.h"

#define TO_TWO "MAIL FROM:<s@x>\r\nRCPT TO:<a1@x>\r\nRCPT TO:<s2@x>\r\nDATA\r\n"
/* Of account 2, and of 3. */
#define SEVENTH "Faaaaaaaaaaaach"
#define SEVENTH_OF_ANOTHER "Faaaaaaaaaaaadh"
#define TEXT "Received: from a by b id 1; x\r\nSubject: x\r\n\r\nbody\r\n.\r\n"

static void
expect(struct peers *peers, const char *text, size_t replies, const char *codes)
{
	struct str got = peers_talk(peers, text, replies);

	cr_assert(str_equal(got, str_c(codes)), "%s: %.*s, not %s", text, STR_ARG(got), codes);
}

static SieveAction *
act(SieveFilterReply *reply, SieveAction__Kind kind, struct arena *arena)
{
	SieveAction **all = ARENA_ARRAY(arena, SieveAction *, reply->n_action + 1);

	for (size_t i = 0; i < reply->n_action; i++)
		all[i] = reply->action[i];
	all[reply->n_action] = ARENA_NEW(arena, SieveAction);
	sieve_action__init(all[reply->n_action]);
	all[reply->n_action]->kind = kind;
	reply->action = all;
	return all[reply->n_action++];
}

static void
need(SieveFilterReply *reply, SieveNeedKind kind, const char *name, struct arena *arena)
{
	SieveNeed **all = ARENA_ARRAY(arena, SieveNeed *, reply->n_need + 1);

	for (size_t i = 0; i < reply->n_need; i++)
		all[i] = reply->need[i];
	all[reply->n_need] = ARENA_NEW(arena, SieveNeed);
	sieve_need__init(all[reply->n_need]);
	all[reply->n_need]->kind = kind;
	all[reply->n_need]->name = lmtp_wire(str_c(name));
	reply->need = all;
	reply->n_need++;
	reply->outcome = SIEVE_FILTER_REPLY__OUTCOME__NEED;
}

/* ---- needs */

static void
ask_everything_then_file(int try, const SieveFilterRequest *req, SieveFilterReply *reply, struct arena *arena)
{
	if (try == 0) {
		cr_assert(req->n_script == 1 && req->script[0]->source.len == 0);
		cr_assert(str_equal(lmtp_str(req->script[0]->hash), STR("old")) && !req->input->has_body && req->input->size > 40);
		cr_assert(str_starts_with(lmtp_str(req->input->header), STR("Return-Path: <s@x>\r\nDelivered-To: s2@x\r\nReceived: from mta.test ")));
		cr_assert(str_ends_with(lmtp_str(req->input->header), STR("\r\nSubject: x\r\n")));
		need(reply, SIEVE_NEED_KIND__SIEVE_KIND_SOURCE, "old", arena);
		need(reply, SIEVE_NEED_KIND__SIEVE_KIND_MAILBOX, "One", arena);
		need(reply, SIEVE_NEED_KIND__SIEVE_KIND_INCLUDE_GLOBAL, "common", arena);
		need(reply, SIEVE_NEED_KIND__SIEVE_KIND_MAILBOX, "Two", arena);
		need(reply, SIEVE_NEED_KIND__SIEVE_KIND_MAILBOX_ID, SEVENTH_OF_ANOTHER, arena);
		need(reply, SIEVE_NEED_KIND__SIEVE_KIND_BODY, "", arena);
		need(reply, SIEVE_NEED_KIND__SIEVE_KIND_MAILBOX_ID, SEVENTH, arena);
		need(reply, SIEVE_NEED_KIND__SIEVE_KIND_SPECIAL_USE, "\\Junk", arena);
		reply->need[reply->n_need - 1]->scope = lmtp_wire(STR("Spam"));
		return;
	}
	cr_assert(str_equal(lmtp_str(req->script[0]->source), STR("keep;")) && str_equal(lmtp_str(req->script[0]->hash), STR("new")));
	cr_assert(str_equal(lmtp_str(req->script[0]->name), STR("other")), "which is the active one by now");
	cr_assert(req->input->has_body && str_equal(lmtp_str(req->input->body), STR("body\r\n")));
	cr_assert_eq(req->n_answer, 6);
	cr_assert(req->answer[0]->exists && str_equal(lmtp_str(req->answer[0]->mailbox), STR("One")));
	cr_assert(req->answer[1]->exists && str_equal(lmtp_str(req->answer[1]->script->name), STR("common")));
	cr_assert(str_equal(lmtp_str(req->answer[2]->mailbox), STR("Two")) && !req->answer[3]->exists);
	cr_assert(req->answer[4]->exists && req->answer[5]->exists && str_equal(lmtp_str(req->answer[5]->mailbox), STR("Spam")));
	act(reply, SIEVE_ACTION__KIND__FILEINTO, arena)->mailbox = lmtp_wire(STR("One"));
	act(reply, SIEVE_ACTION__KIND__FILEINTO, arena)->mailbox_id = lmtp_wire(STR(SEVENTH));
	act(reply, SIEVE_ACTION__KIND__FILEINTO, arena)->mailbox_id = lmtp_wire(STR(SEVENTH_OF_ANOTHER));
}

Test(lmtp_filter, what_a_script_needs_is_asked_in_one_round)
{
	struct peers peers = { .decide = ask_everything_then_file };

	peers_start(&peers, "");
	expect(&peers, TO_TWO TEXT, 6, "250 250 250 354 250 250 ");
	cr_assert(peers.filters == 2 && peers.lookups == 1 && peers.fetches == 1 && peers.delivers == 1);
	cr_assert(peers.action_count == 3 && peers.actions[0].mailbox == 0 && peers.actions[1].mailbox == 7 && peers.actions[2].mailbox == 0);
	peers_stop(&peers);
}

static void
ask_for_ever(int try, const SieveFilterRequest *req, SieveFilterReply *reply, struct arena *arena)
{
	char name[20];

	(void)req;
	snprintf(name, sizeof(name), "Box %d", try);
	need(reply, SIEVE_NEED_KIND__SIEVE_KIND_MAILBOX, arena_cstr(arena, str_c(name)), arena);
}

Test(lmtp_filter, a_script_that_never_stops_asking_keeps_the_mail)
{
	struct peers peers = { .decide = ask_for_ever };

	peers_start(&peers, "");
	expect(&peers, TO_TWO TEXT, 6, "250 250 250 354 250 250 ");
	cr_assert_eq(peers.filters, LMTP_FILTER_ROUNDS_MAX);
	cr_assert(peers.notes == 1 && peers.copy_count == 2 && peers.action_count == 1 && !peers.actions[0].discard);
	peers_stop(&peers);
}

/* ---- decisions */

static void
file_into_many(int try, const SieveFilterRequest *req, SieveFilterReply *reply, struct arena *arena)
{
	(void)try;
	(void)req;
	for (int i = 0; i <= LMTP_ACTIONS_MAX; i++)
		act(reply, SIEVE_ACTION__KIND__FILEINTO, arena)->mailbox = lmtp_wire(STR("Box"));
}

Test(lmtp_filter, more_actions_than_can_be_done_keep_the_mail)
{
	struct peers peers = { .decide = file_into_many };

	peers_start(&peers, "");
	expect(&peers, TO_TWO TEXT, 6, "250 250 250 354 250 250 ");
	cr_assert(peers.notes == 1 && peers.action_count == 1 && peers.actions[0].fileinto.len == 0 && peers.copy_count == 2);
	peers_stop(&peers);
}

/* A mark that was free is taken when the mail is delivered: the scripts decide again, some times, then it is the MTA's turn. */
Test(lmtp_filter, a_taken_mark_lets_the_scripts_decide_again)
{
	struct peers peers = { .reruns = 2 };

	peers_start(&peers, "");
	expect(&peers, "MAIL FROM:<s@x>\r\nRCPT TO:<s2@x>\r\nDATA\r\n" TEXT, 4, "250 250 354 250 ");
	cr_assert(peers.filters == 3 && peers.delivers == 3);
	peers.reruns = 100;
	expect(&peers, "MAIL FROM:<s@x>\r\nRCPT TO:<s2@x>\r\nDATA\r\n" TEXT, 4, "250 250 354 451 ");
	cr_assert_eq(peers.delivers, 7);
	peers_stop(&peers);
}

static void
refuse(int try, const SieveFilterRequest *req, SieveFilterReply *reply, struct arena *arena)
{
	(void)try;
	(void)req;
	act(reply, SIEVE_ACTION__KIND__KEEP, arena);
	act(reply, SIEVE_ACTION__KIND__REFUSE, arena)->text = lmtp_wire(STR("one\r\ntwo\r\n"));
}

/* RFC 2033 s. 4.2: several lines are one reply. */
Test(lmtp_filter, a_refusal_is_nothing_but_a_reply)
{
	struct peers peers = { .decide = refuse };

	peers_start(&peers, "");
	expect(&peers, TO_TWO TEXT, 6, "250 250 250 354 250 550 ");
	cr_assert_eq(peers.copy_count, 1);
	expect(&peers, "MAIL FROM:<s@x>\r\nRCPT TO:<s2@x>\r\nDATA\r\n" TEXT, 4, "250 250 354 550 ");
	cr_assert(peers.copy_count == 1 && peers.notes == 0);
	peers_stop(&peers);
}

/* No failure of the service loses a decision: 451 for those who have scripts, whatever it is; what every try would meet keeps the mail. */
Test(lmtp_filter, a_failure_of_the_service_is_of_those_with_scripts_alone)
{
	static const enum err failures[] = { ERR_INTERNAL, ERR_DENIED, ERR_NO_ACCOUNT, ERR_CORRUPT, ERR_NOT_SUPPORTED };
	struct peers peers = { 0 };

	peers_start(&peers, "");
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		peers.filter = failures[i];
		peers.copy_count = 0;
		expect(&peers, TO_TWO TEXT, 6, "250 250 250 354 250 451 ");
		cr_assert_eq(peers.copy_count, 1, "%s", err_row(failures[i])->name);
	}
	peers.filter = ERR_TOO_BIG;
	expect(&peers, TO_TWO TEXT, 6, "250 250 250 354 250 250 ");
	cr_assert(peers.notes == 1 && peers.action_count == 1);
	peers_stop(&peers);
}

static void
redirect_and_answer(int try, const SieveFilterRequest *req, SieveFilterReply *reply, struct arena *arena)
{
	SieveMark *mark = ARENA_NEW(arena, SieveMark);
	SieveAction *action = act(reply, SIEVE_ACTION__KIND__REDIRECT, arena);

	(void)try;
	(void)req;
	action->address = lmtp_wire(STR("r@x"));
	sieve_mark__init(mark);
	mark->kind = lmtp_wire(STR("vacation"));
	mark->key = lmtp_wire(STR("key"));
	mark->lifetime_s = 60;
	action = act(reply, SIEVE_ACTION__KIND__SEND, arena);
	action->address = lmtp_wire(STR("s@x"));
	action->message = lmtp_wire(STR("Message-ID: <1>\r\n\r\naway\r\n"));
	action->mark = mark;
}

/* An account that is named twice has its scripts run for each name; what both decide is done once. A reply is stored before it is queued. */
Test(lmtp_filter, two_names_of_an_account_redirect_and_answer_once)
{
	struct peers peers = { .decide = redirect_and_answer };

	peers_start(&peers, "");
	expect(&peers, "MAIL FROM:<s@x>\r\nRCPT TO:<s2@x>\r\nRCPT TO:<s2@y>\r\nDATA\r\n" TEXT, 6, "250 250 250 354 250 250 ");
	cr_assert(peers.filters == 2 && peers.copy_count == 1 && peers.action_count == 2 && peers.puts == 2);
	cr_assert(peers.actions[0].send != NULL && peers.actions[0].mail == NULL && peers.actions[0].claim == NULL);
	cr_assert(peers.actions[1].send != NULL && peers.actions[1].mail != NULL && peers.actions[1].claim != NULL);
	peers_stop(&peers);
}

Test(lmtp_filter, mails_that_scripts_make_are_stored_few_at_a_time)
{
	struct peers peers = { .decide = redirect_and_answer, .put_ms = 10 };
	struct buffer text = { 0 };
	int64_t refused = metric_get(METRIC_BUS_REFUSED);

	peers_start(&peers, "");
	buffer_add(&text, STR("MAIL FROM:<s@x>\r\n"));
	for (int i = 0; i < 30; i++)
		buffer_printf(&text, "RCPT TO:<s%d@x>\r\n", 100 + i);
	buffer_add(&text, STR("DATA\r\n"));
	peers_talk(&peers, arena_cstr(&peers.arena, buffer_str(&text)), 32);
	cr_assert_eq(peers_talk(&peers, TEXT, 30).len, strlen("250 ") * 30);
	cr_assert(peers.filters == 30 && peers.copy_count == 30 && peers.puts == 31);
	cr_assert_eq(metric_get(METRIC_BUS_REFUSED), refused, "never more than are let in");
	buffer_clear(&text);
	peers_stop(&peers);
}

Test(lmtp_actions, a_refusal_is_lines_of_ascii)
{
	static const struct {
		const char *text, *refusal;
	} cases[] = {
		{ "no", "no" },
		{ "\r\n one\r\ntwo\nthree\r\n\r\n", "one\ntwo\nthree" },
		{ "Gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac\x01", "Gr??e ? " },
		{ "", "" },
	};
	struct arena arena = { 0 };
	char text[LMTP_REFUSAL_LINE_MAX * 30];
	struct str refusal;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		refusal = lmtp_refusal(str_c(cases[i].text), &arena);
		cr_assert(str_equal(refusal, str_c(cases[i].refusal)), "case %zu: %.*s", i, STR_ARG(refusal));
	}
	memset(text, 'x', sizeof(text));
	cr_assert_eq(lmtp_refusal(str_from(text, sizeof(text)), &arena).len, (LMTP_REFUSAL_LINE_MAX + 1) * LMTP_REFUSAL_LINES_MAX - 1);
	arena_clear(&arena);
}
