/* Find: the messages of a mailbox that are certain mails. */
#include "tests/services/metadata/world.h"

TestSuite(metadata_find, .init = world_begin, .fini = world_end);

static uint64_t
email_id_of(uint64_t account, uint64_t mailbox, uint32_t uid)
{
	MetadataFetchRequest fetch = METADATA_FETCH_REQUEST__INIT;
	MetadataFetchReply *reply;

	fetch.account = account;
	fetch.mailbox = mailbox;
	fetch.n_uids = 1;
	fetch.uids = range(uid, uid);
	cr_assert_eq(metadata_fetch(user(0, account), &fetch, &reply), ERR_OK);
	cr_assert_eq(reply->n_row, 1);
	return reply->row[0]->email_id;
}

static void
copy(uint64_t account, uint64_t mailbox, uint32_t first, uint32_t last, const char *to)
{
	MetadataCopyRequest req = METADATA_COPY_REQUEST__INIT;
	MetadataCopyReply *reply;

	req.account = account;
	req.mailbox = mailbox;
	req.to = bin(to);
	req.n_uids = 1;
	req.uids = range(first, last);
	cr_assert_eq(metadata_copy(user(0, account), &req, &reply), ERR_OK);
}

static MetadataFindReply *
find(int i, uint64_t account, uint64_t mailbox, uint64_t *ids, size_t count, uint32_t after_uid)
{
	MetadataFindRequest req = METADATA_FIND_REQUEST__INIT;
	MetadataFindReply *reply;

	req.account = account;
	req.mailbox = mailbox;
	req.email_id = ids;
	req.n_email_id = count;
	req.after_uid = after_uid;
	cr_assert_eq(metadata_find(user(i, account), &req, &reply), ERR_OK);
	cr_assert_eq(reply->n_uid, reply->n_email_id);
	return reply;
}

Test(metadata_find, a_mail_is_found_in_each_mailbox_and_as_often_as_it_is_there)
{
	uint64_t account = make_account("alice", 0), inbox = mailbox_of(account, "INBOX"), archive = mailbox_of(account, "Archive"), ids[4];
	MetadataFindReply *reply;

	for (uint32_t i = 0; i < 3; i++)
		cr_assert_eq(append(i % 2, account, "INBOX", 0), i + 1);
	for (uint32_t i = 0; i < 3; i++)
		ids[i] = email_id_of(account, inbox, i + 1);
	copy(account, inbox, 2, 3, "Archive");
	copy(account, archive, 1, 1, "Archive");
	cr_assert(email_id_of(account, archive, 1) == ids[1] && email_id_of(account, archive, 2) == ids[2] && email_id_of(account, archive, 3) == ids[1]);
	reply = find(1, account, archive, ids, 2, 0);
	cr_assert(reply->n_uid == 2 && reply->uid[0] == 1 && reply->uid[1] == 3 && reply->email_id[0] == ids[1] && reply->email_id[1] == ids[1]);
	cr_assert_not(reply->more);
	ids[3] = ids[2];
	reply = find(0, account, archive, ids + 1, 3, 1);
	cr_assert(reply->n_uid == 2 && reply->uid[0] == 2 && reply->uid[1] == 3, "one that is asked for twice is told once");
	cr_assert_eq(find(0, account, archive, ids, 0, 0)->n_uid, 0);
	cr_assert_eq(find(0, account, archive, (uint64_t[]){ 0, UINT64_MAX, 4711 }, 3, 0)->n_uid, 0);
	cr_assert_eq(find(0, account, UINT64_MAX, ids, 3, 0)->n_uid, 0);
	cr_assert_eq(find(0, make_account("bob", 0), archive, ids, 3, 0)->n_uid, 0, "it is another's");
}

Test(metadata_find, a_mail_that_is_there_very_often_comes_in_pages)
{
	uint64_t account = make_account("alice", 0), inbox = mailbox_of(account, "INBOX"), id;
	MetadataFindReply *reply;

	append(0, account, "INBOX", 0);
	id = email_id_of(account, inbox, 1);
	sql("INSERT INTO entries SELECT account, g, message, modseq, size, date, saved_ms, mailbox, flags, keywords FROM entries,"
	    " generate_series(2, 20005) g WHERE account = %lld", (long long)account);
	reply = find(0, account, inbox, &id, 1, 0);
	cr_assert(reply->more && reply->n_uid == 20000 && reply->uid[19999] == 20000);
	reply = find(0, account, inbox, &id, 1, 20000);
	cr_assert(!reply->more && reply->n_uid == 5 && reply->uid[0] == 20001);
}

Test(metadata_find, more_than_can_be_asked_at_once_is_refused)
{
	uint64_t account = make_account("alice", 0);
	MetadataFindRequest req = METADATA_FIND_REQUEST__INIT;
	MetadataFindReply *reply;

	req.account = account;
	req.n_email_id = 10001;
	req.email_id = ARENA_ARRAY(&world.arena, uint64_t, 10001);
	cr_assert_eq(metadata_find(user(0, account), &req, &reply), ERR_LIMIT);
	req.n_email_id = 10000;
	cr_assert_eq(metadata_find(user(0, account), &req, &reply), ERR_OK);
}
