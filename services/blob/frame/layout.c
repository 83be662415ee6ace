/* The bytes of header and trailer, and what each check is made of. */
#include "services/blob/frame/layout.h"

#include "services/blob/frame/bytes.h"

enum { AAD_BYTES = 28 };

void
layout_header(const struct uuid *object, uint32_t offset, uint32_t key_id, uint8_t ret[FRAME_HEADER_BYTES])
{
	memcpy(ret, "SORABLB1", 8);
	put_u32(ret + 8, offset);
	put_u32(ret + 12, key_id);
	memcpy(ret + 16, object->bytes, sizeof(object->bytes));
}

void
layout_place(const struct uuid *object, uint32_t offset, const struct seal_key *key, struct frame_place *ret)
{
	*ret = (struct frame_place){ .object = *object, .offset = offset, .key_id = key != NULL ? key->id : 0 };
	layout_header(object, offset, ret->key_id, ret->header);
	seal_init(&ret->seal, key, str_from(ret->header, sizeof(ret->header)));
}

/* ---- a frame */

static void
frame_aad(const struct layout_frame *frame, uint8_t ret[AAD_BYTES])
{
	memcpy(ret, frame->place->object.bytes, 16);
	put_u32(ret + 16, frame->place->offset);
	put_u32(ret + 20, (uint32_t)frame->number);
	memcpy(ret + 24, frame->row, 4);
}

static void
frame_hash(struct str aad, struct str stored, uint8_t ret_check[FRAME_CHECK_BYTES])
{
	uint8_t full[SHA256_BYTES];
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, aad);
	sha256_add(&hash, stored);
	sha256_finish(&hash, full);
	memcpy(ret_check, full, FRAME_CHECK_BYTES);
}

struct str
layout_frame_close(const struct layout_frame *frame, struct str bytes, char *room, uint8_t ret_check[FRAME_CHECK_BYTES])
{
	uint8_t aad[AAD_BYTES];

	frame_aad(frame, aad);
	if (!frame->place->seal.is_on) {
		frame_hash(str_from(aad, sizeof(aad)), bytes, ret_check);
		return bytes;
	}
	seal_frame(&frame->place->seal, frame->number, str_from(aad, sizeof(aad)), bytes, room, ret_check);
	return str_from(room, bytes.len);
}

bool
layout_frame_open(const struct layout_frame *frame, struct str stored, const uint8_t check[FRAME_CHECK_BYTES], char *room,
    struct str *ret)
{
	uint8_t aad[AAD_BYTES], expected[FRAME_CHECK_BYTES];

	frame_aad(frame, aad);
	if (!frame->place->seal.is_on) {
		frame_hash(str_from(aad, sizeof(aad)), stored, expected);
		*ret = stored;
		return memcmp(check, expected, sizeof(expected)) == 0;
	}
	*ret = str_from(room, stored.len);
	return seal_frame_open(&frame->place->seal, frame->number, str_from(aad, sizeof(aad)), stored, check, room);
}

/* ---- the trailer */

void
layout_body_hash(const struct frame_place *place, uint8_t hash[SHA256_BYTES])
{
	if (place->seal.is_on)
		seal_hash(&place->seal, 'b', hash);
}

/* `trailer`: what stands before the check. */
static void
tail_check(const struct frame_place *place, struct str index, const uint8_t *trailer, uint8_t ret[SHA256_BYTES])
{
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, str_from(place->header, sizeof(place->header)));
	sha256_add(&hash, index);
	sha256_add(&hash, str_from(trailer, LAYOUT_TAIL_CHECK_AT));
	sha256_finish(&hash, ret);
	if (place->seal.is_on)
		seal_hash(&place->seal, 't', ret);
}

void
layout_trailer(const struct frame_place *place, uint64_t size, uint64_t index_at, const uint8_t hash[SHA256_BYTES], struct str index,
    uint8_t ret[FRAME_TRAILER_BYTES])
{
	memcpy(ret, "SORAEND1", 8);
	put_u32(ret + 8, (uint32_t)frame_count(size));
	put_u32(ret + 12, FRAME_BYTES);
	put_u64(ret + 16, size);
	put_u64(ret + 24, index_at);
	memcpy(ret + LAYOUT_HASH_AT, hash, SHA256_BYTES);
	tail_check(place, index, ret, ret + LAYOUT_TAIL_CHECK_AT);
}
