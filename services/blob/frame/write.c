/* Writing the format of stored bodies. */
#include "services/blob/frame/layout.h"

#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "services/blob/frame/bytes.h"
#include "services/blob/frame/zstd.h"

void
frame_writer_init(struct frame_writer *w, const struct uuid *object, uint32_t offset, const struct seal_key *key,
    const struct frame_sink *sink)
{
	*w = (struct frame_writer){ .sink = *sink };
	layout_place(object, offset, key, &w->place);
	sha256_init(&w->hash);
}

void
frame_writer_clear(struct frame_writer *w)
{
	sha256_clear(&w->hash);
	buffer_clear(&w->pending);
	buffer_clear(&w->index);
}

static enum err
write_out(struct frame_writer *w, struct str bytes)
{
	TRY(w->sink.write(w->sink.self, bytes));
	w->stored += bytes.len;
	return ERR_OK;
}

static enum err
write_header(struct frame_writer *w)
{
	return w->stored > 0 ? ERR_OK : write_out(w, str_from(w->place.header, sizeof(w->place.header)));
}

static enum err
write_frame(struct frame_writer *w, struct str plain)
{
	char *room = mem_alloc(FRAME_BYTES);
	size_t packed_len = frame_compress(plain, room);
	struct str stored = packed_len ? str_from(room, packed_len) : plain;
	uint8_t row[FRAME_ROW_BYTES];
	struct layout_frame frame = { &w->place, buffer_len(&w->index) / FRAME_ROW_BYTES, row };
	enum err err;

	put_u32(row, (uint32_t)stored.len | (packed_len ? LAYOUT_ZSTD : 0));
	stored = layout_frame_close(&frame, stored, room, row + 4);
	buffer_add(&w->index, str_from(row, sizeof(row)));
	err = write_out(w, stored);
	free(room);
	return err;
}

enum err
frame_writer_add(struct frame_writer *w, struct str bytes)
{
	if (bytes.len > BODY_MAX - w->size)
		return ERR_TOO_BIG;
	TRY(write_header(w));
	sha256_add(&w->hash, bytes);
	w->size += bytes.len;
	while (bytes.len > 0) {
		size_t held = buffer_len(&w->pending);
		struct str part = str_sub(bytes, 0, FRAME_BYTES - held);

		bytes = str_sub(bytes, part.len, SIZE_MAX);
		if (held == 0 && part.len == FRAME_BYTES) {
			TRY(write_frame(w, part));
			continue;
		}
		buffer_add(&w->pending, part);
		if (buffer_len(&w->pending) == FRAME_BYTES) {
			TRY(write_frame(w, buffer_str(&w->pending)));
			buffer_reset(&w->pending);
		}
	}
	return ERR_OK;
}

enum err
frame_writer_finish(struct frame_writer *w, struct blob_ref *ret)
{
	uint8_t hash[SHA256_BYTES], trailer[FRAME_TRAILER_BYTES];

	TRY(write_header(w));
	if (buffer_len(&w->pending) > 0)
		TRY(write_frame(w, buffer_str(&w->pending)));
	sha256_finish(&w->hash, hash);
	layout_body_hash(&w->place, hash);
	layout_trailer(&w->place, w->size, w->stored, hash, buffer_str(&w->index), trailer);
	TRY(write_out(w, buffer_str(&w->index)));
	TRY(write_out(w, str_from(trailer, sizeof(trailer))));
	*ret = (struct blob_ref){ .object = w->place.object, .offset = w->place.offset, .stored = w->stored, .size = w->size,
		.key_id = w->place.key_id };
	return ERR_OK;
}
