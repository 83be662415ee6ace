/* The format of stored bodies. */
#include <criterion/criterion.h>

#include "libcommon/core/arena.h"
#include "libcommon/crypto/encode.h"
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

/* Not sealed, and sealed by the first and by another key. */
static const struct seal_key *
key_of(size_t i)
{
	return i % 3 > 0 ? &some_keys()->keys[i % 3 - 1] : NULL;
}

Test(frame, a_body_comes_back_whatever_its_size_and_pieces)
{
	for (size_t i = 0; i < 6 * sizeof(sizes) / sizeof(*sizes); i++) {
		static const size_t pieces[] = { 1000, K64 - 1, K64, 262144 };

		for (size_t p = 0; p < sizeof(pieces) / sizeof(*pieces); p++) {
			struct arena arena = { 0 };
			struct buffer stored = { 0 }, back = { 0 };
			struct str body = make_body(&arena, sizes[i / 6], i % 2);
			struct blob_ref ref = encode_body(key_of(i / 2), body, pieces[p], &stored);

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

Test(frame, any_changed_bit_is_corrupt, .timeout = 120)
{
	for (size_t k = 0; k < 2; k++) {
		struct arena arena = { 0 };
		struct str body = make_body(&arena, K64 + 50, false);
		struct buffer stored = { 0 };
		struct blob_ref ref = encode_body(key_of(k), body, body.len, &stored);

		for (size_t i = 0; i < 8 * buffer_len(&stored); i++) {
			struct buffer back = { 0 };

			stored.bytes[stored.start + i / 8] ^= (char)(1 << i % 8);
			cr_assert_eq(decode_body(&ref, buffer_str(&stored), &back), ERR_CORRUPT, "key %zu bit %zu", k, i);
			stored.bytes[stored.start + i / 8] ^= (char)(1 << i % 8);
			buffer_clear(&back);
		}
		buffer_clear(&stored);
		arena_clear(&arena);
	}
}

Test(frame, every_truncation_is_corrupt)
{
	for (size_t k = 0; k < 2; k++) {
		struct arena arena = { 0 };
		struct str body = make_body(&arena, 300, true);
		struct buffer stored = { 0 };
		struct blob_ref ref = encode_body(key_of(k), body, body.len, &stored);

		for (size_t len = 0; len < ref.stored; len++) {
			struct buffer back = { 0 };

			cr_assert_eq(decode_body(&ref, str_sub(buffer_str(&stored), 0, len), &back), ERR_CORRUPT, "%zu bytes", len);
			buffer_clear(&back);
		}
		buffer_clear(&stored);
		arena_clear(&arena);
	}
}

/* ---- what is good, but elsewhere */

static void
swap(char *a, char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = a[i];

		a[i] = b[i];
		b[i] = c;
	}
}

static enum err
decode(const struct blob_ref *ref, struct str stored)
{
	struct buffer back = { 0 };
	enum err err = decode_body(ref, stored, &back);

	buffer_clear(&back);
	return err;
}

Test(frame, frames_of_another_place_or_body_are_corrupt)
{
	for (size_t k = 0; k < 2; k++) {
		struct arena arena = { 0 };
		struct str body = make_body(&arena, 2 * K64, true);
		struct buffer one = { 0 }, two = { 0 };
		struct blob_ref ref = encode_body(key_of(k), body, body.len, &one), other = encode_body(key_of(k), body, body.len, &two);
		char *frames = one.bytes + one.start + FRAME_HEADER_BYTES, *rows = frames + 2 * K64;

		cr_assert_eq(decode(&other, buffer_str(&one)), ERR_CORRUPT);
		swap(frames, frames + K64, K64);
		cr_assert_eq(decode(&ref, buffer_str(&one)), ERR_CORRUPT);
		swap(rows, rows + FRAME_ROW_BYTES, FRAME_ROW_BYTES);
		cr_assert_eq(decode(&ref, buffer_str(&one)), ERR_CORRUPT, "with their rows");
		swap(frames, frames + K64, K64);
		swap(rows, rows + FRAME_ROW_BYTES, FRAME_ROW_BYTES);
		cr_assert_eq(decode(&ref, buffer_str(&one)), ERR_OK);
		buffer_clear(&one);
		buffer_clear(&two);
		arena_clear(&arena);
	}
}

/* The index believes its rows: a frame's own check has to tell that it is at another place, for whoever can write an index. */
Test(frame, a_frame_that_is_compressed_is_not_taken_as_it_is)
{
	for (size_t k = 0; k < 2; k++) {
		struct arena arena = { 0 };
		struct str body = make_body(&arena, K64, false);
		struct buffer stored = { 0 };
		struct blob_ref ref = encode_body(key_of(k), body, body.len, &stored);
		size_t tail = frame_tail_bytes(&ref);
		char *plain = arena_alloc(&arena, K64);
		struct frame_index *index;

		cr_assert_eq(frame_index_read(some_keys(), &ref, str_sub(buffer_str(&stored), buffer_len(&stored) - tail, tail), &index), ERR_OK);
		buffer_reserve(&stored, K64);
		index->rows[0].is_zstd = false;
		cr_assert_eq(frame_read(index, 0, str_sub(buffer_str(&stored), FRAME_HEADER_BYTES, index->rows[0].stored), plain),
		    ERR_CORRUPT, "key %zu", k);
		free(index);
		buffer_clear(&stored);
		arena_clear(&arena);
	}
}

Test(frame, a_frame_is_good_at_its_own_place_alone)
{
	for (size_t k = 0; k < 2; k++) {
		struct arena arena = { 0 };
		struct str body = make_body(&arena, 2 * K64, true);
		struct buffer stored = { 0 };
		struct blob_ref ref = encode_body(key_of(k), body, body.len, &stored);
		size_t tail = frame_tail_bytes(&ref);
		char *frames = stored.bytes + stored.start + FRAME_HEADER_BYTES, *plain = arena_alloc(&arena, K64);
		struct frame_index *index;

		cr_assert_eq(frame_index_read(some_keys(), &ref, str_sub(buffer_str(&stored), buffer_len(&stored) - tail, tail), &index), ERR_OK);
		cr_assert_eq(frame_read(index, 0, str_from(frames, K64), plain), ERR_OK);
		memcpy(index->rows[1].check, index->rows[0].check, FRAME_CHECK_BYTES);
		cr_assert_eq(frame_read(index, 1, str_from(frames, K64), plain), ERR_CORRUPT, "key %zu: number", k);
		index->place.offset = 1;
		cr_assert_eq(frame_read(index, 0, str_from(frames, K64), plain), ERR_CORRUPT, "key %zu: place of the body", k);
		index->place.offset = 0;
		index->place.object.bytes[3] ^= 1;
		cr_assert_eq(frame_read(index, 0, str_from(frames, K64), plain), ERR_CORRUPT, "key %zu: object", k);
		free(index);
		buffer_clear(&stored);
		arena_clear(&arena);
	}
}

Test(frame, bodies_of_one_object_are_good_at_their_own_place_alone)
{
	for (size_t k = 0; k < 2; k++) {
		struct arena arena = { 0 };
		struct uuid object = uuid_v7();
		struct buffer stored = { 0 };
		struct blob_ref refs[3];
		struct str all;

		for (size_t i = 0; i < 3; i++)
			refs[i] = encode_at(&object, key_of(k), make_body(&arena, 200, true), 200, &stored);
		all = buffer_str(&stored);
		for (size_t i = 0; i < 3; i++) {
			for (size_t at = 0; at < 3; at++)
				cr_assert_eq(decode(&refs[i], str_sub(all, (size_t)refs[at].offset, (size_t)refs[at].stored)),
				    i == at ? ERR_OK : ERR_CORRUPT, "key %zu: %zu at %zu", k, i, at);
		}
		swap(stored.bytes + stored.start, stored.bytes + stored.start + refs[1].offset, (size_t)refs[1].stored);
		for (size_t i = 0; i < 3; i++)
			cr_assert_eq(decode(&refs[i], str_sub(all, (size_t)refs[i].offset, (size_t)refs[i].stored)),
			    i == 2 ? ERR_OK : ERR_CORRUPT, "key %zu: body %zu when two were exchanged", k, i);
		buffer_clear(&stored);
		arena_clear(&arena);
	}
}

/* ---- sealed */

static bool
has_bytes(const struct buffer *in, struct str bytes)
{
	return str_find(buffer_str(in), bytes) < buffer_len(in);
}

/* Random, so that it is stored as it is where it is not sealed. */
Test(frame, a_sealed_body_shows_neither_its_bytes_nor_its_hash)
{
	for (size_t k = 0; k < 3; k++) {
		struct arena arena = { 0 };
		struct str body = make_body(&arena, 1000, true);
		struct buffer one = { 0 }, two = { 0 };
		uint8_t hash[SHA256_BYTES];
		bool is_open = k == 0;

		encode_body(key_of(k), body, body.len, &one);
		encode_body(key_of(k), body, body.len, &two);
		sha256(body, hash);
		cr_assert_eq(has_bytes(&one, str_sub(body, 500, 8)), is_open);
		cr_assert_eq(has_bytes(&one, str_from(hash, sizeof(hash))), is_open);
		/* The same mail again: nothing but the form of it is the same. */
		cr_assert_eq(has_bytes(&two, str_sub(buffer_str(&one), FRAME_HEADER_BYTES + 500, 8)), is_open);
		cr_assert_eq(has_bytes(&two, str_sub(buffer_str(&one), buffer_len(&one) - 64, 16)), is_open);
		buffer_clear(&one);
		buffer_clear(&two);
		arena_clear(&arena);
	}
}

/* With one keystream for both, sealed bytes would differ as the plain ones do. */
Test(frame, no_two_frames_and_no_two_bodies_share_a_keystream)
{
	struct arena arena = { 0 };
	struct uuid object = uuid_v7();
	struct str body = make_body(&arena, 2 * K64, true);
	struct buffer stored = { 0 };
	struct blob_ref refs[2];
	const char *frames[4];

	for (size_t i = 0; i < 2; i++)
		refs[i] = encode_at(&object, key_of(1), body, body.len, &stored);
	for (size_t i = 0; i < 4; i++)
		frames[i] = stored.bytes + stored.start + refs[i / 2].offset + FRAME_HEADER_BYTES + i % 2 * K64;
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < i; j++) {
			size_t same = 0;

			for (size_t n = 0; n < 64; n++)
				same += (frames[i][n] ^ frames[j][n]) == (body.ptr[i % 2 * K64 + n] ^ body.ptr[j % 2 * K64 + n]);
			cr_assert_lt(same, 32, "frames %zu and %zu", i, j);
		}
	}
	buffer_clear(&stored);
	arena_clear(&arena);
}

