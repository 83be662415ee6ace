/* Mail on its way out: leases, turns, ends, and what the operator does. */
#include <pthread.h>

#include "tests/services/metadata/filtered.h"

TestSuite(metadata_outbox, .init = world_begin, .fini = world_end);

/* A mail from a@example.net to `recipient`, whose body is not a message's. */
static void
put_item(uint64_t account, const char *recipient)
{
	MetadataDeliverRequest *req = filtered(account);

	act_send(req, "redirect", "a@example.net", recipient);
	cr_assert_eq(deliver_filtered(0, req), ERR_OK);
}

static MetadataLeaseOutboxReply *
lease_with(int i, MetadataLeaseOutboxRequest *req)
{
	struct bus_call *call = as(i, BUS_ROLE_WORKER);
	MetadataLeaseOutboxReply *reply;
	enum err err;

	req->owner = BIN("a worker");
	req->lease_ms = 60000;
	err = metadata_lease_outbox(call, req, &reply);
	cr_assert_eq(err, ERR_OK, "%s: %.*s", err_row(err)->name, STR_ARG(call->detail));
	return reply;
}

static MetadataLeaseOutboxReply *
lease(int i, uint64_t after)
{
	MetadataLeaseOutboxRequest req = METADATA_LEASE_OUTBOX_REQUEST__INIT;

	req.after = after;
	return lease_with(i, &req);
}

static enum err
renew(MetadataLease *held)
{
	MetadataRenewLeaseRequest req = METADATA_RENEW_LEASE_REQUEST__INIT;

	req.lease = held;
	req.lease_ms = 60000;
	return metadata_renew_lease(as(0, BUS_ROLE_WORKER), &req, NULL);
}

static enum err
finish(MetadataLease *held, int outcome, MetadataMail *bounce)
{
	MetadataFinishOutboxRequest req = METADATA_FINISH_OUTBOX_REQUEST__INIT;

	req.lease = held;
	req.outcome = outcome;
	req.reply = BIN("451 4.7.1 later");
	req.delay_ms = 300 * 1000;
	req.counts = true;
	req.bounce = bounce;
	req.bounce_message_id = BIN("<bounce@example.org>");
	return metadata_finish_outbox(as(1, BUS_ROLE_WORKER), &req, NULL);
}

static void
lease_ends(void)
{
	sql("UPDATE outbox SET due_ms = now_ms() WHERE token <> 0");
}

enum { DEFERRED = METADATA_FINISH_OUTBOX_REQUEST__OUTCOME__DEFERRED, SENT = METADATA_FINISH_OUTBOX_REQUEST__OUTCOME__SENT,
	GAVE_UP = METADATA_FINISH_OUTBOX_REQUEST__OUTCOME__GAVE_UP };

Test(metadata_outbox, what_is_leased_is_nobody_elses_until_the_lease_ends)
{
	MetadataLeaseOutboxReply *first, *second;

	put_item(make_account("a", 0), "b@Example.COM");
	first = lease(0, 0);
	cr_assert(first->found);
	cr_assert_eq(first->domain.len, 11);
	cr_assert_eq(memcmp(first->domain.data, "example.com", 11), 0);
	cr_assert(!lease(1, 0)->found);
	cr_assert_eq(renew(first->lease), ERR_OK);
	lease_ends();
	second = lease(1, 0);
	cr_assert(second->found);
	cr_assert_eq(second->lease->item, first->lease->item);
	cr_assert_eq(memcmp(second->message_id.data, first->message_id.data, first->message_id.len), 0);
	/* He who was late must not say anything of it any more. */
	cr_assert_eq(renew(first->lease), ERR_NONEXISTENT);
	for (int outcome = DEFERRED; outcome <= GAVE_UP; outcome++)
		cr_assert_eq(finish(first->lease, outcome, NULL), ERR_NONEXISTENT);
	cr_assert_eq(finish(second->lease, SENT, NULL), ERR_OK);
	cr_assert_eq(finish(second->lease, SENT, NULL), ERR_NONEXISTENT, "once");
	cr_assert(!lease(0, 0)->found);
}

