/* STORE, COPY, MOVE, EXPUNGE: what they do, and what they do to each other. */
#include <pthread.h>

#include "tests/services/metadata/world.h"

TestSuite(metadata_changes, .init = world_begin, .fini = world_end);

enum { ADD = METADATA_STORE_REQUEST__MODE__ADD, REMOVE = METADATA_STORE_REQUEST__MODE__REMOVE,
	REPLACE = METADATA_STORE_REQUEST__MODE__REPLACE };

Test(metadata_changes, store_adds_removes_and_replaces)
{
	static const struct {
		int mode;
		uint32_t flags, want;
	} cases[] = { { ADD, 1, 1 }, { ADD, 6, 7 }, { REMOVE, 2, 5 }, { REPLACE, 8, 8 }, { ADD, 0, 8 }, { REPLACE, 0, 0 }, { ADD, 31, 31 } };
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");

	(void)append(0, account, "INBOX", 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)store((int)i % 2, account, inbox, 1, 1, cases[i].mode, cases[i].flags);
		cr_expect_eq(select_all(0, account, "INBOX")->rows->flags[0], cases[i].want, "case %zu", i);
		check_counts();
	}
}

static uint32_t
keyword_count(uint64_t account, const char *mailbox)
{
	return (uint32_t)select_all(0, account, mailbox)->state->n_keyword;
}

Test(metadata_changes, keywords_are_numbers_into_the_mailboxs_list)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	MetadataStoreRequest req = METADATA_STORE_REQUEST__INIT;
	MetadataCopyRequest copy = METADATA_COPY_REQUEST__INIT;
	ProtobufCBinaryData words[] = { BIN("$Work"), BIN("$work"), BIN("b\\1\xc3\xa9") };
	MetadataStoreReply *reply;
	MetadataCopyReply *copied;
	MetadataSelectReply *view;

	for (int i = 0; i < 3; i++)
		(void)append(0, account, "INBOX", 0);
	req.account = account;
	req.mailbox = inbox;
	req.n_uids = 1;
	req.uids = range(2, 3);
	req.n_keyword = 3;
	req.keyword = words;
	cr_assert_eq(metadata_store(user(0, account), &req, &reply), ERR_OK);
	cr_assert_eq(keyword_count(account, "INBOX"), 2, "the second differs from the first in case only");
	view = select_all(1, account, "INBOX");
	cr_assert_eq(view->rows->n_keywords, 8);
	cr_assert_arr_eq(view->rows->keywords, ((uint32_t[]){ 1, 2, 0, 1, 2, 2, 0, 1 }), 8 * sizeof(uint32_t));
	/* Their numbers are others in another mailbox. */
	req.mailbox = mailbox_of(account, "Archive");
	(void)append(0, account, "Archive", 0);
	req.uids = range(1, 1);
	req.keyword = &words[2];
	req.n_keyword = 1;
	cr_assert_eq(metadata_store(user(0, account), &req, &reply), ERR_OK);
	copy.account = account;
	copy.mailbox = inbox;
	copy.n_uids = 1;
	copy.uids = range(1, 2);
	copy.to = BIN("Archive");
	cr_assert_eq(metadata_copy(user(1, account), &copy, &copied), ERR_OK);
	view = select_all(1, account, "Archive");
	cr_assert_eq(view->rows->n_keywords, 7);
	cr_assert_arr_eq(view->rows->keywords, ((uint32_t[]){ 0, 1, 0, 2, 2, 0, 1 }), 7 * sizeof(uint32_t));
	req.mode = METADATA_STORE_REQUEST__MODE__REMOVE;
	req.uids = range(1, 3);
	cr_assert_eq(metadata_store(user(1, account), &req, &reply), ERR_OK);
	view = select_all(1, account, "Archive");
	cr_assert_eq(view->rows->n_keywords, 3);
}

