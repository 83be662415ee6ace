/* What scripts decide is done in one transaction for each account: all of it, once. */
#include <unistd.h>

#include "tests/services/metadata/filtered.h"

TestSuite(metadata_filtered, .init = world_begin, .fini = world_end);

static int64_t
entries_in(uint64_t account, const char *mailbox)
{
	return sql_int("SELECT count(*) FROM entries n JOIN mailboxes m USING (account, mailbox) WHERE account = %lld AND name = '%s'",
	    (long long)account, mailbox);
}

static int64_t
outbox(const char *condition)
{
	return sql_int("SELECT count(*) FROM outbox WHERE %s", condition);
}

Test(metadata_filtered, a_copy_goes_where_number_use_or_name_say_and_else_into_inbox)
{
	uint64_t account = make_account("a", 0);
	const struct {
		const char *name;
		uint32_t use;
		const char *number_of;
		bool create;
		const char *want;
	} rows[] = {
		{ "Trash", METADATA_ATTRIBUTE__METADATA_JUNK, "Archive", true, "Archive" },
		{ "Trash", METADATA_ATTRIBUTE__METADATA_JUNK, NULL, true, "Junk" },
		{ "Sent", 0, NULL, true, "Sent" },
		{ "made/below", 0, NULL, true, "made/below" },
		{ "not made", 0, NULL, false, "INBOX" },
		{ "bad\x01name", 0, NULL, true, "INBOX" },
		{ "Shared/of others", 0, NULL, true, "INBOX" },
		{ "inbox", 0, NULL, false, "INBOX" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		MetadataDeliverRequest *req = filtered(account);
		MetadataAction *action = act_fileinto(req, rows[i].name);
		int64_t before;

		action->special_use = rows[i].use;
		action->mailbox = rows[i].number_of ? mailbox_of(account, rows[i].number_of) : 0;
		action->create = rows[i].create;
		before = entries_in(account, rows[i].want);
		cr_assert_eq(deliver_filtered(0, req), ERR_OK, "row %zu", i);
		cr_expect_eq(entries_in(account, rows[i].want), before + 1, "row %zu: %s", i, rows[i].want);
	}
	check_counts();
}

/* RFC 8579 s. 4 */
Test(metadata_filtered, of_several_mailboxes_with_a_use_the_one_that_is_named_is_taken)
{
	uint64_t account = make_account("a", 0);
	const char *names[] = { "Junk", "Trash" };

	sql("UPDATE mailboxes SET attributes = %d WHERE account = %lld AND name = 'Trash'", METADATA_ATTRIBUTE__METADATA_JUNK, (long long)account);
	for (size_t i = 0; i < 2; i++) {
		MetadataDeliverRequest *req = filtered(account);

		act_fileinto(req, names[i])->special_use = METADATA_ATTRIBUTE__METADATA_JUNK;
		cr_assert_eq(deliver_filtered(0, req), ERR_OK);
		cr_expect_eq(entries_in(account, names[i]), 1, "%s", names[i]);
	}
	check_counts();
}

Test(metadata_filtered, a_mailbox_that_is_made_gets_its_use_its_parents_and_a_subscription_once)
{
	uint64_t account = make_account("a", 0);
	MetadataDeliverRequest *req = filtered(account);
	int64_t version = sql_int("SELECT version FROM namespace WHERE account = %lld", (long long)account);

	sql("UPDATE mailboxes SET attributes = 0 WHERE account = %lld AND name = 'Archive'", (long long)account);
	for (int i = 0; i < 2; i++) {
		MetadataAction *action = act_fileinto(req, "old/Mail");

		action->special_use = METADATA_ATTRIBUTE__METADATA_ARCHIVE;
		action->create = true;
		action->flags = i ? METADATA_FLAG__METADATA_SEEN : METADATA_FLAG__METADATA_FLAGGED;
	}
	cr_assert_eq(deliver_filtered(0, req), ERR_OK);
	cr_assert_eq(sql_int("SELECT attributes FROM mailboxes WHERE name = 'old/Mail'"), METADATA_ATTRIBUTE__METADATA_ARCHIVE);
	cr_assert_eq(sql_int("SELECT count(*) FROM mailboxes WHERE name = 'old'"), 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM subscriptions WHERE name = 'old/Mail'"), 1);
	cr_assert_gt(sql_int("SELECT version FROM namespace WHERE account = %lld", (long long)account), version);
	cr_assert_eq(entries_in(account, "old/Mail"), 1, "twice the same is once");
	cr_assert_eq(sql_int("SELECT flags FROM entries"), METADATA_FLAG__METADATA_SEEN | METADATA_FLAG__METADATA_FLAGGED);
	check_counts();
}

Test(metadata_filtered, a_mail_of_its_own_is_a_message_of_its_own)
{
	uint64_t account = make_account("a", 0);
	MetadataDeliverRequest *req = filtered(account);
	MetadataMail *variant = make_mail(300);

	act(req);
	for (int i = 0; i < 2; i++) {
		MetadataAction *action = act_fileinto(req, i ? "Archive" : "INBOX");

		action->mail = variant;
		action->prefix = BIN("X-Edited: yes\r\n");
	}
	cr_assert_eq(deliver_filtered(0, req), ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 2);
	cr_assert_eq(entries_in(account, "INBOX"), 2);
	cr_assert_eq(sql_int("SELECT count(DISTINCT message) FROM entries WHERE size = 315"), 1);
	cr_assert_eq(sql_int("SELECT bytes FROM usage WHERE account = %lld", (long long)account), 117 + 2 * 315);
	check_counts();
}

Test(metadata_filtered, a_redirect_alone_and_a_discard_leave_no_copy_and_are_done_once)
{
	uint64_t account = make_account("a", 0);
	MetadataDeliverRequest *redirect = filtered(account), *discard = filtered(account);

	act_send(redirect, "redirect", "from@example.net", "to@Example.COM");
	act(discard)->discard = true;
	redirect->transaction = BIN("a redirect");
	discard->transaction = BIN("a discard");
	for (int i = 0; i < 2; i++) {
		MetadataDeliverReply__Result *result = deliver_result(i, redirect);

		cr_assert_eq(result->status, ERR_OK);
		cr_assert_eq(result->again, i == 1);
		result = deliver_result(i, discard);
		cr_assert_eq(result->status, ERR_OK);
		cr_assert_eq(result->again, i == 1);
		/* The MTA's next try has another body. */
		redirect->mail = make_mail(100);
	}
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 0);
	cr_assert_eq(outbox("kind = 'redirect' AND sender = 'from@example.net' AND recipient = 'to@Example.COM' AND domain = 'example.com'"
			    " AND message_id = '<one@example.org>' AND blob_size = 100 AND token = 0 AND due_ms <= now_ms()"), 1);
	cr_assert_eq(outbox("true"), 1);
	check_counts();
}

Test(metadata_filtered, a_second_call_with_the_key_finds_it_done)
{
	uint64_t account = make_account("a", 0);
	MetadataDeliverRequest *req = filtered(account);
	struct bus_call *call = as(0, BUS_ROLE_LMTP), twin;
	MetadataDeliverReply *reply;

	act_send(req, "redirect", "", "to@example.com");
	bus_call_key(call);
	twin = *call;
	twin.bus = world.bus[1];
	cr_assert_eq(metadata_deliver(call, req, &reply), ERR_OK);
	cr_assert_eq(metadata_deliver(&twin, req, &reply), ERR_OK);
	cr_assert_eq(reply->result[0]->status, ERR_OK);
	cr_assert_eq(outbox("true"), 1);
}

Test(metadata_filtered, all_is_refused_or_nothing)
{
	uint64_t account = make_account("a", 200);
	MetadataDeliverRequest *req = filtered(account);
	MetadataAction *reply;

	act(req);
	act_fileinto(req, "Archive");
	act_fileinto(req, "made")->create = true;
	act_send(req, "redirect", "", "to@example.com");
	reply = act_send(req, "vacation", "", "from@example.net");
	claim(reply, "vacation", "someone", METADATA_MARK__MODE__SKIP);
	req->transaction = BIN("over quota");
	cr_assert_eq(deliver_filtered(0, req), ERR_OVERQUOTA);
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 0);
	cr_assert_eq(sql_int("SELECT count(*) FROM mailboxes WHERE name = 'made'"), 0);
	cr_assert_eq(sql_int("SELECT count(*) FROM marks"), 0, "a reply that was not sent does not count");
	cr_assert_eq(outbox("true"), 0);
	sql("UPDATE usage SET limit_bytes = 0");
	cr_assert_eq(deliver_filtered(1, req), ERR_OK);
	cr_assert_eq(outbox("true"), 2);
	cr_assert_eq(sql_int("SELECT count(*) FROM entries"), 3);
	check_counts();
}

