/* What was missed is asked for many in one call: more mailboxes than fit into one, most of one account. */
#include <criterion/criterion.h>
#include <stdatomic.h>

#include "libcommon/config/config.h"
#include "proto/metadata.server.h"
#include "services/imap/views.h"

enum { MAILBOXES = 450, ANOTHER_ACCOUNT = 50, LOST = 7, CALL_MAX = 200 };

static struct {
	atomic_int calls, items, largest, asked[MAILBOXES + 1];
	_Atomic int answer;
} seen;

static MetadataCursor *
cursor(struct arena *arena, uint64_t modseq)
{
	MetadataCursor *at = ARENA_NEW(arena, MetadataCursor);

	metadata_cursor__init(at);
	at->timeline = 1;
	at->modseq = modseq;
	return at;
}

/* The mailbox's name is its number. It is empty. */
static enum err
select_run(struct rpc *rpc, const MetadataSelectRequest *req, MetadataSelectReply *reply)
{
	MetadataState *state = ARENA_NEW(rpc->arena, MetadataState);
	uint64_t number;

	cr_assert(str_to_u64(str_from(req->name.data, req->name.len), &number));
	metadata_state__init(state);
	state->mailbox = number;
	state->uidvalidity = 1;
	state->uidnext = 1;
	state->cursor = cursor(rpc->arena, 1);
	reply->state = state;
	reply->is_full = true;
	reply->rows = ARENA_NEW(rpc->arena, MetadataRows);
	metadata_rows__init(reply->rows);
	return ERR_OK;
}

static enum err
sync_run(struct rpc *rpc, const MetadataSyncRequest *req, MetadataSyncReply *reply)
{
	seen.calls++;
	if (seen.answer != ERR_OK)
		return (enum err)seen.answer;
	seen.items += (int)req->n_item;
	if ((int)req->n_item > seen.largest)
		seen.largest = (int)req->n_item;
	reply->n_sync = req->n_item;
	reply->sync = ARENA_ARRAY(rpc->arena, MetadataSync *, req->n_item);
	for (size_t i = 0; i < req->n_item; i++) {
		MetadataSync *sync = ARENA_NEW(rpc->arena, MetadataSync);

		metadata_sync__init(sync);
		sync->is_lost = req->item[i]->mailbox == LOST;
		sync->cursor = cursor(rpc->arena, 1);
		seen.asked[req->item[i]->mailbox]++;
		cr_assert(req->n_item == 1 || req->item[i]->token.len == 1);
		reply->sync[i] = sync;
	}
	return ERR_OK;
}

static void
reset(enum err answer)
{
	memset(&seen, 0, sizeof(seen));
	seen.answer = (int)answer;
}

/* Each of them, once, and in few calls. */
static void
expect_all(int calls)
{
	cr_assert_eq(seen.calls, calls, "%d calls", seen.calls);
	cr_assert_eq(seen.items, MAILBOXES);
	cr_assert_leq(seen.largest, CALL_MAX);
	for (int i = 1; i <= MAILBOXES; i++)
		cr_assert_eq(seen.asked[i], 1, "mailbox %d: %d times", i, seen.asked[i]);
}

Test(imap_catch_up, all_that_is_selected_is_asked_for_once_in_packs)
{
	static const struct metadata_handlers handlers = { .select = select_run, .sync = sync_run };
	struct str url = STR("inproc://catch-up");
	struct config config = { .bus_metadata = { &url, 1 }, .metadata_listen = { &url, 1 } };
	struct bus *bus = bus_new(&config);
	struct imap_views *views = imap_views_new(1 << 20);
	struct imap_view *view[MAILBOXES];
	struct arena arena = { 0 };
	struct bus_call call = { .bus = bus, .arena = &arena, .role = BUS_ROLE_IMAP, .token = STR("t") };

	cr_assert_eq(metadata_serve(bus, &handlers, NULL, NULL), ERR_OK);
	for (int i = 0; i < MAILBOXES; i++) {
		MetadataState *state;

		cr_assert_eq(imap_views_select(views, &call, i < ANOTHER_ACCOUNT ? 1 : 2, arena_printf(&arena, "%d", i + 1), false, NULL,
		    &view[i], &state), ERR_OK);
	}
	reset(ERR_OK);
	imap_views_catch_up(views, &call);
	cr_assert_eq(seen.calls, 0, "nothing was missed");

	imap_views_missed(views);
	imap_views_catch_up(views, &call);
	expect_all(3);
	reset(ERR_OK);
	imap_views_catch_up(views, &call);
	cr_assert_eq(seen.calls, 0, "also not for the one that a session has to load");

	imap_views_missed(views);
	reset(ERR_UNAVAILABLE);
	imap_views_catch_up(views, &call);
	cr_assert_leq(seen.calls, 3, "one question, however often the bus asks it: %d", seen.calls);
	reset(ERR_OK);
	imap_views_catch_up(views, &call);
	cr_assert_eq(seen.calls, 3);
	cr_assert_eq(seen.items, MAILBOXES - 1, "what was not answered is asked for again");

	for (int i = 0; i < MAILBOXES; i++)
		imap_views_leave(views, view[i]);
	imap_views_missed(views);
	reset(ERR_OK);
	imap_views_catch_up(views, &call);
	cr_assert_eq(seen.calls, 0, "nobody looks at them any more");
	imap_views_free(views);
	bus_free(bus);
	arena_clear(&arena);
}

/* Another's question may be under way since before the change, and its answer be of before, too. */
Test(imap_catch_up, for_what_it_did_itself_a_session_asks_itself)
{
	static const struct metadata_handlers handlers = { .select = select_run, .sync = sync_run };
	struct str url = STR("inproc://catch-up-itself");
	struct config config = { .bus_metadata = { &url, 1 }, .metadata_listen = { &url, 1 } };
	struct bus *bus = bus_new(&config);
	struct imap_views *views = imap_views_new(1 << 20);
	struct arena arena = { 0 };
	struct bus_call call = { .bus = bus, .arena = &arena, .role = BUS_ROLE_IMAP, .token = STR("t") };
	struct imap_view *mine, *other;
	struct imap_image *image;
	MetadataState *state;

	cr_assert_eq(metadata_serve(bus, &handlers, NULL, NULL), ERR_OK);
	cr_assert_eq(imap_views_select(views, &call, 1, STR("1"), false, NULL, &mine, &state), ERR_OK);
	cr_assert_eq(imap_views_select(views, &call, 1, STR("1"), false, NULL, &other, &state), ERR_OK);
	reset(ERR_OK);
	imap_view_changed(mine, (struct imap_cursor_at){ .timeline = 1, .modseq = 5 }, NULL);
	cr_assert_eq(imap_view_latest(other, &call, &image), ERR_OK);
	imap_image_unref(image);
	cr_assert_eq(seen.calls, 1);
	cr_assert_eq(imap_view_latest(mine, &call, &image), ERR_OK);
	imap_image_unref(image);
	cr_assert_eq(seen.calls, 2, "it took the other's answer for its own");
	cr_assert(!imap_view_is_doubtful(mine));
	imap_views_leave(views, mine);
	imap_views_leave(views, other);
	imap_views_free(views);
	bus_free(bus);
	arena_clear(&arena);
}
