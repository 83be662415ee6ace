/* A COMMIT whose outcome is unknown keeps everything and is settled by looking: nothing is done twice, nothing is taken back. */
#include "tests/services/metadata/filtered.h"
#include "tests/services/metadata/proxy.h"
#include "tests/services/metadata/world.h"

#include <stdlib.h>

/* The replicas, and whatever looks past them, connect through the proxy. */
static void
begin(void)
{
	const char *server = getenv("SORA_TEST_PG"), *at;
	char through[512];
	int port;

	cr_assert(server && (at = strstr(server, "port=")), "SORA_TEST_PG has no port");
	port = atoi(at + 5);
	snprintf(through, sizeof(through), "%.*sport=%d%s", (int)(at - server), server, proxy_start(port), at + 5 + strspn(at + 5, "0123456789"));
	setenv("SORA_TEST_PG", through, 1);
	world_begin();
}

TestSuite(metadata_commit, .init = begin, .fini = world_end);

static uint64_t account, inbox;

static void
do_append(void)
{
	(void)append(0, account, "INBOX", 0);
}

static void
do_deliver(void)
{
	enum err err = deliver(0, account, NULL, 10);

	cr_assert_eq(err, ERR_OK, "%s", err_row(err)->name);
}

/* All that a script can decide: its own marks must not be in its way when it is asked again. */
static void
do_filtered(void)
{
	MetadataDeliverRequest *req = filtered(account);
	enum err err;

	act(req);
	act_fileinto(req, "Archive");
	act_fileinto(req, "made")->create = true;
	act_send(req, "redirect", "", "to@example.com");
	claim(act_send(req, "vacation", "", "from@example.net"), "vacation", "from@example.net", METADATA_MARK__MODE__SKIP);
	claim(act(req), "duplicate", "an id", METADATA_MARK__MODE__RERUN);
	err = deliver_filtered(0, req);
	cr_assert_eq(err, ERR_OK, "%s", err_row(err)->name);
}

static void
do_store(void)
{
	(void)store(0, account, inbox, 1, UINT32_MAX, 0, 8);
}

static void
copy_or_move(enum err (*call)(struct bus_call *, const MetadataCopyRequest *, MetadataCopyReply **), uint32_t uid)
{
	MetadataCopyRequest req = METADATA_COPY_REQUEST__INIT;
	MetadataCopyReply *reply;
	enum err err;

	req.account = account;
	req.mailbox = inbox;
	req.n_uids = 1;
	req.uids = range(uid, uid);
	req.to = BIN("Archive");
	err = call(user(0, account), &req, &reply);
	cr_assert_eq(err, ERR_OK, "%s", err_row(err)->name);
}

static void
do_copy(void)
{
	copy_or_move(metadata_copy, 1);
}

static void
do_move(void)
{
	copy_or_move(metadata_move, 2);
}

static void
do_expunge(void)
{
	MetadataExpungeRequest req = METADATA_EXPUNGE_REQUEST__INIT;
	MetadataExpungeReply *reply;
	enum err err;

	req.account = account;
	req.mailbox = inbox;
	req.n_uids = 1;
	req.uids = range(1, UINT32_MAX);
	err = metadata_expunge(user(0, account), &req, &reply);
	cr_assert_eq(err, ERR_OK, "%s", err_row(err)->name);
}

static const struct {
	const char *name;
	void (*run)(void);
	int inbox, deleted, archive, outgoing; /* messages afterwards */
} cases[] = {
	{ "Append", do_append, 3, 0, 0, 0 },
	{ "Deliver", do_deliver, 3, 0, 0, 0 },
	{ "Deliver, filtered", do_filtered, 3, 0, 1, 2 },
	{ "Store", do_store, 2, 2, 0, 0 },
	{ "Copy", do_copy, 2, 0, 1, 0 },
	{ "Move", do_move, 1, 0, 1, 0 },
	{ "Expunge", do_expunge, 1, 0, 0, 0 },
};