Test(metadata_filtered, without_a_copy_the_quota_does_not_matter)
{
	uint64_t account = make_account("a", 10);
	MetadataDeliverRequest *req = filtered(account);

	sql("UPDATE usage SET bytes = 20");
	act_send(req, "redirect", "", "to@example.com");
	cr_assert_eq(deliver_filtered(0, req), ERR_OK);
	sql("UPDATE usage SET bytes = 0");
	check_counts();
}

Test(metadata_filtered, a_state_of_the_account_holds_for_what_goes_out_too)
{
	uint64_t account = make_account("a", 0);
	MetadataDeliverRequest *req = filtered(account), *nobody = filtered(77);

	act_send(req, "redirect", "", "to@example.com");
	act_send(nobody, "redirect", "", "to@example.com");
	cr_assert_eq(deliver_filtered(0, nobody), ERR_NO_ACCOUNT);
	sql("UPDATE accounts SET state = 'disabled'");
	cr_assert_eq(deliver_filtered(0, req), ERR_DISABLED);
	sql("UPDATE accounts SET state = 'deleted'");
	cr_assert_eq(deliver_filtered(0, req), ERR_NO_ACCOUNT);
	sql("UPDATE accounts SET state = 'active'");
	req->mail->put_ms -= 3601 * 1000;
	cr_assert_eq(deliver_filtered(0, req), ERR_STALE, "its body may be gone before it is sent");
	cr_assert_eq(outbox("true"), 0);
}

