/* Bodies that are read ahead. */
#include "services/imap/ahead.h"

#include "services/imap/fetch.h"
#include "services/imap/wire.h"

static struct imap_ahead_slot *
slot_of(struct imap_ahead *ahead, uint32_t uid, const struct imap_section *section)
{
	for (size_t i = 0; i < IMAP_AHEAD; i++)
		if (ahead->slots[i].uid == uid && (uid == 0 || ahead->slots[i].section == section))
			return &ahead->slots[i];
	return NULL;
}

bool
imap_ahead_start(struct imap_ahead *ahead, const struct bus_call *caller, const MetadataFetchReply__Row *row,
    const struct imap_section *section)
{
	struct imap_ahead_slot *slot = slot_of(ahead, 0, NULL);
	uint64_t offset, len;

	if (slot_of(ahead, row->uid, section) || !imap_section_range(row, section, &offset, &len))
		return true;
	if (!slot)
		return false;
	slot->uid = row->uid;
	slot->section = section;
	blob_reader_begin(&slot->in, caller, wire_str(row->mail->blob), offset, len);
	blob_reader_start(&slot->in);
	return true;
}

struct blob_reader *
imap_ahead_take(struct imap_ahead *ahead, uint32_t uid, const struct imap_section *section)
{
	struct imap_ahead_slot *slot = slot_of(ahead, uid, section);

	return slot ? &slot->in : NULL;
}

void
imap_ahead_give(struct imap_ahead *ahead, struct blob_reader *in)
{
	for (size_t i = 0; i < IMAP_AHEAD; i++)
		if (&ahead->slots[i].in == in)
			ahead->slots[i].uid = 0;
	blob_reader_end(in);
}

void
imap_ahead_drop(struct imap_ahead *ahead, uint64_t uid)
{
	for (size_t i = 0; i < IMAP_AHEAD; i++)
		if (ahead->slots[i].uid != 0 && ahead->slots[i].uid < uid)
			imap_ahead_give(ahead, &ahead->slots[i].in);
}
