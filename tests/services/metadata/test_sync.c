/* The journal: a view that is kept by Sync is the view that is loaded; what it cannot tell is said. */
#include "tests/services/metadata/world.h"

TestSuite(metadata_sync, .init = world_begin, .fini = world_end);

enum { UIDS = 400 };

/* What a frontend holds: flags by uid, -1: not there. */
struct view {
	int64_t flags[UIDS];
	uint64_t modseq[UIDS];
	char keywords[UIDS][64];
	MetadataCursor cursor;
	uint32_t uidnext;
};

static void
put_rows(struct view *view, const MetadataRows *rows)
{
	size_t k = 0;

	for (size_t i = 0; rows && i < rows->n_uid; i++) {
		uint32_t uid = rows->uid[i];
		char *text = view->keywords[uid];

		cr_assert_lt(uid, UIDS);
		view->flags[uid] = rows->flags[i];
		view->modseq[uid] = rows->modseq[i];
		text[0] = '\0';
		if (k < rows->n_keywords && rows->keywords[k] == i) {
			for (uint32_t n = 0; n < rows->keywords[k + 1]; n++)
				snprintf(text + strlen(text), sizeof(view->keywords[0]) - strlen(text), "%u ", rows->keywords[k + 2 + n]);
			k += 2 + rows->keywords[k + 1];
		}
	}
	cr_assert(!rows || k == rows->n_keywords);
}

static void
apply(struct view *view, const MetadataChange *change)
{
	put_rows(view, change->rows);
	for (size_t i = 0; i < change->n_vanished; i++)
		for (uint32_t uid = change->vanished[i]->first; uid <= change->vanished[i]->last; uid++)
			view->flags[uid] = -1;
	view->uidnext = change->uidnext;
	cr_assert_gt(change->modseq, view->cursor.modseq);
	view->cursor.modseq = change->modseq;
}

static struct view *
load(uint64_t account, const char *mailbox)
{
	struct view *view = ARENA_NEW(&world.arena, struct view);
	MetadataSelectReply *reply = select_all(1, account, mailbox);

	for (size_t i = 0; i < UIDS; i++)
		view->flags[i] = -1;
	put_rows(view, reply->rows);
	view->cursor = *reply->state->cursor;
	view->uidnext = reply->state->uidnext;
	return view;
}

static MetadataSync *
sync_from(int i, uint64_t account, uint64_t mailbox, MetadataCursor *have)
{
	MetadataSyncRequest req = METADATA_SYNC_REQUEST__INIT;
	MetadataSyncRequest__Item item = METADATA_SYNC_REQUEST__ITEM__INIT, *items = &item;
	MetadataSyncReply *reply;

	item.account = account;
	item.mailbox = mailbox;
	item.have = have;
	req.n_item = 1;
	req.item = &items;
	cr_assert_eq(metadata_sync(user(i, account), &req, &reply), ERR_OK);
	return reply->sync[0];
}

static void
expect_same(const struct view *a, const struct view *b, int step)
{
	cr_assert_eq(a->cursor.modseq, b->cursor.modseq, "step %d", step);
	cr_assert_eq(a->uidnext, b->uidnext, "step %d", step);
	for (size_t uid = 0; uid < UIDS; uid++) {
		cr_assert_eq(a->flags[uid], b->flags[uid], "step %d: flags of uid %zu: %lld, %lld", step, uid, (long long)a->flags[uid],
		    (long long)b->flags[uid]);
		if (a->flags[uid] < 0)
			continue;
		cr_assert_eq(a->modseq[uid], b->modseq[uid], "step %d: modseq of uid %zu", step, uid);
		cr_assert_str_eq(a->keywords[uid], b->keywords[uid], "step %d: keywords of uid %zu", step, uid);
	}
}

static void
store_keyword(int i, uint64_t account, uint64_t mailbox, uint32_t first, uint32_t last, int mode, const char *word)
{
	MetadataStoreRequest req = METADATA_STORE_REQUEST__INIT;
	ProtobufCBinaryData words = bin(word);

	req.account = account;
	req.mailbox = mailbox;
	req.n_uids = 1;
	req.uids = range(first, last);
	req.mode = (MetadataStoreRequest__Mode)mode;
	req.n_keyword = 1;
	req.keyword = &words;
	cr_assert_eq(metadata_store(user(i, account), &req, NULL), ERR_OK);
}

