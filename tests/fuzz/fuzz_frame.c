/* What was encoded comes back, sealed or not; a changed or foreign byte never comes back as something else. */
#include "tests/services/blob/frame/roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool is_true)
{
	if (!is_true)
		abort();
}

/* The input, now and then repeated until it reaches past two frames. */
static void
make_body(struct str seed, size_t times, struct buffer *body)
{
	for (size_t i = 0; i < times && buffer_len(body) < 140000; i++)
		buffer_add(body, seed);
}

static void
check_changed(const struct blob_ref *ref, struct buffer *stored, uint32_t place, uint8_t change)
{
	struct buffer back = { 0 };

	if (change == 0)
		return;
	stored->bytes[stored->start + place % buffer_len(stored)] ^= (char)change;
	must(decode_body(ref, buffer_str(stored), &back) == ERR_CORRUPT);
	buffer_clear(&back);
}

static void
check_foreign(struct str bytes)
{
	struct blob_ref ref;
	struct buffer back = { 0 };
	uint8_t again[REF_BYTES];

	if (ref_decode(str_sub(bytes, 0, REF_BYTES), &ref) != ERR_OK)
		return;
	ref_encode(&ref, again);
	must(str_equal(str_sub(bytes, 0, REF_BYTES), str_from(again, sizeof(again))));
	must(decode_body(&ref, str_sub(bytes, REF_BYTES, SIZE_MAX), &back) != ERR_OK || buffer_len(&back) == ref.size);
	buffer_clear(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer body = { 0 }, stored = { 0 }, back = { 0 };
	struct blob_ref ref;
	uint32_t place;

	check_foreign(str_from(data, size));
	if (size < 8)
		return 0;
	memcpy(&place, data, 4);
	make_body(str_from(data + 8, size - 8), data[5] < 250 ? data[5] % 4u : 140000, &body);
	ref = encode_body(data[7] % 3 ? &some_keys()->keys[data[7] % 3 - 1] : NULL, buffer_str(&body), 1 + data[6] * 1000u, &stored);
	must(decode_body(&ref, buffer_str(&stored), &back) == ERR_OK);
	must(str_equal(buffer_str(&back), buffer_str(&body)));
	check_changed(&ref, &stored, place, data[4]);
	buffer_clear(&body);
	buffer_clear(&stored);
	buffer_clear(&back);
	return 0;
}
