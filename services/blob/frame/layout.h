/* What writing and reading share: the bytes of header and trailer, and what each check is made of. */
#ifndef SORA_BLOB_FRAME_LAYOUT_H
#define SORA_BLOB_FRAME_LAYOUT_H

#include "services/blob/frame/frame.h"

enum { LAYOUT_HASH_AT = 32, LAYOUT_TAIL_CHECK_AT = 64 };

/* In a row's length: the frame is compressed. */
#define LAYOUT_ZSTD 0x80000000u

/* Where a frame belongs: the place of its body, its number there, and the first four bytes of its row. */
struct layout_frame {
	const struct frame_place *place;
	uint64_t number;
	const uint8_t *row;
};

/* `key` NULL: not sealed. */
void layout_place(const struct uuid *object, uint32_t offset, const struct seal_key *key, struct frame_place *ret);
void layout_header(const struct uuid *object, uint32_t offset, uint32_t key_id, uint8_t ret[FRAME_HEADER_BYTES]);

/* What is stored of a frame: `bytes` as they are, or sealed, in `room` (which may be where they are); and its check. */
struct str layout_frame_close(const struct layout_frame *frame, struct str bytes, char *room, uint8_t ret_check[FRAME_CHECK_BYTES]);
/* The reverse: *ret is `stored`, or in `room`. False: it is not this frame. */
bool layout_frame_open(const struct layout_frame *frame, struct str stored, const uint8_t check[FRAME_CHECK_BYTES], char *room,
    struct str *ret);

/* What the trailer says of a body, whose SHA-256 is `hash`. */
void layout_body_hash(const struct frame_place *place, uint8_t hash[SHA256_BYTES]);
/* The whole trailer: `hash` is layout_body_hash's. */
void layout_trailer(const struct frame_place *place, uint64_t size, uint64_t index_at, const uint8_t hash[SHA256_BYTES], struct str index,
    uint8_t ret[FRAME_TRAILER_BYTES]);

#endif
