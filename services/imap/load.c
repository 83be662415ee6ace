/* Select, Load, Sync: mailboxes into memory. */
#include "services/imap/load.h"

#include "proto/metadata.client.h"
#include "services/imap/wire.h"

enum { RELOADS_MAX = 3 };

/* Replace *image by itself with these rows. */
static enum err
add_rows(struct imap_image **image, const MetadataRows *columns, struct arena *arena)
{
	struct imap_new_row *rows;
	struct imap_image *merged;
	size_t count;

	TRY(imap_image_rows(columns, arena, &rows, &count));
	merged = imap_image_merge(*image, rows, count, (struct imap_set){ 0 }, false);
	imap_image_unref(*image);
	*image = merged;
	return ERR_OK;
}

enum err
imap_load_sync(struct imap_image *image, const MetadataSync *sync, struct imap_image **ret_image)
{
	struct imap_image *now = imap_image_ref(image);
	struct imap_cursor_at cursor = wire_cursor_at(sync->cursor);

	for (size_t i = 0; i < sync->n_change; i++) {
		struct imap_image *next;
		enum err err;

		if (sync->change[i]->modseq <= now->cursor.modseq)
			continue;
		err = imap_image_apply(now, sync->change[i], &next);
		imap_image_unref(now);
		if (err != ERR_OK)
			return err;
		now = next;
	}
	if (cursor.timeline == now->cursor.timeline && cursor.modseq > now->cursor.modseq) {
		if (now == image) {
			imap_image_unref(now);
			now = imap_image_merge(image, NULL, 0, (struct imap_set){ 0 }, false);
		}
		now->cursor = cursor;
	}
	*ret_image = now;
	return ERR_OK;
}

/* One mailbox's Sync from the image's cursor; replaces *image. */
static enum err
catch_up(struct bus_call *call, uint64_t account, uint64_t mailbox, struct imap_image **image)
{
	MetadataSyncRequest request = METADATA_SYNC_REQUEST__INIT;
	MetadataSyncRequest__Item item = METADATA_SYNC_REQUEST__ITEM__INIT, *items[] = { &item };
	struct imap_image *now;
	MetadataSyncReply *reply;

	item.account = account;
	item.mailbox = mailbox;
	item.have = wire_cursor((*image)->cursor, call->arena);
	request.n_item = 1;
	request.item = items;
	TRY(metadata_sync(call, &request, &reply));
	if (reply->n_sync != 1)
		return ERR_INTERNAL;
	TRY(err_from_wire(reply->sync[0]->status));
	if (reply->sync[0]->is_lost)
		return ERR_LOST;
	TRY(imap_load_sync(*image, reply->sync[0], &now));
	imap_image_unref(*image);
	*image = now;
	return ERR_OK;
}

/* The further pages of a full load, and what changed meanwhile. */
static enum err
load_rest(struct bus_call *call, uint64_t account, uint64_t mailbox, struct imap_image **image)
{
	struct arena *outer = call->arena, page = { 0 };
	bool more = true;
	enum err err = ERR_OK;

	call->arena = &page;
	while (more && err == ERR_OK) {
		MetadataLoadRequest request = METADATA_LOAD_REQUEST__INIT;
		MetadataLoadReply *reply;

		request.account = account;
		request.mailbox = mailbox;
		request.after_uid = imap_image_last_uid(*image);
		err = metadata_load(call, &request, &reply);
		if (err == ERR_OK)
			err = add_rows(image, reply->rows, &page);
		more = err == ERR_OK && reply->more;
		arena_reset(&page);
	}
	if (err == ERR_OK)
		err = catch_up(call, account, mailbox, image);
	arena_clear(&page);
	call->arena = outer;
	return err;
}

static enum err
load_full(struct bus_call *call, uint64_t account, const MetadataSelectReply *reply, struct imap_image **ret_image)
{
	struct imap_image *image = imap_image_new();
	enum err err;

	image->uidnext = reply->state->uidnext;
	image->cursor = wire_cursor_at(reply->state->cursor);
	imap_image_add_keywords(image, reply->state->keyword, reply->state->n_keyword, 0);
	err = add_rows(&image, reply->rows, call->arena);
	if (err == ERR_OK && reply->more)
		err = load_rest(call, account, reply->state->mailbox, &image);
	if (err == ERR_OK)
		*ret_image = image;
	else
		imap_image_unref(image);
	return err;
}

/* The image that is here, and what is new. */
static enum err
load_changes(const MetadataSelectReply *reply, struct imap_image *have, struct imap_image **ret_image)
{
	MetadataSync sync = METADATA_SYNC__INIT;

	sync.cursor = reply->state->cursor;
	sync.n_change = reply->n_change;
	sync.change = reply->change;
	return imap_load_sync(have, &sync, ret_image);
}

static enum err
load_once(struct bus_call *call, uint64_t account, struct str name, bool is_read_only, const struct imap_have *have,
    struct imap_image **ret_image, MetadataState **ret_state)
{
	MetadataSelectRequest request = METADATA_SELECT_REQUEST__INIT;
	MetadataSelectReply *reply;

	request.account = account;
	request.name = wire_bytes(name);
	request.read_only = is_read_only;
	if (have && have->image) {
		request.have = wire_cursor(have->image->cursor, call->arena);
		request.have_mailbox = have->mailbox;
		request.have_uidvalidity = have->uidvalidity;
	}
	TRY(metadata_select(call, &request, &reply));
	if (!reply->state || !reply->state->cursor || (!reply->is_full && !request.have))
		return ERR_INTERNAL;
	TRY(err_from_wire(reply->state->status));
	*ret_state = reply->state;
	return reply->is_full ? load_full(call, account, reply, ret_image) : load_changes(reply, have->image, ret_image);
}

enum err
imap_load(struct bus_call *call, uint64_t account, struct str name, bool is_read_only, const struct imap_have *have,
    struct imap_image **ret_image, MetadataState **ret_state)
{
	enum err err = load_once(call, account, name, is_read_only, have, ret_image, ret_state);

	/* More has changed since the first page than a Sync can tell. What was recent is claimed, and stays this session's. */
	for (int i = 0; err == ERR_LOST && i < RELOADS_MAX; i++) {
		uint32_t recent_uid = (*ret_state)->recent_uid;

		err = load_once(call, account, name, true, NULL, ret_image, ret_state);
		(*ret_state)->recent_uid = recent_uid;
	}
	return err == ERR_LOST ? ERR_BUSY : err;
}

enum err
imap_load_name(struct bus_call *call, uint64_t account, uint64_t mailbox, struct str *ret_name)
{
	MetadataListRequest request = METADATA_LIST_REQUEST__INIT;
	MetadataListReply *reply;

	request.account = account;
	TRY(metadata_list(call, &request, &reply));
	for (size_t i = 0; i < reply->n_mailbox; i++) {
		if (reply->mailbox[i]->mailbox != mailbox)
			continue;
		*ret_name = wire_str(reply->mailbox[i]->name);
		return ERR_OK;
	}
	return ERR_NO_MAILBOX;
}
