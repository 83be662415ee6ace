/* References to bodies. */
#include <criterion/criterion.h>

#include "services/blob/frame/frame.h"

static struct blob_ref
sample(uint64_t size)
{
	uint64_t least = FRAME_HEADER_BYTES + FRAME_TRAILER_BYTES + frame_count(size) * FRAME_ROW_BYTES;

	return (struct blob_ref){ .object = uuid_v7(), .stored = least + size, .size = size, .put_ms = 1700000000123 };
}

Test(ref, comes_back_as_it_was_written)
{
	static const uint64_t sizes[] = { 0, 1, 65536, 65537, 104857600, BODY_MAX };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct blob_ref ref = sample(sizes[i]), back;
		uint8_t bytes[REF_BYTES];

		ref.offset = 12345;
		ref.key_id = 3;
		ref_encode(&ref, bytes);
		cr_assert_eq(ref_decode(str_from(bytes, sizeof(bytes)), &back), ERR_OK);
		cr_assert_eq(memcmp(ref.object.bytes, back.object.bytes, 16), 0);
		cr_assert(ref.offset == back.offset && ref.stored == back.stored && ref.size == back.size);
		cr_assert(ref.key_id == back.key_id && ref.put_ms == back.put_ms);
	}
}

Test(ref, any_changed_bit_and_any_other_length_is_invalid)
{
	struct blob_ref ref = sample(1000), back;
	uint8_t bytes[REF_BYTES + 1] = { 0 };

	ref_encode(&ref, bytes);
	for (size_t i = 0; i < 8 * REF_BYTES; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		cr_assert_eq(ref_decode(str_from(bytes, REF_BYTES), &back), ERR_INVALID, "bit %zu", i);
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t len = 0; len <= REF_BYTES + 1; len++)
		cr_assert_eq(ref_decode(str_from(bytes, len), &back), len == REF_BYTES ? ERR_OK : ERR_INVALID, "%zu bytes", len);
}

Test(ref, impossible_lengths_are_invalid)
{
	struct blob_ref cases[] = { sample(1000), sample(1000), sample(0), sample(1000), sample(1000), sample(1000) };
	struct blob_ref back;

	cases[0].stored++;
	cases[1].stored -= 1000;
	cases[2].stored--;
	cases[3].size = BODY_MAX + 1;
	cases[4].offset = UINT64_MAX;
	cases[5].put_ms = -1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t bytes[REF_BYTES];

		ref_encode(&cases[i], bytes);
		cr_assert_eq(ref_decode(str_from(bytes, sizeof(bytes)), &back), ERR_INVALID, "case %zu", i);
	}
}

Test(ref, begins_with_its_objects_name)
{
	struct blob_ref ref = sample(5);
	uint8_t bytes[REF_BYTES], name[REF_NAME_BYTES];
	struct uuid object;

	ref_encode(&ref, bytes);
	ref_name_encode(&ref.object, name);
	cr_assert_eq(memcmp(bytes, name, sizeof(name)), 0);
	cr_assert_eq(ref_name_decode(str_from(name, sizeof(name)), &object), ERR_OK);
	cr_assert_eq(memcmp(object.bytes, ref.object.bytes, 16), 0);
	cr_assert_eq(ref_name_decode(str_from(name, sizeof(name) - 1), &object), ERR_INVALID);
	name[0] = 9;
	cr_assert_eq(ref_name_decode(str_from(name, sizeof(name)), &object), ERR_INVALID);
}
