/* Reading the format of stored bodies: everything is checked before it is believed. */
#include "services/blob/frame/layout.h"

#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "services/blob/frame/bytes.h"
#include "services/blob/frame/zstd.h"

enum err
frame_header_check(const struct blob_ref *ref, struct str header)
{
	uint8_t expected[FRAME_HEADER_BYTES];

	layout_header(&ref->object, (uint32_t)ref->offset, ref->key_id, expected);
	return str_equal(header, str_from(expected, sizeof(expected))) ? ERR_OK : ERR_CORRUPT;
}

size_t
frame_plain_bytes(const struct frame_index *index, size_t number)
{
	uint64_t left = index->ref.size - (uint64_t)number * FRAME_BYTES;

	return left < FRAME_BYTES ? (size_t)left : FRAME_BYTES;
}

/* The trailer must be what a writer makes of this place, these lengths, and its own one unknown: the body's hash. */
static bool
trailer_is_good(struct frame_index *index, struct str tail)
{
	struct str rows = str_sub(tail, 0, tail.len - FRAME_TRAILER_BYTES), trailer = str_sub(tail, rows.len, SIZE_MAX);
	uint8_t expected[FRAME_TRAILER_BYTES];

	memcpy(index->hash, trailer.ptr + LAYOUT_HASH_AT, SHA256_BYTES);
	layout_trailer(&index->place, index->ref.size, index->ref.stored - tail.len, index->hash, rows, expected);
	return crypto_equal(trailer, str_from(expected, sizeof(expected)));
}

static bool
rows_read(struct frame_index *index, const uint8_t *at)
{
	uint64_t offset = FRAME_HEADER_BYTES;

	for (size_t i = 0; i < index->count; i++, at += FRAME_ROW_BYTES) {
		struct frame_row *row = &index->rows[i];
		uint32_t word = get_u32(at);
		size_t plain = frame_plain_bytes(index, i);

		row->offset = offset;
		row->stored = word & ~LAYOUT_ZSTD;
		row->is_zstd = word & LAYOUT_ZSTD;
		memcpy(row->check, at + 4, FRAME_CHECK_BYTES);
		if (row->stored == 0 || (row->is_zstd ? row->stored >= plain : row->stored != plain))
			return false;
		offset += row->stored;
	}
	return offset == index->ref.stored - frame_tail_bytes(&index->ref);
}

enum err
frame_index_read(const struct seal_keys *keys, const struct blob_ref *ref, struct str tail, struct frame_index **ret)
{
	const struct seal_key *key = seal_keys_find(keys, ref->key_id);
	size_t count = (size_t)frame_count(ref->size);
	struct frame_index *index;

	if (ref->key_id != 0 && key == NULL)
		return ERR_CONFIG;
	if (tail.len != frame_tail_bytes(ref))
		return ERR_CORRUPT;
	index = mem_calloc(1, sizeof(*index) + count * sizeof(index->rows[0]));
	index->ref = *ref;
	index->count = count;
	layout_place(&ref->object, (uint32_t)ref->offset, key, &index->place);
	if (!trailer_is_good(index, tail) || !rows_read(index, (const uint8_t *)tail.ptr)) {
		free(index);
		return ERR_CORRUPT;
	}
	*ret = index;
	return ERR_OK;
}

static enum err
decode(const struct frame_index *index, size_t number, struct str stored, char *room, char *ret)
{
	const struct frame_row *row = &index->rows[number];
	size_t plain = frame_plain_bytes(index, number);
	uint8_t word[4];
	struct layout_frame frame = { &index->place, number, word };
	struct str bytes;

	put_u32(word, row->stored | (row->is_zstd ? LAYOUT_ZSTD : 0));
	if (stored.len != row->stored || !layout_frame_open(&frame, stored, row->check, room, &bytes))
		return ERR_CORRUPT;
	if (row->is_zstd)
		return frame_decompress(bytes, ret, plain) ? ERR_OK : ERR_CORRUPT;
	memcpy(ret, bytes.ptr, plain);
	return ERR_OK;
}

enum err
frame_read(const struct frame_index *index, size_t number, struct str stored, char *ret)
{
	char *room = index->place.seal.is_on ? mem_alloc(FRAME_BYTES) : NULL;
	enum err err = decode(index, number, stored, room, ret);

	free(room);
	return err;
}

enum err
frame_body_check(const struct frame_index *index, struct str body)
{
	uint8_t hash[SHA256_BYTES];

	if (body.len != index->ref.size)
		return ERR_CORRUPT;
	sha256(body, hash);
	layout_body_hash(&index->place, hash);
	return crypto_equal(str_from(hash, sizeof(hash)), str_from(index->hash, sizeof(index->hash))) ? ERR_OK : ERR_CORRUPT;
}
