/* The way of a mail: created, delivered, seen, changed, copied, moved, expunged. */
#include "tests/services/metadata/world.h"

TestSuite(metadata_slice, .init = world_begin, .fini = world_end);

Test(metadata_slice, a_delivered_mail_is_selected_and_fetched)
{
	uint64_t account = make_account("alice", 0);
	MetadataFetchRequest fetch = METADATA_FETCH_REQUEST__INIT;
	MetadataSelectReply *view;
	MetadataFetchReply *row;

	cr_assert_eq(deliver(0, account, NULL, 1000), ERR_OK);
	view = select_all(1, account, "inbox");
	cr_assert(view->is_full);
	cr_assert_eq(view->state->messages, 1);
	cr_assert_eq(view->state->unseen, 1);
	cr_assert_eq(view->rows->n_uid, 1);
	cr_assert_eq(view->rows->uid[0], 1);
	cr_assert_eq(view->rows->size[0], 1000);
	cr_assert_neq(view->state->uidvalidity, 0);
	fetch.account = account;
	fetch.mailbox = view->state->mailbox;
	fetch.n_uids = 1;
	fetch.uids = range(1, UINT32_MAX);
	fetch.envelope = fetch.parts = true;
	cr_assert_eq(metadata_fetch(user(1, account), &fetch, &row), ERR_OK);
	cr_assert_eq(row->n_row, 1);
	cr_assert_eq(row->row[0]->mail->envelope.len, sizeof("(NIL \"NUL \0 and \\ and \xff\")") - 1);
	cr_assert_eq(row->row[0]->mail->blob.len, 57);
	cr_assert_eq(row->row[0]->mail->bodystructure.len, 0);
	check_counts();
}

Test(metadata_slice, store_copy_move_expunge_keep_the_counts)
{
	uint64_t account = make_account("bob", 0), inbox = mailbox_of(account, "INBOX");
	MetadataCopyRequest copy = METADATA_COPY_REQUEST__INIT;
	MetadataExpungeRequest expunge = METADATA_EXPUNGE_REQUEST__INIT;
	MetadataCopyReply *copied;
	MetadataExpungeReply *expunged;
	MetadataStoreReply *stored;

	for (int i = 0; i < 5; i++)
		cr_assert_eq(append(i % 2, account, "INBOX", 0), (uint32_t)i + 1);
	stored = store(0, account, inbox, 2, 4, METADATA_STORE_REQUEST__MODE__ADD, METADATA_FLAG__METADATA_SEEN | METADATA_FLAG__METADATA_DELETED);
	cr_assert_eq(stored->sync->status, ERR_OK);
	check_counts();
	copy.account = account;
	copy.mailbox = inbox;
	copy.to = BIN("Archive");
	copy.n_uids = 1;
	copy.uids = range(1, 3);
	cr_assert_eq(metadata_copy(user(1, account), &copy, &copied), ERR_OK);
	cr_assert_eq(copied->n_to_uid, 3);
	cr_assert_eq(copied->to_uid[2], 3);
	check_counts();
	copy.uids = range(2, 2);
	cr_assert_eq(metadata_move(user(0, account), &copy, &copied), ERR_OK);
	cr_assert_eq(copied->n_to_uid, 1);
	cr_assert_eq(copied->from_uid[0], 2);
	cr_assert_eq(copied->to_uid[0], 4);
	check_counts();
	expunge.account = account;
	expunge.mailbox = inbox;
	cr_assert_eq(metadata_expunge(user(1, account), &expunge, &expunged), ERR_OK);
	cr_assert_eq(status_of(0, account, "INBOX")->messages, 2);
	cr_assert_eq(status_of(0, account, "Archive")->messages, 4);
	check_counts();
}