static void
each_is_done_once(enum proxy_mode mode)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int cuts = proxy_cuts();

		account = make_account(arena_printf(&world.arena, "a%zu", i).ptr, 0);
		inbox = mailbox_of(account, "INBOX");
		(void)append(0, account, "INBOX", cases[i].run == do_expunge ? 8 : 0);
		(void)append(0, account, "INBOX", 0);
		proxy_set(mode);
		cases[i].run();
		cr_assert_eq(proxy_cuts(), cuts + 1, "%s: no COMMIT was cut", cases[i].name);
		cr_expect_eq(status_of(1, account, "INBOX")->messages, cases[i].inbox, "%s", cases[i].name);
		cr_expect_eq(status_of(1, account, "INBOX")->deleted, cases[i].deleted, "%s", cases[i].name);
		cr_expect_eq(status_of(1, account, "Archive")->messages, cases[i].archive, "%s", cases[i].name);
		cr_expect_eq(sql_int("SELECT count(*) FROM outbox WHERE account = %lld", (long long)account), cases[i].outgoing, "%s",
		    cases[i].name);
	}
	check_counts();
}

Test(metadata_commit, that_never_arrived_is_done_once, .timeout = 60)
{
	each_is_done_once(PROXY_CUT_BEFORE_COMMIT);
}

Test(metadata_commit, whose_answer_was_lost_is_done_once, .timeout = 60)
{
	each_is_done_once(PROXY_CUT_AFTER_COMMIT);
}

/* The first attempt's effects are nobody's to publish: who watches is told to look. */
Test(metadata_commit, whose_answer_was_lost_is_told_to_those_who_watch, .timeout = 60)
{
	MetadataWatchRequest req = METADATA_WATCH_REQUEST__INIT;
	ProtobufCBinaryData token;
	MetadataWatchReply *reply;
	enum err err;

	account = make_account("a", 0);
	req.watcher = 7;
	req.n_add = 1;
	req.add = &account;
	token = (ProtobufCBinaryData){ user(0, account)->token.len, (uint8_t *)user(0, account)->token.ptr };
	req.n_token = 1;
	req.token = &token;
	cr_assert_eq(metadata_watch(as(0, BUS_ROLE_IMAP), &req, &reply), ERR_OK);
	req.incarnation = reply->incarnation;
	req.after = reply->last;
	req.n_add = req.n_token = 0;
	req.wait = true;
	proxy_set(PROXY_CUT_AFTER_COMMIT);
	do_deliver();
	err = metadata_watch(as(0, BUS_ROLE_IMAP), &req, &reply);
	cr_assert_eq(err, ERR_OK, "%s", err_row(err)->name);
	cr_assert(reply->lost);
}

Test(metadata_commit, of_a_batch_that_is_unknown_does_each_call_once, .timeout = 60)
{
	enum { MANY = 40 };

	for (int mode = PROXY_CUT_BEFORE_COMMIT; mode <= PROXY_CUT_AFTER_COMMIT; mode++) {
		struct bus_call *calls = ARENA_ARRAY(&world.arena, struct bus_call, MANY);
		struct bus_future *futures[MANY];
		int cuts = proxy_cuts();

		account = make_account(mode == PROXY_CUT_BEFORE_COMMIT ? "a" : "b", 0);
		proxy_set((enum proxy_mode)mode);
		for (int i = 0; i < MANY; i++) {
			MetadataDeliverRequest *req = ARENA_NEW(&world.arena, MetadataDeliverRequest);
			MetadataDeliverRequest__Recipient *to = ARENA_NEW(&world.arena, MetadataDeliverRequest__Recipient);

			metadata_deliver_request__init(req);
			metadata_deliver_request__recipient__init(to);
			req->mail = make_mail(10);
			req->n_recipient = 1;
			req->recipient = ARENA_ARRAY(&world.arena, MetadataDeliverRequest__Recipient *, 1);
			req->recipient[0] = to;
			to->account = account;
			to->n_action = 1;
			to->action = ARENA_ARRAY(&world.arena, MetadataAction *, 1);
			to->action[0] = ARENA_NEW(&world.arena, MetadataAction);
			metadata_action__init(to->action[0]);
			calls[i] = *as(0, BUS_ROLE_LMTP);
			futures[i] = metadata_deliver_start(&calls[i], req);
		}
		for (int i = 0; i < MANY; i++) {
			MetadataDeliverReply *reply;

			cr_assert_eq(metadata_deliver_wait(futures[i], &reply), ERR_OK);
			cr_assert_eq(reply->result[0]->status, ERR_OK);
		}
		cr_assert_eq(proxy_cuts(), cuts + 1);
		cr_expect_eq(status_of(1, account, "INBOX")->messages, MANY);
	}
	check_counts();
}
