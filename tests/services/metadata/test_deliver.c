/* Delivery: each recipient its own result, once, into what is there. */
#include "tests/services/metadata/world.h"

TestSuite(metadata_deliver, .init = world_begin, .fini = world_end);

/* A request for `count` accounts, INBOX. */
static MetadataDeliverRequest *
request(size_t count, const uint64_t *accounts)
{
	MetadataDeliverRequest *req = ARENA_NEW(&world.arena, MetadataDeliverRequest);

	metadata_deliver_request__init(req);
	req->mail = make_mail(100);
	req->n_recipient = count;
	req->recipient = ARENA_ARRAY(&world.arena, MetadataDeliverRequest__Recipient *, count);
	for (size_t i = 0; i < count; i++) {
		MetadataDeliverRequest__Recipient *to = ARENA_NEW(&world.arena, MetadataDeliverRequest__Recipient);

		metadata_deliver_request__recipient__init(to);
		to->account = accounts[i];
		to->prefix = BIN("Return-Path: <>\r\n");
		to->n_action = 1;
		to->action = ARENA_ARRAY(&world.arena, MetadataAction *, 4);
		to->action[0] = ARENA_NEW(&world.arena, MetadataAction);
		metadata_action__init(to->action[0]);
		req->recipient[i] = to;
	}
	return req;
}

static MetadataDeliverReply *
send_it(int i, const MetadataDeliverRequest *req)
{
	MetadataDeliverReply *reply;

	cr_assert_eq(metadata_deliver(as(i, BUS_ROLE_LMTP), req, &reply), ERR_OK);
	return reply;
}

Test(metadata_deliver, every_recipient_has_its_own_result)
{
	uint64_t accounts[] = { make_account("a", 0), make_account("full", 50), 77, make_account("off", 0), make_account("gone", 0),
		make_account("b", 0) };
	static const enum err want[] = { ERR_OK, ERR_OVERQUOTA, ERR_NO_ACCOUNT, ERR_DISABLED, ERR_NO_ACCOUNT, ERR_OK };
	MetadataDeliverReply *reply;

	sql("UPDATE accounts SET state = 'disabled' WHERE account = %lld; UPDATE accounts SET state = 'deleted' WHERE account = %lld",
	    (long long)accounts[3], (long long)accounts[4]);
	reply = send_it(0, request(6, accounts));
	cr_assert_eq(reply->n_result, 6);
	for (size_t i = 0; i < 6; i++)
		cr_expect_eq(reply->result[i]->status, (uint32_t)want[i], "recipient %zu: %s", i, err_row(reply->result[i]->status)->name);
	cr_assert_eq(sql_int("SELECT count(DISTINCT blob) FROM messages"), 1);
	check_counts();
}

Test(metadata_deliver, a_transaction_that_comes_again_is_delivered_once)
{
	uint64_t accounts[] = { make_account("a", 0), make_account("full", 50) };
	MetadataDeliverRequest *req = request(2, accounts);
	MetadataDeliverReply *reply;

	req->transaction = BIN("a hash of sender and bytes, 32 b");
	reply = send_it(0, req);
	cr_assert(!reply->result[0]->again);
	cr_assert_eq(reply->result[1]->status, ERR_OVERQUOTA);
	/* Another try of the MTA: another key, another blob. There is room now for who had none. */
	sql("UPDATE usage SET limit_bytes = 0");
	req->mail = make_mail(100);
	reply = send_it(1, req);
	cr_assert_eq(reply->result[0]->status, ERR_OK);
	cr_assert(reply->result[0]->again);
	cr_assert_eq(reply->result[1]->status, ERR_OK);
	cr_assert(!reply->result[1]->again);
	cr_assert_eq(sql_int("SELECT count(*) FROM entries"), 2);
	check_counts();
}

Test(metadata_deliver, a_target_that_is_not_there_becomes_inbox)
{
	uint64_t account = make_account("a", 0);

	cr_assert_eq(deliver(0, account, "Junk", 10), ERR_OK);
	cr_assert_eq(deliver(0, account, "no such", 10), ERR_OK);
	cr_assert_eq(deliver(0, account, "bad \\ \xff name", 10), ERR_OK);
	cr_assert_eq(status_of(0, account, "Junk")->messages, 1);
	cr_assert_eq(status_of(0, account, "INBOX")->messages, 2);
}

