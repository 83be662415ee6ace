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

/* Of `account`'s INBOX, with the UIDs' ranges the wrong way round. */
static MetadataFetchReply *
fetch_all(uint64_t account, bool texts)
{
	MetadataFetchRequest fetch = METADATA_FETCH_REQUEST__INIT;
	MetadataUidRange *ranges[] = { *range(5, UINT32_MAX), *range(1, 3) };
	MetadataFetchReply *reply;

	fetch.account = account;
	fetch.mailbox = mailbox_of(account, "INBOX");
	fetch.n_uids = 2;
	fetch.uids = ranges;
	fetch.envelope = fetch.body = true;
	fetch.texts = texts;
	cr_assert_eq(metadata_fetch(user(1, account), &fetch, &reply), ERR_OK);
	return reply;
}

Test(metadata_slice, texts_are_what_the_rows_have_in_the_order_of_uids)
{
	uint64_t account = make_account("alice", 0);
	const uint32_t uids[] = { 1, 2, 3, 5, 6 };
	MetadataFetchReply *rows, *texts;
	size_t at = 0;

	for (int i = 0; i < 6; i++)
		cr_assert_eq(deliver(0, account, NULL, 1000), ERR_OK);
	sql("UPDATE messages SET envelope = convert_to('(' || message || ')', 'UTF8'), body = repeat('b', (message & 7)::int)::bytea");
	rows = fetch_all(account, false);
	texts = fetch_all(account, true);
	cr_assert_eq(rows->n_row, 5);
	cr_assert_eq(texts->n_row, 0);
	cr_assert_eq(texts->texts->n_uid, 5);
	cr_assert_eq(texts->texts->n_length, 10);
	cr_assert(!rows->more && !texts->more);
	for (size_t i = 0; i < 5; i++) {
		const ProtobufCBinaryData columns[] = { rows->row[i]->mail->envelope, rows->row[i]->mail->body };

		cr_expect_eq(rows->row[i]->uid, uids[i]);
		cr_expect_eq(texts->texts->uid[i], uids[i]);
		for (size_t k = 0; k < 2; k++) {
			cr_assert_eq(texts->texts->length[2 * i + k], columns[k].len);
			cr_expect_eq(memcmp(texts->texts->text.data + at, columns[k].data, columns[k].len), 0);
			at += columns[k].len;
		}
	}
	cr_expect_eq(texts->texts->text.len, at);
}

/* Large ones: a page of them is no more than an answer may be; and many, of which a page is a part. */
Test(metadata_slice, texts_come_in_pages)
{
	uint64_t account = make_account("alice", 0);
	MetadataFetchReply *reply;

	for (int i = 0; i < 6; i++)
		cr_assert_eq(deliver(0, account, NULL, 1000), ERR_OK);
	sql("UPDATE messages SET envelope = repeat('e', 900000)::bytea");
	reply = fetch_all(account, true);
	cr_expect_eq(reply->texts->n_uid, 2);
	cr_expect(reply->more);
	sql("UPDATE messages SET envelope = repeat('e', 3000000)::bytea");
	reply = fetch_all(account, true);
	cr_expect_eq(reply->texts->n_uid, 1);
	cr_expect(reply->more);
	sql("UPDATE messages SET envelope = '(x)'");
	sql("INSERT INTO entries (account, uid, message, modseq, size, date, saved_ms, mailbox, flags) SELECT account, n, message, modseq, size, date,"
	    " saved_ms, mailbox, flags FROM entries, generate_series(10, 600) n WHERE uid = 6");
	reply = fetch_all(account, true);
	cr_expect_eq(reply->texts->n_uid, 512);
	cr_expect_eq(reply->texts->uid[511], 516);
	cr_expect(reply->more);
}

/* They come whole, with their neighbours, and as many as an answer may have. */
Test(metadata_slice, long_rows_come_whole_and_in_pages)
{
	uint64_t account = make_account("alice", 0);
	const uint32_t behind[] = { 1, 8, 13, 14, 17 };
	MetadataFetchRequest fetch = METADATA_FETCH_REQUEST__INIT;
	MetadataFetchReply *reply;

	for (int i = 0; i < 16; i++)
		cr_assert_eq(deliver(0, account, NULL, 1000), ERR_OK);
	/* 2 MiB are 2,097,152: five of 400,000, with short ones about them; one that is longer than an answer may be. */
	sql("UPDATE messages m SET envelope = convert_to(repeat('e', CASE WHEN e.uid = 13 THEN 3000000 WHEN e.uid IN (1, 7) THEN 9 WHEN e.uid < 13"
	    " THEN 400000 ELSE 40000 END) || e.uid, 'UTF8') FROM entries e WHERE e.account = m.account AND e.message = m.message");
	fetch.account = account;
	fetch.mailbox = mailbox_of(account, "INBOX");
	fetch.n_uids = 1;
	fetch.envelope = true;
	for (size_t i = 0; i < 8; i++) {
		size_t page = i / 2;
		uint32_t count = behind[page + 1] - behind[page];

		fetch.texts = i % 2;
		fetch.uids = range(behind[page], UINT32_MAX);
		cr_assert_eq(metadata_fetch(user(1, account), &fetch, &reply), ERR_OK);
		cr_expect_eq(reply->more, page < 3, "%zu", i);
		cr_assert_eq(fetch.texts ? reply->texts->n_uid : reply->n_row, count, "%zu", i);
		for (uint32_t k = 0; k < count; k++) {
			uint32_t uid = fetch.texts ? reply->texts->uid[k] : reply->row[k]->uid;
			size_t len = fetch.texts ? reply->texts->length[k] : reply->row[k]->mail->envelope.len;

			cr_expect_eq(uid, behind[page] + k, "%zu", i);
			cr_expect_gt(len, uid == 13 ? 3000000 : uid == 1 || uid == 7 ? 9 : uid < 13 ? 400000 : 40000, "%zu: %u", i, uid);
		}
	}
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
