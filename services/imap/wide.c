/* Pages of wide columns. */
#include "services/imap/wide.h"

#include "proto/metadata.client.h"
#include "services/imap/fetch.h"
#include "services/imap/views.h"
#include "services/imap/wire.h"

enum { PAGE_RANGES = 500, PAGE_MESSAGES = 500 };
enum { TEXTS = IMAP_NEEDS_ENVELOPE | IMAP_NEEDS_BODYSTRUCTURE | IMAP_NEEDS_BODY };

/* ---- one page */

static size_t
page_count(const MetadataFetchReply *page)
{
	return page->texts ? page->texts->n_uid : page->n_row;
}

static uint32_t
page_uid(const MetadataFetchReply *page, size_t at)
{
	return page->texts ? page->texts->uid[at] : page->row[at]->uid;
}

static size_t
texts_each(const MetadataFetchRequest *request)
{
	return (size_t)request->envelope + (size_t)request->bodystructure + (size_t)request->body;
}

/* Are there as many as they say, and as long? */
static bool
is_whole(const MetadataFetchRequest *request, const MetadataFetchReply__Texts *texts)
{
	size_t bytes = 0;

	for (size_t i = 0; i < texts->n_length; i++)
		bytes += texts->length[i];
	return texts->n_length == texts->n_uid * texts_each(request) && bytes == texts->text.len;
}

static void
step(struct imap_wide *wide)
{
	const MetadataFetchReply__Texts *texts = wide->page->texts;
	size_t each = texts_each(&wide->request);

	for (size_t i = 0; texts && i < each; i++)
		wide->text_at += texts->length[wide->at * each + i];
	wide->at++;
}

/* The texts of the message that it is at, as a row. */
static const MetadataFetchReply__Row *
text_row(struct imap_wide *wide)
{
	const MetadataFetchReply__Texts *texts = wide->page->texts;
	const MetadataFetchRequest *request = &wide->request;
	const struct {
		bool is_wanted;
		ProtobufCBinaryData *column;
	} columns[] = {
		{ request->envelope, &wide->mail.envelope },
		{ request->bodystructure, &wide->mail.bodystructure },
		{ request->body, &wide->mail.body },
	};
	const uint32_t *length = texts->length + wide->at * texts_each(request);
	uint8_t *text = texts->text.data + wide->text_at;

	wide->row.uid = texts->uid[wide->at];
	wide->row.mail = &wide->mail;
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		if (!columns[i].is_wanted)
			continue;
		*columns[i].column = (ProtobufCBinaryData){ *length, text };
		text += *length++;
	}
	return &wide->row;
}

/* ---- the walk */

void
imap_wide_begin(struct imap_wide *wide, const struct bus_call *caller, const struct imap_view *view, struct imap_set uids, unsigned needs)
{
	*wide = (struct imap_wide){ .image = imap_image_ref(view->told), .uids = uids };
	for (size_t i = 0; i < IMAP_WIDE_PAGES; i++) {
		wide->pages[i].call = *caller;
		wide->pages[i].call.arena = &wide->pages[i].arena;
	}
	metadata_fetch_request__init(&wide->request);
	wide->request.account = imap_mailbox_account(view);
	wide->request.mailbox = imap_mailbox_number(view);
	wide->request.envelope = (needs & IMAP_NEEDS_ENVELOPE) != 0;
	wide->request.bodystructure = (needs & IMAP_NEEDS_BODYSTRUCTURE) != 0;
	wide->request.body = (needs & IMAP_NEEDS_BODY) != 0;
	wide->request.parts = (needs & IMAP_NEEDS_PARTS) != 0;
	wide->request.fields = (needs & IMAP_NEEDS_FIELDS) != 0;
	wide->request.texts = (needs & ~(unsigned)TEXTS) == 0;
	metadata_fetch_reply__row__init(&wide->row);
	metadata_mail__init(&wide->mail);
}

/* Cut the range to the first `most` messages of the image; how many it has then, or one more. */
static size_t
cut_range(const struct imap_image *image, struct imap_range *range, size_t most)
{
	uint32_t first = imap_image_lower_bound(image, range->first);
	size_t count = (size_t)imap_image_lower_bound(image, range->last) - first + 1;

	if (count <= most)
		return count;
	range->last = imap_image_row(image, first + (uint32_t)most - 1, NULL)->uid;
	return most;
}

