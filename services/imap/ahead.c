/* Bodies that are read ahead. */
#include "services/imap/ahead.h"

#include "libcommon/core/clock.h"
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
imap_ahead_is_low(const struct imap_ahead *ahead)
{
	return ahead->count <= IMAP_AHEAD / 2;
}

static bool
has_room(const struct imap_ahead *ahead, uint64_t bytes)
{
	if (ahead->is_early)
		return ahead->bytes + bytes <= IMAP_AHEAD_EARLY_BYTES;
	return ahead->count < IMAP_AHEAD_LONG || ahead->bytes + bytes <= IMAP_AHEAD_BYTES;
}

bool
imap_ahead_add(struct imap_ahead *ahead, const struct bus_call *caller, const MetadataFetchReply__Row *row,
    const struct imap_section *section)
{
	struct imap_ahead_slot *slot = slot_of(ahead, 0, NULL);
	struct bus_call call = *caller;
	uint64_t offset, len, bytes;

	if (slot_of(ahead, row->uid, section) || !imap_section_range(row, section, &offset, &len))
		return true;
	if (ahead->is_early && len > IMAP_AHEAD_EARLY_BYTES)
		return true;
	bytes = len < BUS_CHUNK_MAX ? len : BUS_CHUNK_MAX;
	if (!slot || !has_room(ahead, bytes))
		return false;
	if (ahead->is_early)
		call.deadline_ms = clock_mono_ms() + IMAP_AHEAD_EARLY_MS;
	slot->uid = row->uid;
	slot->section = section;
	slot->bytes = bytes;
	ahead->bytes += bytes;
	ahead->count++;
	blob_reader_begin(&slot->in, &call, wire_str(row->mail->blob), offset, len);
	return true;
}

void
imap_ahead_start(struct imap_ahead *ahead)
{
	struct blob_reader *readers[IMAP_AHEAD];
	size_t count = 0;

	for (size_t i = 0; i < IMAP_AHEAD; i++)
		if (ahead->slots[i].uid != 0)
			readers[count++] = &ahead->slots[i].in;
	blob_readers_start(readers, count);
}

struct blob_reader *
imap_ahead_take(struct imap_ahead *ahead, uint32_t uid, const struct imap_section *section)
{
	struct imap_ahead_slot *slot = slot_of(ahead, uid, section);

	return slot ? &slot->in : NULL;
}

static void
empty(struct imap_ahead *ahead, struct imap_ahead_slot *slot)
{
	blob_reader_end(&slot->in);
	ahead->bytes -= slot->bytes;
	ahead->count--;
	slot->uid = 0;
}

void
imap_ahead_give(struct imap_ahead *ahead, struct blob_reader *in)
{
	for (size_t i = 0; i < IMAP_AHEAD; i++)
		if (&ahead->slots[i].in == in) {
			empty(ahead, &ahead->slots[i]);
			return;
		}
	blob_reader_end(in);
}

void
imap_ahead_drop(struct imap_ahead *ahead, uint64_t uid)
{
	for (size_t i = 0; i < IMAP_AHEAD; i++)
		if (ahead->slots[i].uid != 0 && ahead->slots[i].uid < uid)
			empty(ahead, &ahead->slots[i]);
}