static void *
lease_many(void *ret)
{
	struct arena arena = { 0 };
	uint64_t *items = ret, after = 0;
	struct bus_call call = { .bus = world.bus[0], .arena = &arena, .role = BUS_ROLE_WORKER, .log = { .service = "test" } };

	for (size_t n = 0; n < 40;) {
		MetadataLeaseOutboxRequest req = METADATA_LEASE_OUTBOX_REQUEST__INIT;
		MetadataLeaseOutboxReply *reply;

		req.after = after;
		req.lease_ms = 60000;
		if (metadata_lease_outbox(&call, &req, &reply) != ERR_OK || (!reply->found && reply->at_end && after == 0))
			break;
		after = reply->after;
		if (reply->found)
			items[n++] = reply->lease->item;
	}
	arena_clear(&arena);
	return NULL;
}

Test(metadata_outbox, two_who_lease_at_the_same_time_never_get_the_same)
{
	uint64_t account = make_account("a", 0), items[2][40] = { 0 };
	pthread_t threads[2];
	size_t total = 0;

	sql("INSERT INTO outbox (account, kind, sender, recipient, domain, message_id, blob, blob_size, prefix)"
	    " SELECT %lld + i %% 3, 'redirect', '', 'b@c', 'c', '', '\\x00', 1, '' FROM generate_series(1, 30) i", (long long)account);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, lease_many, items[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 40; i++) {
		total += (items[0][i] != 0) + (items[1][i] != 0);
		for (int j = 0; j < 40; j++)
			cr_assert(items[0][i] == 0 || items[0][i] != items[1][j], "item %llu twice", (unsigned long long)items[0][i]);
	}
	cr_assert_eq(total, 30);
}

/* A lease that is not committed yet is not waited for. */
Test(metadata_outbox, what_another_is_just_leasing_is_passed_over, .timeout = 30)
{
	uint64_t account = make_account("a", 0);
	MetadataLeaseOutboxReply *reply;

	put_item(account, "one@example.com");
	put_item(account, "two@example.com");
	sql("BEGIN; SELECT outbox_lease(0, 1000, '{}', '{}', 'another', 7, 60000)");
	reply = lease(1, 0);
	cr_assert(reply->found);
	cr_assert_eq(memcmp(reply->recipient.data, "two", 3), 0);
	cr_assert(!lease(0, 0)->found);
	sql("COMMIT");
	cr_assert(!lease(0, 0)->found);
	cr_assert_eq(sql_int("SELECT count(*) FROM outbox WHERE token = 7"), 1);
}

Test(metadata_outbox, accounts_take_turns_however_many_one_has)
{
	uint64_t accounts[3] = { 10, 20, 30 }, after = 0;
	int taken[3] = { 0 };

	sql("INSERT INTO outbox (account, kind, sender, recipient, domain, message_id, blob, blob_size, prefix)"
	    " SELECT 20, 'redirect', '', 'b@c', 'c', '', '\\x00', 1, '' FROM generate_series(1, 5000) i;"
	    " INSERT INTO outbox (account, due_ms, kind, sender, recipient, domain, message_id, blob, blob_size, prefix)"
	    " VALUES (10, now_ms() + 100000, 'redirect', '', 'b@c', 'c', '', '\\x00', 1, ''), (10, 1, 'redirect', '', 'b@c', 'c', '', '\\x00', 1, ''),"
	    " (30, now_ms(), 'redirect', '', 'b@c', 'c', '', '\\x00', 1, '')");
	for (int i = 0; i < 8; i++) {
		MetadataLeaseOutboxReply *reply = lease(i % 2, after);

		after = reply->at_end ? 0 : reply->after;
		for (int a = 0; a < 3 && reply->found; a++)
			taken[a] += reply->lease->account == accounts[a];
	}
	cr_assert_eq(taken[0], 1);
	cr_assert_eq(taken[2], 1);
	cr_assert_geq(taken[1], 2);
}