/* The ranges from `uid` on, at most a page of them. */
static struct imap_set
next_ranges(const struct imap_wide *wide, uint64_t uid, struct arena *arena)
{
	struct imap_set out = { ARENA_ARRAY(arena, struct imap_range, PAGE_RANGES), 0 };
	size_t left = PAGE_MESSAGES;

	for (size_t i = 0; i < wide->uids.count && out.count < PAGE_RANGES && left > 0; i++) {
		struct imap_range range = wide->uids.ranges[i];

		if (range.last < uid)
			continue;
		if (range.first < uid)
			range.first = (uint32_t)uid;
		left -= cut_range(wide->image, &range, left);
		out.ranges[out.count++] = range;
	}
	return out;
}

/* Ask for the messages from `uid` on. False: there are none. */
static bool
ask(struct imap_wide *wide, struct imap_wide_page *page, uint64_t uid)
{
	struct imap_set ranges;

	arena_reset(&page->arena);
	ranges = next_ranges(wide, uid, &page->arena);
	if (ranges.count == 0)
		return false;
	wide->request.n_uids = ranges.count;
	wide->request.uids = wire_ranges(ranges, &page->arena);
	page->end = (uint64_t)ranges.ranges[ranges.count - 1].last + 1;
	if (wide->asked < page->end)
		wide->asked = page->end;
	page->future = metadata_fetch_start(&page->call, &wide->request);
	return true;
}

static void
ask_ahead(struct imap_wide *wide)
{
	for (unsigned i = 1; i < IMAP_WIDE_PAGES; i++) {
		struct imap_wide_page *page = &wide->pages[(wide->turn + i) % IMAP_WIDE_PAGES];

		if (!page->future && !ask(wide, page, wide->asked))
			return;
	}
}

static enum err
receive(struct imap_wide *wide, struct imap_wide_page *from)
{
	struct bus_future *future = from->future;
	MetadataFetchReply *page;

	from->future = NULL;
	TRY(metadata_fetch_wait(future, &page));
	if (page->texts && !is_whole(&wide->request, page->texts))
		return ERR_INTERNAL;
	wide->page = page;
	wide->at = wide->text_at = 0;
	wide->next_uid = page->more && page_count(page) > 0 ? (uint64_t)page_uid(page, page_count(page) - 1) + 1 : from->end;
	return ERR_OK;
}

/* Let the next page be the one that is used, of which `uid` is the first that is wanted. After one that has not all of it, or failed, the rest. */
static enum err
turn_page(struct imap_wide *wide, uint32_t uid)
{
	struct imap_wide_page *page = &wide->pages[wide->turn];

	if (wide->page && wide->next_uid >= page->end) {
		wide->turn = (wide->turn + 1) % IMAP_WIDE_PAGES;
		page = &wide->pages[wide->turn];
	}
	wide->page = NULL;
	if (!page->future && !ask(wide, page, uid)) {
		wide->is_done = true;
		return ERR_OK;
	}
	ask_ahead(wide);
	return receive(wide, page);
}

void
imap_wide_start(struct imap_wide *wide)
{
	struct imap_wide_page *page = &wide->pages[wide->turn];

	if (!page->future && !wide->page)
		ask(wide, page, 0);
}

enum err
imap_wide_get(struct imap_wide *wide, uint32_t uid, const MetadataFetchReply__Row **ret_row)
{
	*ret_row = NULL;
	for (;;) {
		while (wide->page && wide->at < page_count(wide->page) && page_uid(wide->page, wide->at) < uid)
			step(wide);
		if (wide->page && wide->at < page_count(wide->page)) {
			if (page_uid(wide->page, wide->at) == uid)
				*ret_row = wide->page->texts ? text_row(wide) : imap_wide_peek(wide, 0);
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
	return &wide->pages[wide->turn].arena;
}

size_t
imap_wide_bytes(const struct imap_wide *wide)
{
	size_t bytes = 0;

	for (size_t i = 0; i < IMAP_WIDE_PAGES; i++)
		bytes += wide->pages[i].arena.used_bytes;
	return bytes;
}

bool
imap_wide_is_waiting(const struct imap_wide *wide)
{
	for (size_t i = 0; i < IMAP_WIDE_PAGES; i++)
		if (wide->pages[i].future)
			return true;
	return false;
}

void
imap_wide_end(struct imap_wide *wide)
{
	MetadataFetchReply *reply;

	for (size_t i = 0; i < IMAP_WIDE_PAGES; i++) {
		if (wide->pages[i].future)
			(void)metadata_fetch_wait(wide->pages[i].future, &reply);
		arena_clear(&wide->pages[i].arena);
	}
	imap_image_unref(wide->image);
}