Test(metadata_deliver, several_actions_are_one_message_in_several_mailboxes)
{
	uint64_t account = make_account("a", 0);
	MetadataDeliverRequest *req = request(1, &account);
	ProtobufCBinaryData word = BIN("$Label");

	for (int i = 1; i < 4; i++) {
		req->recipient[0]->action[i] = ARENA_NEW(&world.arena, MetadataAction);
		metadata_action__init(req->recipient[0]->action[i]);
	}
	req->recipient[0]->n_action = 4;
	req->recipient[0]->action[1]->fileinto = BIN("Archive");
	req->recipient[0]->action[1]->flags = METADATA_FLAG__METADATA_SEEN;
	req->recipient[0]->action[1]->n_keyword = 1;
	req->recipient[0]->action[1]->keyword = &word;
	req->recipient[0]->action[2]->fileinto = BIN("inbox");
	req->recipient[0]->action[2]->flags = METADATA_FLAG__METADATA_FLAGGED;
	req->recipient[0]->action[3]->fileinto = BIN("Junk");
	cr_assert_eq(send_it(0, req)->result[0]->status, ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM entries"), 3);
	cr_assert_eq(select_all(0, account, "INBOX")->rows->flags[0], METADATA_FLAG__METADATA_FLAGGED);
	cr_assert_eq(select_all(0, account, "Archive")->rows->flags[0], METADATA_FLAG__METADATA_SEEN);
	cr_assert_eq(select_all(0, account, "Archive")->rows->n_keywords, 3);
	check_counts();
}

Test(metadata_deliver, a_blob_of_more_than_an_hour_ago_is_refused)
{
	uint64_t account = make_account("a", 0);
	MetadataDeliverRequest *req = request(1, &account);

	req->transaction = BIN("some transaction");
	req->transaction.len = 12;
	req->mail->put_ms -= 3601 * 1000;
	cr_assert_eq(send_it(0, req)->result[0]->status, ERR_STALE);
	req->mail->put_ms += 100 * 1000;
	cr_assert_eq(send_it(0, req)->result[0]->status, ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM entries"), 1);
}

Test(metadata_deliver, an_append_refuses_a_blob_of_more_than_an_hour_ago)
{
	uint64_t account = make_account("a", 0);
	MetadataAppendRequest *req = append_request(account, "INBOX", make_mail(100));
	MetadataAppendReply *reply;

	req->mail[0]->mail->put_ms -= 3601 * 1000;
	cr_assert_eq(metadata_append(user(0, account), req, &reply), ERR_STALE);
	req->mail[0]->mail->put_ms += 100 * 1000;
	cr_assert_eq(metadata_append(user(0, account), req, &reply), ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM entries"), 1);
	check_counts();
}

Test(metadata_deliver, many_at_once_share_transactions_and_all_arrive, .timeout = 60)
{
	enum { MANY = 600 };
	uint64_t account = make_account("a", 0);
	MetadataDeliverRequest *req = request(1, &account);
	struct bus_future **futures = ARENA_ARRAY(&world.arena, struct bus_future *, MANY);
	struct bus_call *calls = ARENA_ARRAY(&world.arena, struct bus_call, MANY);
	int64_t begun = clock_mono_ms();

	for (int i = 0; i < MANY; i++) {
		calls[i] = *as(i % 2, BUS_ROLE_LMTP);
		futures[i] = metadata_deliver_start(&calls[i], req);
	}
	for (int i = 0; i < MANY; i++) {
		MetadataDeliverReply *reply;

		cr_assert_eq(metadata_deliver_wait(futures[i], &reply), ERR_OK);
		cr_assert_eq(reply->result[0]->status, ERR_OK);
	}
	printf("%d deliveries to one mailbox, all at once: %lld a second\n", MANY, MANY * 1000LL / (long long)(clock_mono_ms() - begun + 1));
	cr_assert_eq(status_of(0, account, "INBOX")->messages, MANY);
	cr_assert_eq(sql_int("SELECT count(DISTINCT modseq) FROM entries"), MANY);
	check_counts();
}
