/* Between our types and the bus's. */
#ifndef SORA_IMAP_WIRE_H
#define SORA_IMAP_WIRE_H

#include "libcommon/core/arena.h"
#include "proto/metadata.pb-c.h"
#include "services/imap/image.h"

static inline ProtobufCBinaryData
wire_bytes(struct str s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *)s.ptr };
}

static inline struct str
wire_str(ProtobufCBinaryData data)
{
	return str_from(data.data, data.len);
}

/* A message in `arena`, to be pointed at by a request. */
static inline MetadataCursor *
wire_cursor(struct imap_cursor_at at, struct arena *arena)
{
	MetadataCursor *cursor = ARENA_NEW(arena, MetadataCursor);

	metadata_cursor__init(cursor);
	cursor->timeline = at.timeline;
	cursor->modseq = at.modseq;
	return cursor;
}

static inline struct imap_cursor_at
wire_cursor_at(const MetadataCursor *cursor)
{
	return cursor ? (struct imap_cursor_at){ cursor->timeline, cursor->modseq } : (struct imap_cursor_at){ 0, 0 };
}

/* `set.count` ranges, in `arena`. */
static inline MetadataUidRange **
wire_ranges(struct imap_set set, struct arena *arena)
{
	MetadataUidRange **ranges = ARENA_ARRAY(arena, MetadataUidRange *, set.count + 1);
	MetadataUidRange *items = ARENA_ARRAY(arena, MetadataUidRange, set.count + 1);

	for (size_t i = 0; i < set.count; i++) {
		metadata_uid_range__init(&items[i]);
		items[i].first = set.ranges[i].first;
		items[i].last = set.ranges[i].last;
		ranges[i] = &items[i];
	}
	return ranges;
}

/* Strings as repeated bytes, in `arena`. */
static inline ProtobufCBinaryData *
wire_list(const struct str *items, size_t count, struct arena *arena)
{
	ProtobufCBinaryData *list = ARENA_ARRAY(arena, ProtobufCBinaryData, count + 1);

	for (size_t i = 0; i < count; i++)
		list[i] = wire_bytes(items[i]);
	return list;
}

#endif
