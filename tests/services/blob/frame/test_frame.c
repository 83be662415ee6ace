/* The format of stored bodies. */
#include <criterion/criterion.h>

#include "libcommon/core/arena.h"
#include "tests/services/blob/frame/roundtrip.h"

enum { K64 = FRAME_BYTES };

static const size_t sizes[] = { 0, 1, 2, 100, K64 - 1, K64, K64 + 1, 3 * K64 - 1, 3 * K64, 3 * K64 + 1, 1000000 };

static struct str
make_body(struct arena *arena, size_t len, bool is_random)
{
	char *bytes = arena_alloc(arena, len);

	if (is_random)
		random_bytes(bytes, len);
	for (size_t i = 0; i < len && !is_random; i++)
		bytes[i] = "From: someone\r\n"[i % 15];
	return str_from(bytes, len);
}

Test(frame, a_body_comes_back_whatever_its_size_and_pieces)
{
	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(*sizes); i++) {
		static const size_t pieces[] = { 1000, K64 - 1, K64, 262144 };

		for (size_t p = 0; p < sizeof(pieces) / sizeof(*pieces); p++) {
			struct arena arena = { 0 };
			struct buffer stored = { 0 }, back = { 0 };
			struct str body = make_body(&arena, sizes[i / 2], i % 2);
			struct blob_ref ref = encode_body(body, pieces[p], &stored);

			cr_assert_eq(ref.stored, buffer_len(&stored));
			cr_assert_eq(decode_body(&ref, buffer_str(&stored), &back), ERR_OK, "size %zu", body.len);
			cr_assert(str_equal(buffer_str(&back), body), "size %zu pieces %zu", body.len, pieces[p]);
			if (i % 2 == 0 && body.len > 1000)
				cr_assert_lt(ref.stored, body.len / 10);
			buffer_clear(&stored);
			buffer_clear(&back);
			arena_clear(&arena);
		}
	}
}

Test(frame, any_changed_bit_is_corrupt)
{
	struct arena arena = { 0 };
	struct str body = make_body(&arena, K64 + 50, false);
	struct buffer stored = { 0 };
	struct blob_ref ref = encode_body(body, body.len, &stored);

	for (size_t i = 0; i < 8 * buffer_len(&stored); i++) {
		struct buffer back = { 0 };

		stored.bytes[stored.start + i / 8] ^= (char)(1 << i % 8);
		cr_assert_eq(decode_body(&ref, buffer_str(&stored), &back), ERR_CORRUPT, "bit %zu", i);
		stored.bytes[stored.start + i / 8] ^= (char)(1 << i % 8);
		buffer_clear(&back);
	}
	buffer_clear(&stored);
	arena_clear(&arena);
}

Test(frame, frames_of_another_place_or_body_are_corrupt)
{
	struct arena arena = { 0 };
	struct str body = make_body(&arena, 2 * K64, true);
	struct buffer one = { 0 }, two = { 0 };
	struct blob_ref ref = encode_body(body, body.len, &one), other = encode_body(body, body.len, &two);
	char *frames = one.bytes + one.start + FRAME_HEADER_BYTES;
	struct buffer back = { 0 };
	char *copy = arena_alloc(&arena, K64);

	cr_assert_eq(decode_body(&other, buffer_str(&one), &back), ERR_CORRUPT);
	memcpy(copy, frames, K64);
	memcpy(frames, frames + K64, K64);
	memcpy(frames + K64, copy, K64);
	cr_assert_eq(decode_body(&ref, buffer_str(&one), &back), ERR_CORRUPT);
	buffer_clear(&one);
	buffer_clear(&two);
	buffer_clear(&back);
	arena_clear(&arena);
}

Test(frame, every_truncation_is_corrupt)
{
	struct arena arena = { 0 };
	struct str body = make_body(&arena, 300, true);
	struct buffer stored = { 0 };
	struct blob_ref ref = encode_body(body, body.len, &stored);

	for (size_t len = 0; len < ref.stored; len++) {
		struct buffer back = { 0 };

		cr_assert_eq(decode_body(&ref, str_sub(buffer_str(&stored), 0, len), &back), ERR_CORRUPT, "%zu bytes", len);
		buffer_clear(&back);
	}
	buffer_clear(&stored);
	arena_clear(&arena);
}

Test(frame, a_body_sealed_with_a_key_that_is_not_here_says_so)
{
	struct buffer stored = { 0 }, back = { 0 };
	struct blob_ref ref = encode_body(STR("x"), 1, &stored);
	struct frame_index *index;

	ref.key_id = 7;
	cr_assert_eq(frame_index_read(&ref, str_sub(buffer_str(&stored), (size_t)ref.stored - frame_tail_bytes(&ref), SIZE_MAX), &index), ERR_CONFIG);
	buffer_clear(&stored);
	buffer_clear(&back);
}

Test(frame, a_body_past_the_limit_is_too_big)
{
	struct uuid object = uuid_v7();
	struct frame_writer w;
	struct buffer stored = { 0 };
	struct frame_sink sink = { to_buffer, &stored };

	frame_writer_init(&w, &object, &sink);
	w.size = BODY_MAX - 1;
	cr_assert_eq(frame_writer_add(&w, STR("ab")), ERR_TOO_BIG);
	frame_writer_clear(&w);
	buffer_clear(&stored);
}
