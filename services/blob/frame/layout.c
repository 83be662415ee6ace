/* The bytes of header and trailer, and what each check is made of. */
#include "services/blob/frame/layout.h"

#include "services/blob/frame/bytes.h"

void
layout_header(const struct uuid *object, uint32_t key_id, uint8_t ret[FRAME_HEADER_BYTES])
{
	memcpy(ret, "SORABLB1", 8);
	put_u32(ret + 8, 0);
	put_u32(ret + 12, key_id);
	memcpy(ret + 16, object->bytes, sizeof(object->bytes));
}

void
layout_trailer_write(const struct layout_trailer *trailer, uint8_t ret[FRAME_TRAILER_BYTES])
{
	memset(ret, 0, FRAME_TRAILER_BYTES);
	memcpy(ret, "SORAEND1", 8);
	put_u32(ret + 8, (uint32_t)frame_count(trailer->size));
	put_u32(ret + 12, FRAME_BYTES);
	put_u64(ret + 16, trailer->size);
	put_u64(ret + 24, trailer->index_at);
	memcpy(ret + 32, trailer->hash, SHA256_BYTES);
}

void
layout_frame_check(const struct uuid *object, uint64_t number, const uint8_t row[4], struct str stored,
    uint8_t ret[FRAME_CHECK_BYTES])
{
	uint8_t place[28], full[SHA256_BYTES];
	struct sha256 hash;

	memcpy(place, object->bytes, 16);
	put_u64(place + 16, number);
	memcpy(place + 24, row, 4);
	sha256_init(&hash);
	sha256_add(&hash, str_from(place, sizeof(place)));
	sha256_add(&hash, stored);
	sha256_finish(&hash, full);
	memcpy(ret, full, FRAME_CHECK_BYTES);
}

void
layout_tail_check(const struct uuid *object, uint32_t key_id, struct str index, const uint8_t *trailer,
    uint8_t ret[SHA256_BYTES])
{
	uint8_t header[FRAME_HEADER_BYTES];
	struct sha256 hash;

	layout_header(object, key_id, header);
	sha256_init(&hash);
	sha256_add(&hash, str_from(header, sizeof(header)));
	sha256_add(&hash, index);
	sha256_add(&hash, str_from(trailer, LAYOUT_TAIL_CHECK_AT));
	sha256_finish(&hash, ret);
}