Test(metadata_outbox, who_has_his_share_waits)
{
	MetadataLeaseOutboxRequest req = METADATA_LEASE_OUTBOX_REQUEST__INIT;
	uint64_t account = make_account("a", 0), full;
	ProtobufCBinaryData domain = BIN("slow.example");
	MetadataLeaseOutboxReply *reply;

	put_item(account, "one@slow.example");
	put_item(account, "two@quick.example");
	req.n_full_domain = 1;
	req.full_domain = &domain;
	reply = lease_with(0, &req);
	cr_assert(reply->found);
	cr_assert_eq(memcmp(reply->recipient.data, "two", 3), 0);
	cr_assert(!lease_with(0, &req)->found);
	full = account;
	req = (MetadataLeaseOutboxRequest)METADATA_LEASE_OUTBOX_REQUEST__INIT;
	req.n_full_account = 1;
	req.full_account = &full;
	cr_assert(!lease_with(0, &req)->found);
	cr_assert(lease(0, 0)->found);
}

Test(metadata_outbox, what_is_put_off_comes_when_it_is_due)
{
	MetadataLeaseOutboxReply *held;

	put_item(make_account("a", 0), "b@example.com");
	held = lease(0, 0);
	cr_assert_eq(finish(held->lease, DEFERRED, NULL), ERR_OK);
	cr_assert(!lease(0, 0)->found);
	cr_assert_eq(sql_int("SELECT count(*) FROM outbox WHERE attempts = 1 AND token = 0 AND owner = '' AND reply = '451 4.7.1 later'"
			     " AND due_ms - now_ms() BETWEEN 290000 AND 300000"), 1);
	sql("UPDATE outbox SET due_ms = now_ms()");
	held = lease(0, 0);
	cr_assert(held->found);
	cr_assert_eq(held->attempts, 1);
}

