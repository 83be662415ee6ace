/* A maildrop: the messages that a mailbox had at the login, and those of them that are marked as deleted. */
#include "services/pop3/maildrop.h"

#include <stdio.h>

#include "proto/metadata.client.h"

/* ---- opening */

static ProtobufCBinaryData
bytes_of(struct str s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *)s.ptr };
}

static void
make_room(struct pop3_maildrop *drop, const MetadataState *state)
{
	drop->mailbox = state->mailbox;
	drop->uidvalidity = state->uidvalidity;
	drop->room = state->messages;
	drop->uidnext = state->uidnext;
	drop->uids = ARENA_ARRAY(&drop->arena, uint32_t, drop->room + 1);
	drop->sizes = ARENA_ARRAY(&drop->arena, uint64_t, drop->room + 1);
	drop->is_deleted = ARENA_ARRAY(&drop->arena, bool, drop->room + 1);
}

/* Behind those that are there. What has a UID from `uidnext` on came after the snapshot; of the others there are never more than there were. */
static enum err
add_rows(struct pop3_maildrop *drop, const MetadataRows *rows)
{
	for (size_t i = 0; i < rows->n_uid && rows->uid[i] < drop->uidnext; i++) {
		if (drop->count == drop->room || i >= rows->n_size)
			return ERR_INTERNAL;
		drop->uids[drop->count] = rows->uid[i];
		drop->sizes[drop->count++] = rows->size[i];
		drop->bytes += rows->size[i];
	}
	return ERR_OK;
}

static enum err
load(struct pop3_maildrop *drop, struct bus_call *call, const MetadataRows *rows, bool is_more)
{
	MetadataLoadRequest request = METADATA_LOAD_REQUEST__INIT;

	request.account = drop->account;
	request.mailbox = drop->mailbox;
	while (rows != NULL) {
		MetadataLoadReply *page;

		TRY(add_rows(drop, rows));
		if (!is_more || rows->n_uid == 0)
			break;
		request.after_uid = rows->uid[rows->n_uid - 1];
		arena_reset(call->arena);
		TRY(metadata_load(call, &request, &page));
		rows = page->rows;
		is_more = page->more;
	}
	return ERR_OK;
}

enum err
pop3_maildrop_open(struct pop3_maildrop *drop, struct bus_call *call, struct str name)
{
	MetadataSelectRequest request = METADATA_SELECT_REQUEST__INIT;
	MetadataSelectReply *reply;

	request.account = drop->account;
	request.name = bytes_of(name);
	request.read_only = true;
	TRY(metadata_select(call, &request, &reply));
	make_room(drop, reply->state);
	return load(drop, call, reply->rows, reply->more);
}

void
pop3_maildrop_clear(struct pop3_maildrop *drop)
{
	arena_clear(&drop->arena);
	*drop = (struct pop3_maildrop){ 0 };
}

/* ---- its messages */

enum err
pop3_maildrop_find(const struct pop3_maildrop *drop, uint32_t number, size_t *ret_place)
{
	if (number == 0 || number > drop->count || drop->is_deleted[number - 1])
		return ERR_NONEXISTENT;
	*ret_place = number - 1;
	return ERR_OK;
}

void
pop3_maildrop_delete(struct pop3_maildrop *drop, size_t place)
{
	drop->is_deleted[place] = true;
	drop->deleted++;
	drop->bytes -= drop->sizes[place];
}

void
pop3_maildrop_undelete(struct pop3_maildrop *drop)
{
	for (size_t i = 0; i < drop->count; i++) {
		if (drop->is_deleted[i])
			drop->bytes += drop->sizes[i];
		drop->is_deleted[i] = false;
	}
	drop->deleted = 0;
}

struct bus_future *
pop3_maildrop_fetch_start(const struct pop3_maildrop *drop, struct bus_call *call, size_t place, size_t count)
{
	MetadataUidRange range = METADATA_UID_RANGE__INIT, *ranges = &range;
	MetadataFetchRequest request = METADATA_FETCH_REQUEST__INIT;

	range.first = drop->uids[place];
	range.last = drop->uids[place + count - 1];
	request.account = drop->account;
	request.mailbox = drop->mailbox;
	request.n_uids = 1;
	request.uids = &ranges;
	request.parts = true;
	return metadata_fetch_start(call, &request);
}

/* The messages that are marked, as ranges: neighbours in the maildrop are neighbours in the mailbox. */
static size_t
marked_ranges(const struct pop3_maildrop *drop, struct arena *arena, MetadataUidRange ***ret_ranges)
{
	MetadataUidRange **ranges = ARENA_ARRAY(arena, MetadataUidRange *, drop->deleted + 1);
	size_t count = 0;

	for (size_t i = 0; i < drop->count; i++) {
		if (!drop->is_deleted[i])
			continue;
		if (i == 0 || !drop->is_deleted[i - 1]) {
			ranges[count] = ARENA_NEW(arena, MetadataUidRange);
			metadata_uid_range__init(ranges[count]);
			ranges[count++]->first = drop->uids[i];
		}
		ranges[count - 1]->last = drop->uids[i];
	}
	*ret_ranges = ranges;
	return count;
}

enum err
pop3_maildrop_update(const struct pop3_maildrop *drop, struct bus_call *call)
{
	MetadataExpungeRequest request = METADATA_EXPUNGE_REQUEST__INIT;

	if (drop->deleted == 0)
		return ERR_OK;
	request.account = drop->account;
	request.mailbox = drop->mailbox;
	request.has_uids = true;
	request.n_uids = marked_ranges(drop, call->arena, &request.uids);
	request.regardless = true;
	return metadata_expunge(call, &request, NULL);
}

/* ---- unique-ids */

/* Both are in ascending order of UID. */
static void
merge_uidls(struct pop3_maildrop *drop, const MetadataListUidlsReply *page)
{
	size_t place = 0;

	if (drop->uidls == NULL && page->n_uid > 0)
		drop->uidls = ARENA_ARRAY(&drop->arena, struct str, drop->count + 1);
	for (size_t i = 0; i < page->n_uid && i < page->n_uidl; i++) {
		while (place < drop->count && drop->uids[place] < page->uid[i])
			place++;
		if (place < drop->count && drop->uids[place] == page->uid[i] && page->uidl[i].len <= POP3_UIDL_MAX)
			drop->uidls[place] = arena_copy(&drop->arena, str_from(page->uidl[i].data, page->uidl[i].len));
	}
}

enum err
pop3_maildrop_load_uidls(struct pop3_maildrop *drop, struct bus_call *call)
{
	MetadataListUidlsRequest request = METADATA_LIST_UIDLS_REQUEST__INIT;
	MetadataListUidlsReply *page;

	if (drop->has_asked)
		return ERR_OK;
	request.account = drop->account;
	request.mailbox = drop->mailbox;
	do {
		arena_reset(call->arena);
		TRY(metadata_list_uidls(call, &request, &page));
		merge_uidls(drop, page);
		if (page->n_uid > 0)
			request.after_uid = page->uid[page->n_uid - 1];
	} while (page->more);
	drop->has_asked = true;
	return ERR_OK;
}

void
pop3_maildrop_uidl(const struct pop3_maildrop *drop, size_t place, char ret[POP3_UIDL_MAX + 1])
{
	if (drop->uidls != NULL && drop->uidls[place].len > 0)
		snprintf(ret, POP3_UIDL_MAX + 1, "%.*s", STR_ARG(drop->uidls[place]));
	else
		snprintf(ret, POP3_UIDL_MAX + 1, "%08x%08x", drop->uidvalidity, drop->uids[place]);
}
