/* What writing and reading share: the bytes of header and trailer, and what each check is made of. */
#ifndef SORA_BLOB_FRAME_LAYOUT_H
#define SORA_BLOB_FRAME_LAYOUT_H

#include "services/blob/frame/frame.h"

enum { LAYOUT_TAIL_CHECK_AT = 64 };

/* In a row's length: the frame is compressed. */
#define LAYOUT_ZSTD 0x80000000u

struct layout_trailer {
	uint64_t size, index_at;
	uint8_t hash[SHA256_BYTES];
};

void layout_header(const struct uuid *object, uint32_t key_id, uint8_t ret[FRAME_HEADER_BYTES]);
/* All but the check at its end, which is zero. */
void layout_trailer_write(const struct layout_trailer *trailer, uint8_t ret[FRAME_TRAILER_BYTES]);

/* `row`: its first four bytes. */
void layout_frame_check(const struct uuid *object, uint64_t number, const uint8_t row[4], struct str stored,
    uint8_t ret[FRAME_CHECK_BYTES]);
/* `trailer`: its first LAYOUT_TAIL_CHECK_AT bytes. */
void layout_tail_check(const struct uuid *object, uint32_t key_id, struct str index, const uint8_t *trailer,
    uint8_t ret[SHA256_BYTES]);

#endif
