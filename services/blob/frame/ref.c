/* References to bodies. */
#include "services/blob/frame/ref.h"

#include "libcommon/crypto/hash.h"
#include "services/blob/frame/bytes.h"
#include "services/blob/frame/frame.h"

enum { VERSION = 1, OBJECT_AT = 1, OFFSET_AT = 17, STORED_AT = 25, SIZE_AT = 33, KEY_AT = 41, PUT_AT = 45, CHECK_AT = 53 };

static uint32_t
check_of(const uint8_t *bytes)
{
	uint8_t hash[SHA256_BYTES];

	sha256(str_from(bytes, CHECK_AT), hash);
	return get_u32(hash);
}

void
ref_encode(const struct blob_ref *ref, uint8_t ret[REF_BYTES])
{
	ref_name_encode(&ref->object, ret);
	put_u64(ret + OFFSET_AT, ref->offset);
	put_u64(ret + STORED_AT, ref->stored);
	put_u64(ret + SIZE_AT, ref->size);
	put_u32(ret + KEY_AT, ref->key_id);
	put_u64(ret + PUT_AT, (uint64_t)ref->put_ms);
	put_u32(ret + CHECK_AT, check_of(ret));
}

/* Can a body of `size` bytes take `stored`? A frame takes one byte at least, and never more than it holds. */
static bool
is_possible(const struct blob_ref *ref)
{
	uint64_t least = FRAME_HEADER_BYTES + FRAME_TRAILER_BYTES + frame_count(ref->size) * FRAME_ROW_BYTES;

	return ref->size <= BODY_MAX && ref->offset <= UINT32_MAX && ref->stored >= least + frame_count(ref->size) &&
	    ref->stored <= least + ref->size && ref->put_ms >= 0;
}

enum err
ref_decode(struct str bytes, struct blob_ref *ret)
{
	const uint8_t *at = (const uint8_t *)bytes.ptr;
	struct blob_ref ref;

	if (bytes.len != REF_BYTES || get_u32(at + CHECK_AT) != check_of(at))
		return ERR_INVALID;
	TRY(ref_name_decode(str_sub(bytes, 0, REF_NAME_BYTES), &ref.object));
	ref.offset = get_u64(at + OFFSET_AT);
	ref.stored = get_u64(at + STORED_AT);
	ref.size = get_u64(at + SIZE_AT);
	ref.key_id = get_u32(at + KEY_AT);
	ref.put_ms = (int64_t)get_u64(at + PUT_AT);
	if (!is_possible(&ref))
		return ERR_INVALID;
	*ret = ref;
	return ERR_OK;
}

void
ref_name_encode(const struct uuid *object, uint8_t ret[REF_NAME_BYTES])
{
	ret[0] = VERSION;
	memcpy(ret + OBJECT_AT, object->bytes, sizeof(object->bytes));
}

enum err
ref_name_decode(struct str name, struct uuid *ret_object)
{
	if (name.len != REF_NAME_BYTES || name.ptr[0] != VERSION)
		return ERR_INVALID;
	memcpy(ret_object->bytes, name.ptr + OBJECT_AT, sizeof(ret_object->bytes));
	return ERR_OK;
}
