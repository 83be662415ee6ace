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

	layout_header(&ref->object, ref->key_id, expected);
	return str_equal(header, str_from(expected, sizeof(expected))) ? ERR_OK : ERR_CORRUPT;
}

size_t
frame_plain_bytes(const struct frame_index *index, size_t number)
{
	uint64_t left = index->ref.size - (uint64_t)number * FRAME_BYTES;

	return left < FRAME_BYTES ? (size_t)left : FRAME_BYTES;
}

/* The trailer must be what a writer makes of this reference and its own two unknowns: the hash, and the check over all. */
static bool
trailer_is_good(const struct blob_ref *ref, struct str tail, uint8_t ret_hash[SHA256_BYTES])
{
	struct str rows = str_sub(tail, 0, tail.len - FRAME_TRAILER_BYTES);
	const uint8_t *bytes = (const uint8_t *)tail.ptr + rows.len;
	struct layout_trailer trailer = { .size = ref->size, .index_at = ref->stored - tail.len };
	uint8_t expected[FRAME_TRAILER_BYTES];

	memcpy(trailer.hash, bytes + 32, SHA256_BYTES);
	layout_trailer_write(&trailer, expected);
	layout_tail_check(&ref->object, ref->key_id, rows, expected, expected + LAYOUT_TAIL_CHECK_AT);
	memcpy(ret_hash, trailer.hash, SHA256_BYTES);
	return memcmp(bytes, expected, sizeof(expected)) == 0;
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
frame_index_read(const struct blob_ref *ref, struct str tail, struct frame_index **ret)
{
	size_t count = (size_t)frame_count(ref->size);
	struct frame_index *index;

	if (ref->key_id != 0)
		return ERR_CONFIG;
	if (tail.len != frame_tail_bytes(ref))
		return ERR_CORRUPT;
	index = mem_calloc(1, sizeof(*index) + count * sizeof(index->rows[0]));
	index->ref = *ref;
	index->count = count;
	if (!trailer_is_good(ref, tail, index->hash) || !rows_read(index, (const uint8_t *)tail.ptr)) {
		free(index);
		return ERR_CORRUPT;
	}
	*ret = index;
	return ERR_OK;
}

enum err
frame_read(const struct frame_index *index, size_t number, struct str stored, char *ret)
{
	const struct frame_row *row = &index->rows[number];
	size_t plain = frame_plain_bytes(index, number);
	uint8_t word[4], check[FRAME_CHECK_BYTES];

	if (stored.len != row->stored)
		return ERR_CORRUPT;
	put_u32(word, row->stored | (row->is_zstd ? LAYOUT_ZSTD : 0));
	layout_frame_check(&index->ref.object, number, word, stored, check);
	if (memcmp(check, row->check, sizeof(check)) != 0)
		return ERR_CORRUPT;
	if (row->is_zstd)
		return frame_decompress(stored, ret, plain) ? ERR_OK : ERR_CORRUPT;
	memcpy(ret, stored.ptr, plain);
	return ERR_OK;
}

enum err
frame_body_check(const struct frame_index *index, struct str body)
{
	uint8_t hash[SHA256_BYTES];

	sha256(body, hash);
	return body.len == index->ref.size && memcmp(hash, index->hash, sizeof(hash)) == 0 ? ERR_OK : ERR_CORRUPT;
}