Test(metadata_outbox, the_bounce_takes_the_place_of_what_is_given_up_and_has_none_itself)
{
	uint64_t account = make_account("a", 0);
	MetadataMail *bounce = make_mail(500);
	MetadataLeaseOutboxReply *held;

	put_item(account, "b@example.com");
	held = lease(0, 0);
	bounce->put_ms -= 3601 * 1000;
	cr_assert_eq(finish(held->lease, GAVE_UP, bounce), ERR_STALE);
	bounce->put_ms += 3601 * 1000;
	cr_assert_eq(finish(held->lease, GAVE_UP, bounce), ERR_OK);
	cr_assert_eq(finish(held->lease, GAVE_UP, bounce), ERR_NONEXISTENT);
	cr_assert_eq(sql_int("SELECT count(*) FROM outbox WHERE kind = 'bounce' AND sender = '' AND recipient = 'a@example.net'"
			     " AND domain = 'example.net' AND message_id = '<bounce@example.org>' AND blob_size = 500"), 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions"), 1, "the body of what was given up");
	held = lease(0, 0);
	cr_assert_eq(held->sender.len, 0);
	cr_assert_eq(finish(held->lease, GAVE_UP, make_mail(600)), ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM outbox"), 0, "a bounce of a bounce");
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions"), 2);
}

Test(metadata_outbox, a_body_is_wanted_until_its_last_mail_has_gone)
{
	uint64_t account = make_account("a", 0);
	MetadataDeliverRequest *req = filtered(account);

	act_send(req, "redirect", "", "one@example.com");
	act_send(req, "redirect", "", "two@example.com");
	cr_assert_eq(deliver_filtered(0, req), ERR_OK);
	cr_assert_eq(finish(lease(0, 0)->lease, SENT, NULL), ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions"), 0);
	cr_assert_eq(finish(lease(0, 0)->lease, SENT, NULL), ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions"), 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions WHERE blob_is_wanted(blob)"), 0);
}

Test(metadata_outbox, an_account_that_is_forgotten_takes_its_mail_and_its_marks_along)
{
	uint64_t account = make_account("a", 0);
	MetadataDeliverRequest *req = filtered(account);
	MetadataPurgeRequest purge = METADATA_PURGE_REQUEST__INIT;
	MetadataPurgeReply *purged;

	claim(act_send(req, "vacation", "", "one@example.com"), "vacation", "one", 0);
	cr_assert_eq(deliver_filtered(0, req), ERR_OK);
	sql("UPDATE accounts SET state = 'deleted', deleted_ms = 1");
	cr_assert_eq(metadata_purge(as(0, BUS_ROLE_WORKER), &purge, &purged), ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM accounts"), 0);
	cr_assert_eq(sql_int("SELECT count(*) FROM outbox"), 0);
	cr_assert_eq(sql_int("SELECT count(*) FROM marks"), 0);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions"), 1);
}

Test(metadata_outbox, marks_past_their_time_go)
{
	MetadataPurgeRequest purge = METADATA_PURGE_REQUEST__INIT;
	MetadataPurgeReply *purged;

	sql("INSERT INTO marks VALUES (1, 'vacation', 'old', now_ms()), (1, 'vacation', 'new', now_ms() + 100000)");
	cr_assert_eq(metadata_purge(as(0, BUS_ROLE_WORKER), &purge, &purged), ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM marks WHERE mark = 'new'"), 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM marks"), 1);
}

static MetadataListQueueReply *
list(MetadataQueueFilter *filter)
{
	MetadataListQueueReply *reply;

	cr_assert_eq(metadata_list_queue(as(0, BUS_ROLE_ADMIN), filter, &reply), ERR_OK);
	return reply;
}

Test(metadata_outbox, the_operator_sees_hurries_and_drops_what_the_filter_names)
{
	uint64_t a = make_account("a", 0), b = make_account("b", 0), items[3];
	MetadataQueueFilter all = METADATA_QUEUE_FILTER__INIT, filter = METADATA_QUEUE_FILTER__INIT;
	MetadataListQueueReply *reply;
	MetadataQueueDone *done;
	MetadataQueueStateReply *state;
	MetadataEmpty empty = METADATA_EMPTY__INIT;

	put_item(a, "one@example.com");
	put_item(b, "two@example.com");
	put_item(a, "three@example.com");
	for (int i = 0; i < 3; i++)
		items[i] = list(&all)->item[i]->item;
	sql("UPDATE outbox SET due_ms = now_ms() + 60000, created_ms = now_ms() - 5000 WHERE item = %lld;"
	    "UPDATE outbox SET due_ms = now_ms() + 60000, token = 5, owner = 'w' WHERE item = %lld", (long long)items[0], (long long)items[1]);
	cr_assert_eq(metadata_queue_state(as(0, BUS_ROLE_ADMIN), &empty, &state), ERR_OK);
	cr_assert(state->items == 3 && state->ready == 1 && state->sending == 1 && state->oldest_ms >= 5000);
	filter.address = BIN("A@example.org");
	cr_assert_eq(list(&filter)->n_item, 2);
	filter.state = BIN("deferred");
	reply = list(&filter);
	cr_assert_eq(reply->n_item, 1);
	cr_assert_eq(reply->item[0]->item, items[0]);
	cr_assert_eq(reply->item[0]->size, 100 + 30);
	cr_assert_eq(memcmp(reply->item[0]->address.data, "a@example.org", 13), 0);
	all.limit = 1;
	all.after = items[0];
	reply = list(&all);
	cr_assert(reply->n_item == 1 && reply->more && reply->item[0]->item == items[1]);
	all.limit = 0;
	all.after = 0;
	cr_assert_eq(metadata_retry_queue(as(0, BUS_ROLE_ADMIN), &all, &done), ERR_OK);
	cr_assert(done->found == 3 && done->changed == 2 && !done->more, "what is being sent is left alone");
	all.n_item = 1;
	all.item = items;
	cr_assert_eq(metadata_drop_queue(as(0, BUS_ROLE_ADMIN), &all, &done), ERR_OK);
	cr_assert(done->found == 1 && done->changed == 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions"), 1);
	cr_assert_eq(metadata_drop_queue(as(0, BUS_ROLE_ADMIN), &all, &done), ERR_OK);
	cr_assert_eq(done->found, 0);
	filter.state = BIN("lost");
	cr_assert_eq(metadata_list_queue(as(0, BUS_ROLE_ADMIN), &filter, &reply), ERR_INVALID);
	filter.state = BIN("");
	filter.address = BIN("nobody@example.org");
	cr_assert_eq(metadata_list_queue(as(0, BUS_ROLE_ADMIN), &filter, &reply), ERR_NO_ACCOUNT);
}