Test(metadata_filtered, a_vacation_mark_that_is_taken_drops_the_reply_and_its_copy_alone)
{
	uint64_t account = make_account("a", 0);

	for (int i = 0; i < 3; i++) {
		MetadataDeliverRequest *req = filtered(account);
		MetadataAction *reply, *copy;

		act(req);
		reply = act_send(req, "vacation", "", "from@example.net");
		reply->mail = make_mail(50);
		claim(reply, "vacation", "someone", METADATA_MARK__MODE__SKIP);
		copy = act_fileinto(req, "Sent");
		copy->mail = reply->mail;
		claim(copy, "vacation", "someone", METADATA_MARK__MODE__SKIP);
		cr_assert_eq(deliver_filtered(i % 2, req), ERR_OK);
		cr_expect_eq(outbox("kind = 'vacation'"), i < 2 ? 1 : 2, "delivery %d", i);
		cr_expect_eq(entries_in(account, "Sent"), i < 2 ? 1 : 2);
		if (i == 1)
			sql("UPDATE marks SET until_ms = now_ms()");
	}
	cr_assert_eq(entries_in(account, "INBOX"), 3);
	check_counts();
}

Test(metadata_filtered, a_duplicate_mark_that_is_taken_means_again_and_nothing_is_done)
{
	uint64_t account = make_account("a", 0);
	MetadataDeliverRequest *req = filtered(account);
	int64_t until;

	act(req);
	act_send(req, "redirect", "", "to@example.com");
	claim(act(req), "duplicate", "an id", METADATA_MARK__MODE__RERUN);
	claim(act(req), "duplicate", "a further", METADATA_MARK__MODE__RERUN);
	req->transaction = BIN("with duplicates");
	sql("INSERT INTO marks VALUES (%lld, 'duplicate', 'an id', now_ms() + 1000000)", (long long)account);
	cr_assert_eq(deliver_filtered(0, req), ERR_RERUN);
	cr_assert_eq(sql_int("SELECT count(*) FROM marks"), 1, "the other one is free again");
	cr_assert_eq(sql_int("SELECT count(*) FROM messages") + outbox("true"), 0);
	/* It is known now, and prolonged. */
	req->recipient[0]->action[2]->claim->mode = METADATA_MARK__MODE__PROLONG;
	until = sql_int("SELECT until_ms FROM marks");
	cr_assert_eq(deliver_filtered(1, req), ERR_OK);
	cr_assert_gt(sql_int("SELECT until_ms FROM marks WHERE mark = 'an id'"), until);
	cr_assert_eq(sql_int("SELECT count(*) FROM marks"), 2);
	cr_assert_eq(sql_int("SELECT count(*) FROM messages") + outbox("true"), 2);
	check_counts();
}

