/* What goes for good, and what must not. */
#include "tests/services/metadata/world.h"

static void
begin(void)
{
	world_begin_with("expunge: {keep: 0ms}\njournal: {keep: 0ms}\naccount: {keep: 0ms}\nblob: {keep: 0ms}\n");
}

TestSuite(metadata_worker, .init = begin, .fini = world_end);

static void
purge_all(void)
{
	MetadataPurgeRequest req = METADATA_PURGE_REQUEST__INIT;
	MetadataPurgeReply *reply;
	int rounds = 0;

	req.limit = 10;
	do {
		enum err err = metadata_purge(as(rounds % 2, BUS_ROLE_WORKER), &req, &reply);

		cr_assert(err == ERR_OK, "%s", err_row(err)->name);
		cr_assert_lt(rounds++, 500, "a purge that never ends");
	} while (reply->more);
}

static MetadataDueDeletionsReply *
due(void)
{
	MetadataDueDeletionsRequest req = METADATA_DUE_DELETIONS_REQUEST__INIT;
	MetadataDueDeletionsReply *reply;

	cr_assert_eq(metadata_due_deletions(as(0, BUS_ROLE_WORKER), &req, &reply), ERR_OK);
	cr_assert_not(reply->more);
	return reply;
}

static void
expunge_all(uint64_t account, const char *mailbox)
{
	MetadataExpungeRequest req = METADATA_EXPUNGE_REQUEST__INIT;

	req.account = account;
	req.mailbox = mailbox_of(account, mailbox);
	req.regardless = true;
	cr_assert_eq(metadata_expunge(user(0, account), &req, NULL), ERR_OK);
}

Test(metadata_worker, an_expunged_message_goes_with_its_last_copy)
{
	uint64_t account = make_account("a", 0);
	MetadataCopyRequest copy = METADATA_COPY_REQUEST__INIT;
	MetadataDeletionsDoneRequest done = METADATA_DELETIONS_DONE_REQUEST__INIT;
	MetadataDueDeletionsReply *reply;

	cr_assert_eq(deliver(0, account, NULL, 10), ERR_OK);
	copy.account = account;
	copy.mailbox = mailbox_of(account, "INBOX");
	copy.n_uids = 1;
	copy.uids = range(1, 1);
	copy.to = BIN("Archive");
	cr_assert_eq(metadata_copy(user(0, account), &copy, NULL), ERR_OK);
	expunge_all(account, "INBOX");
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 1);
	purge_all();
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 1, "Archive has it");
	cr_assert_eq(due()->n_object, 0);
	expunge_all(account, "Archive");
	purge_all();
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 0);
	reply = due();
	cr_assert_eq(reply->n_object, 1);
	cr_assert(reply->object[0]->n_dead == 1 && reply->object[0]->n_live == 0);
	done.n_gone = 1;
	done.gone = &reply->object[0]->name;
	cr_assert_eq(metadata_deletions_done(as(1, BUS_ROLE_WORKER), &done, NULL), ERR_OK);
	cr_assert_eq(due()->n_object, 0);
}

/* As after an undelete: the second look takes it out of the queue. */
Test(metadata_worker, a_body_that_is_wanted_again_leaves_the_queue)
{
	cr_assert_eq(deliver(0, make_account("a", 0), NULL, 10), ERR_OK);
	sql("INSERT INTO deletions SELECT blob, 0, 0 FROM messages");
	cr_assert_eq(due()->n_object, 0);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions"), 0);
}

Test(metadata_worker, a_blob_that_another_account_has_stays)
{
	uint64_t accounts[] = { make_account("a", 0), make_account("b", 0) };

	for (int i = 0; i < 2; i++)
		(void)append(0, accounts[i], "INBOX", 0);
	sql("UPDATE messages SET blob = (SELECT max(encode(blob, 'hex'))::text::bytea FROM messages)");
	expunge_all(accounts[0], "INBOX");
	purge_all();
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions"), 0);
	expunge_all(accounts[1], "INBOX");
	purge_all();
	cr_assert_eq(due()->n_object, 1);
}

Test(metadata_worker, deleted_mailboxes_and_accounts_leave_nothing_behind, .timeout = 60)
{
	uint64_t account = make_account("a", 0), kept = make_account("b", 0);
	MetadataDeleteRequest req = METADATA_DELETE_REQUEST__INIT;
	MetadataAccountName name = METADATA_ACCOUNT_NAME__INIT;

	for (int i = 0; i < 25; i++)
		cr_assert_eq(deliver(0, account, i % 2 ? "Junk" : NULL, 10), ERR_OK);
	cr_assert_eq(deliver(0, kept, NULL, 10), ERR_OK);
	req.account = account;
	req.name = BIN("Junk");
	cr_assert_eq(metadata_delete(user(0, account), &req, NULL), ERR_OK);
	check_counts();
	purge_all();
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 14);
	name.address = BIN("a@example.org");
	cr_assert_eq(metadata_delete_account(as(0, BUS_ROLE_ADMIN), &name, NULL), ERR_OK);
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	purge_all();
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM entries"), 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM doomed"), 0);
	cr_assert_eq(sql_int("SELECT count(*) FROM accounts"), 1);
	cr_assert_eq(sql_int("SELECT count(DISTINCT account) FROM (SELECT account FROM mailboxes UNION SELECT account FROM mailbox_state UNION"
			     " SELECT account FROM usage UNION SELECT account FROM addresses UNION SELECT account FROM changes) x"), 1);
	cr_assert_eq(due()->n_object, 25);
	check_counts();
}

Test(metadata_worker, trimming_the_journal_moves_the_floor)
{
	uint64_t account = make_account("a", 0);

	for (int i = 0; i < 12; i++)
		(void)append(0, account, "INBOX", 0);
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	purge_all();
	cr_assert_eq(sql_int("SELECT count(*) FROM changes"), 0);
	cr_assert_eq(sql_int("SELECT count(*) FROM mailbox_state WHERE messages > 0 AND floor = modseq"), 1);
}

Test(metadata_worker, a_running_transaction_older_than_the_fence_forbids_the_sweep)
{
	uint64_t account = make_account("a", 0);
	MetadataReferencedRequest req = METADATA_REFERENCED_REQUEST__INIT;
	MetadataReferencedReply *reply;
	ProtobufCBinaryData objects[2] = { BIN("12345678901234567"), BIN("12345678901234567") };
	uint8_t name[17];

	cr_assert_eq(deliver(0, account, NULL, 10), ERR_OK);
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = (uint8_t)sql_int("SELECT get_byte(blob, %zu) FROM messages", i);
	objects[0] = (ProtobufCBinaryData){ .len = sizeof(name), .data = name };
	req.n_object = 2;
	req.object = objects;
	req.put_before_ms = clock_wall_ms() - 1000;
	cr_assert_eq(metadata_referenced(as(0, BUS_ROLE_WORKER), &req, &reply), ERR_OK);
	cr_assert_eq(reply->n_object, 1);
	cr_assert_arr_eq(reply->object[0].data, name, sizeof(name));
	sql("BEGIN; SELECT 1");
	req.put_before_ms = clock_wall_ms() + 1000;
	cr_assert_eq(metadata_referenced(as(0, BUS_ROLE_WORKER), &req, &reply), ERR_IN_USE);
	sql("COMMIT");
	cr_assert_eq(metadata_referenced(as(0, BUS_ROLE_WORKER), &req, &reply), ERR_OK);
}
