/*
 * A reference to a body: what metadata keeps, and nobody but the blob service reads.
 *
 *	 0  u8   version, 1
 *	 1  16   object
 *	17  u64  where the body begins in the object
 *	25  u64  bytes it has there
 *	33  u64  bytes of the body itself
 *	41  u32  key that sealed it; 0: none
 *	45  i64  when its upload began, ms since 1970
 *	53  u32  the first bytes of the SHA-256 of all this
 *
 * Numbers are big endian. The first 17 bytes are the object's name on the bus, so that "is this object referred to?" is a question of
 * prefixes to those who may not look inside.
 */
#ifndef SORA_BLOB_FRAME_REF_H
#define SORA_BLOB_FRAME_REF_H

#include "libcommon/core/err.h"
#include "libcommon/core/random.h"
#include "libcommon/core/str.h"

enum { REF_BYTES = 57, REF_NAME_BYTES = 17 };

/* The longest body: its index is held in memory (1.3 MiB for this much). */
#define BODY_MAX ((uint64_t)4 << 30)

struct blob_ref {
	struct uuid object;
	uint64_t offset, stored, size;
	uint32_t key_id;
	int64_t put_ms;
};

void ref_encode(const struct blob_ref *ref, uint8_t ret[REF_BYTES]);
/* ERR_INVALID: not one of ours, damaged, or its lengths can not be those of a body. */
enum err ref_decode(struct str bytes, struct blob_ref *ret);

void ref_name_encode(const struct uuid *object, uint8_t ret[REF_NAME_BYTES]);
enum err ref_name_decode(struct str name, struct uuid *ret_object);

#endif
