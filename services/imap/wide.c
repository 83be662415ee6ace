/* Pages of wide columns. */
#include "services/imap/wide.h"

#include "proto/metadata.client.h"
#include "services/imap/fetch.h"
#include "services/imap/views.h"
#include "services/imap/wire.h"

enum { PAGE_RANGES = 500, PAGE_UIDS = 500 };

void
imap_wide_begin(struct imap_wide *wide, const struct bus_call *caller, const struct imap_view *view, struct imap_set uids, unsigned needs)
{
	*wide = (struct imap_wide){ .account = imap_mailbox_account(view), .mailbox = imap_mailbox_number(view) };
	for (size_t i = 0; i < 2; i++) {
		wide->call[i] = *caller;
		wide->call[i].arena = &wide->arena[i];
	}
	metadata_fetch_request__init(&wide->request);
	wide->request.account = wide->account;
	wide->request.mailbox = wide->mailbox;
	wide->request.envelope = needs & IMAP_NEEDS_ENVELOPE;
	wide->request.bodystructure = needs & IMAP_NEEDS_BODYSTRUCTURE;
	wide->request.body = needs & IMAP_NEEDS_BODY;
	wide->request.parts = needs & IMAP_NEEDS_PARTS;
	wide->request.fields = needs & IMAP_NEEDS_FIELDS;
	wide->uids = uids;
}

/* The ranges from `uid` on, at most a page of them. */
static struct imap_set
next_ranges(const struct imap_wide *wide, uint64_t uid, struct arena *arena)
{
	struct imap_set out = { ARENA_ARRAY(arena, struct imap_range, PAGE_RANGES), 0 };
	uint64_t numbers = 0;

	for (size_t i = 0; i < wide->uids.count && out.count < PAGE_RANGES && numbers < PAGE_UIDS; i++) {
		struct imap_range range = wide->uids.ranges[i];

		if (range.last < uid)
			continue;
		if (range.first < uid)
			range.first = (uint32_t)uid;
		out.ranges[out.count++] = range;
		numbers += (uint64_t)range.last - range.first + 1;
	}
	return out;
}

/* Ask for the messages from `uid` on, into the arena of the page that is not used. False: there are none. */
static bool
ask(struct imap_wide *wide, uint64_t uid)
{
	unsigned other = !wide->turn;
	struct imap_set ranges;

	arena_reset(&wide->arena[other]);
	ranges = next_ranges(wide, uid, &wide->arena[other]);
	if (ranges.count == 0)
		return false;
	wide->request.n_uids = ranges.count;
	wide->request.uids = wire_ranges(ranges, &wide->arena[other]);
	wide->future = metadata_fetch_start(&wide->call[other], &wide->request);
	return true;
}

/* Where the page after this one begins: behind its last row, or behind all that was asked for. */
static uint64_t
behind(const MetadataFetchRequest *request, const MetadataFetchReply *page)
{
	if (page->more && page->n_row > 0)
		return (uint64_t)page->row[page->n_row - 1]->uid + 1;
	return (uint64_t)request->uids[request->n_uids - 1]->last + 1;
}

/* Let the next page be the one that is used, and start on the one after it. */
static enum err
turn_page(struct imap_wide *wide, uint32_t uid)
{
	struct bus_future *future;
	uint64_t next;
	enum err err;

	if (!wide->future && !ask(wide, uid)) {
		wide->is_done = true;
		return ERR_OK;
	}
	future = wide->future;
	wide->future = NULL;
	wide->page = NULL;
	err = metadata_fetch_wait(future, &wide->page);
	if (err != ERR_OK) {
		wide->page = NULL;
		return err;
	}
	next = behind(&wide->request, wide->page);
	wide->turn = !wide->turn;
	wide->at = 0;
	wide->next_uid = next;
	ask(wide, next);
	return ERR_OK;
}

void
imap_wide_start(struct imap_wide *wide)
{
	if (!wide->future && !wide->page)
		ask(wide, 0);
}

enum err
imap_wide_get(struct imap_wide *wide, uint32_t uid, const MetadataFetchReply__Row **ret_row)
{
	*ret_row = NULL;
	for (;;) {
		while (wide->page && wide->at < wide->page->n_row && wide->page->row[wide->at]->uid < uid)
			wide->at++;
		if (wide->page && wide->at < wide->page->n_row) {
			if (wide->page->row[wide->at]->uid == uid && wide->page->row[wide->at]->mail)
				*ret_row = wide->page->row[wide->at];
			return ERR_OK;
		}
		/* The page says all there is below next_uid. */
		if (wide->is_done || (wide->page && uid < wide->next_uid))
			return ERR_OK;
		TRY(turn_page(wide, uid));
	}
}

const MetadataFetchReply__Row *
imap_wide_peek(const struct imap_wide *wide, size_t ahead)
{
	bool is_here = wide->page && wide->at + ahead < wide->page->n_row && wide->page->row[wide->at + ahead]->mail;

	return is_here ? wide->page->row[wide->at + ahead] : NULL;
}

struct arena *
imap_wide_arena(struct imap_wide *wide)
{
	return &wide->arena[wide->turn];
}

size_t
imap_wide_bytes(const struct imap_wide *wide)
{
	return wide->arena[0].used_bytes + wide->arena[1].used_bytes;
}

void
imap_wide_end(struct imap_wide *wide)
{
	MetadataFetchReply *reply;

	if (wide->future)
		(void)metadata_fetch_wait(wide->future, &reply);
	arena_clear(&wide->arena[0]);
	arena_clear(&wide->arena[1]);
}