Test(frame, a_missing_key_is_no_damage_and_a_wrong_one_is)
{
	static const struct seal_keys none = { 0 }, wrong = { .keys = { { .id = 8, .bytes = "wrong" } }, .count = 1 };
	struct buffer stored = { 0 };
	struct blob_ref ref = encode_body(key_of(2), STR("x"), 1, &stored);
	struct str tail = str_sub(buffer_str(&stored), buffer_len(&stored) - frame_tail_bytes(&ref), SIZE_MAX);
	struct frame_index *index;

	cr_assert_eq(ref.key_id, 8);
	cr_assert_eq(frame_index_read(&none, &ref, tail, &index), ERR_CONFIG);
	cr_assert_eq(frame_index_read(&wrong, &ref, tail, &index), ERR_CORRUPT);
	cr_assert_eq(frame_index_read(some_keys(), &ref, tail, &index), ERR_OK);
	free(index);
	ref.key_id = 0;
	cr_assert_eq(frame_index_read(some_keys(), &ref, tail, &index), ERR_CORRUPT, "it is not taken for one that is not sealed");
	buffer_clear(&stored);
}

Test(frame, what_was_written_before_there_were_keys_is_still_read)
{
	static const uint8_t object[16] = { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11, 12, 13, 14, 15, 16 };
	static const char text[] = "534f5241424c423100000000000000000102030405067008800a0b0c0d0e0f1068656c6c6f0000000525a660751becca4c3b"
		"395bfc430667fc534f5241454e44310000000100010000000000000000000500000000000000252cf24dba5fb0a30e26e83b"
		"2ac5b9e29e1b161e5c1fa7425e73043362938b98245d8d8bb64411f24dcceaf8feef0d1d988c8c1c4830391527531175a723"
		"34aac8";
	struct blob_ref ref = { .size = 5, .put_ms = 1 };
	uint8_t bytes[sizeof(text) / 2];

	memcpy(ref.object.bytes, object, sizeof(object));
	ref.stored = sizeof(bytes);
	cr_assert(hex_read(str_c(text), bytes, sizeof(bytes)));
	cr_assert_eq(decode(&ref, str_from(bytes, sizeof(bytes))), ERR_OK);
}

Test(frame, a_body_past_the_limit_is_too_big)
{
	struct uuid object = uuid_v7();
	struct frame_writer w;
	struct buffer stored = { 0 };
	struct frame_sink sink = { to_buffer, &stored };

	frame_writer_init(&w, &object, 0, NULL, &sink);
	w.size = BODY_MAX - 1;
	cr_assert_eq(frame_writer_add(&w, STR("ab")), ERR_TOO_BIG);
	frame_writer_clear(&w);
	buffer_clear(&stored);
}