static void
wait_until_blocked(int64_t sessions)
{
	while (sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") < sessions)
		usleep(5000);
}

Test(metadata_filtered, a_mark_for_ever_is_for_a_hundred_years)
{
	MetadataDeliverRequest *req = filtered(make_account("a", 0));

	claim(act(req), "duplicate", "an id", METADATA_MARK__MODE__RERUN)->life_ms = INT64_MAX;
	cr_assert_eq(deliver_filtered(0, req), ERR_OK);
	cr_assert_eq(deliver_filtered(0, req), ERR_RERUN);
}

/* Whose reply it is, is known when the first has committed, or has not. */
Test(metadata_filtered, two_who_claim_a_mark_at_once_send_one_reply, .timeout = 30)
{
	static const struct {
		const char *end;
		int replies;
	} rows[] = { { "COMMIT", 0 }, { "ROLLBACK", 1 } };

	for (size_t i = 0; i < 2; i++) {
		uint64_t account = make_account(i ? "b" : "a", 0);
		MetadataDeliverRequest *req = filtered(account);
		struct bus_call call = *as(0, BUS_ROLE_LMTP);
		struct bus_future *future;
		MetadataDeliverReply *reply;

		act(req);
		claim(act_send(req, "vacation", "", "from@example.net"), "vacation", "someone", METADATA_MARK__MODE__SKIP);
		sql("BEGIN; INSERT INTO marks VALUES (%lld, 'vacation', 'someone', now_ms() + 1000000)", (long long)account);
		future = metadata_deliver_start(&call, req);
		wait_until_blocked(1);
		sql("%s", rows[i].end);
		cr_assert_eq(metadata_deliver_wait(future, &reply), ERR_OK);
		cr_assert_eq(reply->result[0]->status, ERR_OK);
		cr_expect_eq(sql_int("SELECT count(*) FROM outbox WHERE account = %lld", (long long)account), rows[i].replies, "%s", rows[i].end);
	}
	check_counts();
}

/* The same call at two replicas, while the mailbox is held; and the same mail by two calls. */
Test(metadata_filtered, twins_that_run_at_the_same_time_are_done_once, .timeout = 30)
{
	for (int same_key = 0; same_key < 2; same_key++) {
		uint64_t account = make_account(same_key ? "b" : "a", 0);
		MetadataDeliverRequest *req = filtered(account);
		struct bus_call calls[2] = { *as(0, BUS_ROLE_LMTP), *as(1, BUS_ROLE_LMTP) };
		struct bus_future *futures[2];

		act_send(req, "redirect", "", "to@example.com");
		act(req);
		claim(act(req), "duplicate", "an id", METADATA_MARK__MODE__RERUN);
		req->transaction = same_key ? BIN("") : BIN("one transaction");
		bus_call_key(&calls[0]);
		if (same_key) {
			calls[1].key = calls[0].key;
			calls[1].has_key = true;
		}
		sql("BEGIN; SELECT mailbox_lock(%lld, %lld)", (long long)account, (long long)mailbox_of(account, "INBOX"));
		for (int i = 0; i < 2; i++)
			futures[i] = metadata_deliver_start(&calls[i], req);
		wait_until_blocked(2);
		sql("COMMIT");
		for (int i = 0; i < 2; i++) {
			MetadataDeliverReply *reply;

			cr_assert_eq(metadata_deliver_wait(futures[i], &reply), ERR_OK);
			cr_expect_eq(reply->result[0]->status, ERR_OK, "%s", err_row(reply->result[0]->status)->name);
		}
		cr_expect_eq(sql_int("SELECT count(*) FROM outbox WHERE account = %lld", (long long)account), 1);
		cr_expect_eq(sql_int("SELECT count(*) FROM entries WHERE account = %lld", (long long)account), 1);
	}
	check_counts();
}

Test(metadata_filtered, what_makes_no_sense_is_refused)
{
	static const char long_line[1001] = "a";
	uint64_t account = make_account("a", 0);

	for (int i = 0; i < 9; i++) {
		MetadataDeliverRequest *req = filtered(account);
		MetadataAction *action = act_send(req, "redirect", "a@example.com", "b@example.com");

		claim(action, "vacation", "key", 0);
		switch (i) {
		case 0: action->send->kind = BIN("Red irect"); break;
		case 1: action->send->recipient = BIN(""); break;
		case 2: action->send->recipient = BIN("a@example.com\r\nRCPT TO:<b@example.com"); break;
		case 3: action->send->sender = BIN("a\n"); break;
		case 4: action->send->sender = (ProtobufCBinaryData){ .len = 1001, .data = (uint8_t *)long_line }; break;
		case 5: action->send->message_id = BIN("<a\n>"); break;
		case 6: action->claim->key = BIN(""); break;
		case 7: action->claim->kind = BIN("'; DROP TABLE marks"); break;
		case 8: action->claim->life_ms = -1; break;
		}
		cr_expect_eq(deliver_filtered(0, req), ERR_INVALID, "case %d", i);
	}
	cr_assert_eq(outbox("true"), 0);
}

Test(metadata_filtered, lookup_answers_in_the_order_of_the_questions)
{
	uint64_t account = make_account("a", 0);
	MetadataLookupRequest req = METADATA_LOOKUP_REQUEST__INIT;
	MetadataLookupReply *reply;
	MetadataMark marks[2] = { METADATA_MARK__INIT, METADATA_MARK__INIT }, *mark[] = { &marks[0], &marks[1] };
	ProtobufCBinaryData names[] = { BIN("none"), BIN("inbox"), BIN("Junk"), BIN("not selectable") };
	uint32_t uses[] = { METADATA_ATTRIBUTE__METADATA_SENT, METADATA_ATTRIBUTE__METADATA_TRASH, 1, 0, METADATA_ATTRIBUTE__METADATA_JUNK,
		METADATA_ATTRIBUTE__METADATA_JUNK, METADATA_ATTRIBUTE__METADATA_JUNK };
	ProtobufCBinaryData uses_of[] = { BIN(""), BIN(""), BIN(""), BIN(""), BIN("Spam"), BIN("Sent"), BIN("") };
	uint64_t numbers[] = { mailbox_of(account, "Archive"), 4711 };

	sql("UPDATE mailboxes SET attributes = 1 WHERE account = %lld AND name = 'Trash'", (long long)account);
	sql("INSERT INTO mailboxes VALUES (%lld, 99, 'not selectable', 1, 0)", (long long)account);
	sql("INSERT INTO marks VALUES (%lld, 'duplicate', 'old', now_ms()), (%lld, 'duplicate', 'new', now_ms() + 100000)", (long long)account,
	    (long long)account);
	sql("INSERT INTO mailboxes VALUES (%lld, 100, 'Spam', 64, 0)", (long long)account);
	req.account = account;
	req.n_name = 4;
	req.name = names;
	req.n_special_use = req.n_special_use_of = 7;
	req.special_use = uses;
	req.special_use_of = uses_of;
	req.n_mailbox = 2;
	req.mailbox = numbers;
	req.n_mark = 2;
	req.mark = mark;
	marks[0].kind = marks[1].kind = BIN("duplicate");
	marks[0].key = BIN("old");
	marks[1].key = BIN("new");
	cr_assert_eq(metadata_lookup(as(0, BUS_ROLE_LMTP), &req, &reply), ERR_OK);
	cr_assert(reply->n_name == 4 && reply->n_special_use == 7 && reply->n_mailbox == 2 && reply->n_taken == 2);
	cr_expect(reply->name[0]->mailbox == 0 && reply->name[2]->mailbox == mailbox_of(account, "Junk") && reply->name[3]->mailbox == 0);
	cr_expect_eq(reply->name[1]->name.len, 5);
	cr_expect_eq(memcmp(reply->name[1]->name.data, "INBOX", 5), 0);
	cr_expect_eq(reply->special_use[0]->mailbox, mailbox_of(account, "Sent"));
	cr_expect(reply->special_use[1]->mailbox == 0 && reply->special_use[2]->mailbox == 0 && reply->special_use[3]->mailbox == 0);
	/* RFC 8579 s. 3: of two that share a use each is asked for by its name. */
	cr_expect(reply->special_use[4]->mailbox == 100 && reply->special_use[5]->mailbox == 0);
	cr_expect_eq(reply->special_use[6]->mailbox, mailbox_of(account, "Junk"));
	cr_expect(reply->mailbox[0]->mailbox == numbers[0] && reply->mailbox[1]->mailbox == 0);
	cr_expect(!reply->taken[0] && reply->taken[1]);
}