static void
random_change(uint64_t account, uint64_t inbox, unsigned dice)
{
	MetadataCopyRequest copy = METADATA_COPY_REQUEST__INIT;
	MetadataExpungeRequest expunge = METADATA_EXPUNGE_REQUEST__INIT;
	uint32_t first = dice / 16 % 40 + 1, last = first + dice / 640 % 8;
	static const char *const words[] = { "a", "b", "A", "$Junk" };
	int i = (int)(dice / 8 % 2);

	copy.account = expunge.account = account;
	copy.mailbox = expunge.mailbox = inbox;
	copy.n_uids = 1;
	copy.uids = range(first, last);
	copy.to = dice % 5 < 2 ? BIN("INBOX") : BIN("Archive");
	switch (dice % 8) {
	case 0:
	case 1:
		(void)deliver(i, account, NULL, 10);
		break;
	case 2:
		(void)append(i, account, "INBOX", dice / 16 % 32);
		break;
	case 3:
	case 4:
		(void)store(i, account, inbox, first, last, (int)(dice / 5000 % 3), dice / 15000 % 32);
		break;
	case 5:
		store_keyword(i, account, inbox, first, last, (int)(dice / 5000 % 3), words[dice / 15000 % 4]);
		break;
	case 6:
		if (dice % 3 == 1)
			cr_assert_eq(metadata_move(user(i, account), &copy, NULL), ERR_OK);
		else
			cr_assert_eq(metadata_copy(user(i, account), &copy, NULL), ERR_OK);
		break;
	default:
		cr_assert_eq(metadata_expunge(user(i, account), &expunge, NULL), ERR_OK);
	}
}

Test(metadata_sync, what_is_kept_by_sync_is_what_is_loaded, .timeout = 100)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	struct view *kept = load(account, "INBOX");
	unsigned seed = 20251122;

	for (int step = 0; step < 120; step++) {
		MetadataSync *sync;

		seed = seed * 1103515245 + 12345;
		random_change(account, inbox, seed >> 4);
		if (step % 3 != 0)
			continue;
		sync = sync_from(step % 2, account, inbox, &kept->cursor);
		cr_assert(!sync->is_lost);
		for (size_t i = 0; i < sync->n_change; i++)
			apply(kept, sync->change[i]);
		cr_assert_eq(kept->cursor.modseq, sync->cursor->modseq);
		expect_same(kept, load(account, "INBOX"), step);
	}
	check_counts();
}

Test(metadata_sync, a_change_is_answered_with_the_way_to_it)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	MetadataStoreRequest req = METADATA_STORE_REQUEST__INIT;
	MetadataStoreReply *reply;
	struct view *before;

	(void)append(0, account, "INBOX", 0);
	before = load(account, "INBOX");
	(void)append(1, account, "INBOX", 0);
	req.account = account;
	req.mailbox = inbox;
	req.n_uids = 1;
	req.uids = range(1, 1);
	req.flags = 1;
	req.have = &before->cursor;
	cr_assert_eq(metadata_store(user(0, account), &req, &reply), ERR_OK);
	cr_assert_eq(reply->sync->n_change, 2, "the other's APPEND, and this");
	for (size_t i = 0; i < 2; i++)
		apply(before, reply->sync->change[i]);
	expect_same(before, load(account, "INBOX"), 0);
}

Test(metadata_sync, a_cursor_below_the_floor_or_of_another_history_is_lost)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	MetadataCursor old, ahead, other;

	(void)append(0, account, "INBOX", 0);
	old = *status_of(0, account, "INBOX")->cursor;
	(void)append(0, account, "INBOX", 0);
	cr_assert(!sync_from(0, account, inbox, &old)->is_lost);
	ahead = *status_of(0, account, "INBOX")->cursor;
	cr_assert(!sync_from(0, account, inbox, &ahead)->is_lost);
	ahead.modseq++;
	cr_assert(sync_from(0, account, inbox, &ahead)->is_lost);
	other = old;
	other.timeline++;
	cr_assert(sync_from(0, account, inbox, &other)->is_lost);
	cr_assert(sync_from(0, account, inbox, NULL)->is_lost);
	sql("UPDATE mailbox_state SET floor = modseq WHERE account = %lld", (long long)account);
	cr_assert(sync_from(0, account, inbox, &old)->is_lost);
	cr_assert_eq(sync_from(0, account, 4711, &old)->status, ERR_NO_MAILBOX);
}