Test(metadata_changes, a_store_that_changes_nothing_has_no_modseq)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	uint64_t before;

	(void)append(0, account, "INBOX", 1);
	before = status_of(0, account, "INBOX")->cursor->modseq;
	(void)store(0, account, inbox, 1, 1, ADD, 1);
	(void)store(0, account, inbox, 7, 9, ADD, 2);
	cr_assert_eq(status_of(0, account, "INBOX")->cursor->modseq, before);
}

Test(metadata_changes, unchangedsince_fails_what_has_changed)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	MetadataStoreRequest req = METADATA_STORE_REQUEST__INIT;
	MetadataStoreReply *reply;

	for (int i = 0; i < 4; i++)
		(void)append(0, account, "INBOX", 0);
	req.unchanged_since = status_of(0, account, "INBOX")->cursor->modseq;
	(void)store(1, account, inbox, 2, 3, ADD, 1);
	req.account = account;
	req.mailbox = inbox;
	req.n_uids = 1;
	req.uids = range(1, 4);
	req.flags = 4;
	req.has_unchanged_since = true;
	cr_assert_eq(metadata_store(user(0, account), &req, &reply), ERR_OK);
	cr_assert_eq(reply->n_modified, 1);
	cr_assert_eq(reply->modified[0]->first, 2);
	cr_assert_eq(reply->modified[0]->last, 3);
	req.unchanged_since = 0;
	cr_assert_eq(metadata_store(user(0, account), &req, &reply), ERR_OK);
	cr_assert_eq(reply->modified[0]->first, 1);
	cr_assert_eq(reply->modified[0]->last, 4);
}

Test(metadata_changes, large_stores_and_expunges_go_in_slices, .timeout = 60)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	MetadataExpungeRequest expunge = METADATA_EXPUNGE_REQUEST__INIT;
	MetadataExpungeReply *reply;

	(void)append(0, account, "INBOX", 0);
	sql("INSERT INTO entries SELECT account, n, message, modseq, size, date, saved_ms, mailbox, flags FROM entries,"
	    " generate_series(2, 5001) n WHERE account = %lld; UPDATE mailbox_state SET uidnext = 5002, messages = 5001, unseen = 5001, bytes ="
	    " bytes * 5001 WHERE account = %lld AND mailbox = %d; UPDATE usage SET messages = 5001, bytes = bytes * 5001 WHERE account = %lld",
	    (long long)account, (long long)account, (int)inbox, (long long)account);
	check_counts();
	(void)store(0, account, inbox, 1, UINT32_MAX, ADD, 8);
	cr_assert_eq(sql_int("SELECT count(*) FROM changes WHERE account = %lld AND NOT is_new", (long long)account), 3);
	cr_assert_eq(status_of(0, account, "INBOX")->deleted, 5001);
	expunge.account = account;
	expunge.mailbox = inbox;
	cr_assert_eq(metadata_expunge(user(0, account), &expunge, &reply), ERR_OK);
	cr_assert_eq(status_of(0, account, "INBOX")->messages, 0);
	check_counts();
}

/* ---- quota */

Test(metadata_changes, quota_is_taken_by_copies_and_not_by_moves)
{
	uint64_t account = make_account("a", 1000);
	MetadataCopyRequest copy = METADATA_COPY_REQUEST__INIT;
	MetadataCopyReply *reply;

	cr_assert_eq(deliver(0, account, NULL, 600), ERR_OK);
	cr_assert_eq(deliver(1, account, NULL, 600), ERR_OVERQUOTA);
	cr_assert_eq(deliver(1, account, NULL, 400), ERR_OK);
	copy.account = account;
	copy.mailbox = mailbox_of(account, "INBOX");
	copy.n_uids = 1;
	copy.uids = range(1, 9);
	copy.to = BIN("Trash");
	cr_assert_eq(metadata_copy(user(0, account), &copy, &reply), ERR_OVERQUOTA);
	cr_assert_eq(metadata_move(user(0, account), &copy, &reply), ERR_OK, "a MOVE takes nothing of the quota");
	check_counts();
}
