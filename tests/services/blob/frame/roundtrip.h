/* Encode a body into memory and read all of it back: for the tests and the fuzzer. */
#ifndef SORA_TESTS_BLOB_ROUNDTRIP_H
#define SORA_TESTS_BLOB_ROUNDTRIP_H

#include <stdlib.h>

#include "services/blob/frame/frame.h"

static inline enum err
to_buffer(void *self, struct str bytes)
{
	buffer_add(self, bytes);
	return ERR_OK;
}

/* Two keys, of which the first writes. */
static inline const struct seal_keys *
some_keys(void)
{
	static const struct seal_keys keys = { .keys = { { .id = 7, .bytes = "one key" }, { .id = 8, .bytes = "another" } }, .count = 2 };

	return &keys;
}

/* Behind what `out` has, as the next body of `object`, in pieces of `piece` bytes. */
static inline struct blob_ref
encode_at(const struct uuid *object, const struct seal_key *key, struct str body, size_t piece, struct buffer *out)
{
	struct frame_sink sink = { to_buffer, out };
	struct frame_writer w;
	struct blob_ref ref;

	frame_writer_init(&w, object, (uint32_t)buffer_len(out), key, &sink);
	for (size_t i = 0; i < body.len; i += piece) {
		if (frame_writer_add(&w, str_sub(body, i, piece)) != ERR_OK)
			abort();
	}
	if (frame_writer_finish(&w, &ref) != ERR_OK)
		abort();
	frame_writer_clear(&w);
	return ref;
}

/* As the only body of a fresh object. */
static inline struct blob_ref
encode_body(const struct seal_key *key, struct str body, size_t piece, struct buffer *out)
{
	struct uuid object = uuid_v7();

	return encode_at(&object, key, body, piece, out);
}

static inline enum err
decode_rows(const struct frame_index *index, struct str stored, struct buffer *out)
{
	for (size_t i = 0; i < index->count; i++) {
		size_t plain = frame_plain_bytes(index, i);

		TRY(frame_read(index, i, str_sub(stored, (size_t)index->rows[i].offset, index->rows[i].stored),
		    buffer_reserve(out, plain)));
		buffer_grew(out, plain);
	}
	return frame_body_check(index, buffer_str(out));
}

/* `stored`: the bytes of the object that the reference names. */
static inline enum err
decode_body(const struct blob_ref *ref, struct str stored, struct buffer *out)
{
	size_t tail = frame_tail_bytes(ref);
	struct frame_index *index;
	enum err err;

	if (stored.len != ref->stored)
		return ERR_CORRUPT;
	TRY(frame_header_check(ref, str_sub(stored, 0, FRAME_HEADER_BYTES)));
	TRY(frame_index_read(some_keys(), ref, str_sub(stored, stored.len - tail, tail), &index));
	err = decode_rows(index, stored, out);
	free(index);
	return err;
}

#endif