Test(metadata_sync, a_new_timeline_reuses_nothing_that_was_told)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	MetadataCursor told;
	MetadataState *state;

	(void)append(0, account, "INBOX", 0);
	told = *status_of(0, account, "INBOX")->cursor;
	for (int i = 0; i < REPLICAS; i++)
		replica_stop(i);
	sql("UPDATE history SET epoch = epoch + 1");
	for (int i = 0; i < REPLICAS; i++)
		replica_start(i);
	cr_assert(!sync_from(0, account, inbox, &told)->is_lost, "nothing has happened yet");
	cr_assert_eq(append(0, account, "INBOX", 0), 10002);
	state = status_of(1, account, "INBOX");
	cr_assert_gt(state->cursor->modseq, told.modseq + 1048576);
	cr_assert_neq(state->cursor->timeline, told.timeline);
	cr_assert(sync_from(0, account, inbox, &told)->is_lost);
	told = *state->cursor;
	(void)append(0, account, "INBOX", 0);
	cr_assert(!sync_from(0, account, inbox, &told)->is_lost);
}

Test(metadata_sync, select_tells_what_is_new_or_everything)
{
	uint64_t account = make_account("a", 0);
	MetadataSelectRequest req = METADATA_SELECT_REQUEST__INIT;
	MetadataSelectReply *reply, *first;

	(void)append(0, account, "INBOX", 0);
	first = select_all(0, account, "INBOX");
	(void)append(1, account, "INBOX", 0);
	req.account = account;
	req.name = BIN("InBoX");
	req.have = first->state->cursor;
	req.have_mailbox = first->state->mailbox;
	req.have_uidvalidity = first->state->uidvalidity;
	cr_assert_eq(metadata_select(user(0, account), &req, &reply), ERR_OK);
	cr_assert(!reply->is_full);
	cr_assert_eq(reply->n_change, 1);
	cr_assert_eq(reply->change[0]->rows->uid[0], 2);
	cr_assert_eq(reply->state->recent_uid, 0, "EXAMINE has left both for this SELECT");
	cr_assert_eq(metadata_select(user(1, account), &req, &reply), ERR_OK);
	cr_assert_eq(reply->state->recent_uid, 2);
	req.have_uidvalidity++;
	cr_assert_eq(metadata_select(user(0, account), &req, &reply), ERR_OK);
	cr_assert(reply->is_full);
	req.name = BIN("no such");
	cr_assert_eq(metadata_select(user(0, account), &req, &reply), ERR_NO_MAILBOX);
}

Test(metadata_sync, a_large_mailbox_comes_in_pages, .timeout = 60)
{
	uint64_t account = make_account("a", 0);
	MetadataLoadRequest load_req = METADATA_LOAD_REQUEST__INIT;
	MetadataSelectReply *first;
	MetadataLoadReply *next;

	(void)append(0, account, "INBOX", 0);
	sql("INSERT INTO entries SELECT account, n, message, modseq, size, date, saved_ms, mailbox, flags, CASE WHEN n %% 7 = 0 THEN"
	    " '{0,2}'::smallint[] END FROM entries, generate_series(2, 25000) n WHERE account = %lld; UPDATE mailbox_state SET uidnext = 25001,"
	    " messages = 25000 WHERE account = %lld", (long long)account, (long long)account);
	first = select_all(0, account, "INBOX");
	cr_assert(first->more);
	cr_assert_eq(first->rows->n_uid, 20000);
	cr_assert_eq(first->rows->n_keywords, 20000 / 7 * 4);
	load_req.account = account;
	load_req.mailbox = first->state->mailbox;
	load_req.after_uid = first->rows->uid[19999];
	cr_assert_eq(metadata_load(user(1, account), &load_req, &next), ERR_OK);
	cr_assert(!next->more);
	cr_assert_eq(next->rows->n_uid, 5000);
	cr_assert_eq(next->rows->uid[0], 20001);
	cr_assert_eq(next->rows->keywords[0], 5, "20006 is a multiple of seven");
}
