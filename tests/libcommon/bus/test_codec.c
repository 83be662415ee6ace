#include <criterion/criterion.h>
#include <stdlib.h>

#include "libcommon/bus/bus.h"
#include "libcommon/bus/codec.h"
#include "proto/bus.pb-c.h"
#include "proto/metadata.pb-c.h"

static const uint8_t key[16] = "0123456789abcdef";

static struct str
frame_of(struct arena *arena, struct str chunk)
{
	BusCallHeader header = BUS_CALL_HEADER__INIT;
	MetadataListRequest request = METADATA_LIST_REQUEST__INIT;
	struct bus_body body = { &request.base, chunk, STR_NONE };
	size_t size;
	char *out;

	header.method = (ProtobufCBinaryData){ 13, (uint8_t *)"metadata.List" };
	header.key = (ProtobufCBinaryData){ sizeof(key), (uint8_t *)key };
	header.timeout_ms = 1000;
	request.account = 77;
	size = bus_frame_size(&header.base, &body);
	out = arena_alloc(arena, size);
	bus_frame_write(&header.base, &body, out);
	return str_from(out, size);
}

Test(bus_codec, what_was_written_is_read)
{
	struct arena arena = { 0 };
	struct bus_frame frame;
	BusCallHeader *header;
	MetadataListRequest *request;

	cr_assert_eq(bus_frame_read(frame_of(&arena, STR("chunk\0chunk")), &frame), ERR_OK);
	cr_assert(str_equal(frame.chunk, STR("chunk\0chunk")));
	header = (BusCallHeader *)bus_unpack(&bus_call_header__descriptor, frame.header, &arena, 4096);
	request = (MetadataListRequest *)bus_unpack(&metadata_list_request__descriptor, frame.message, &arena, 4096);
	cr_assert(str_equal(str_from(header->method.data, header->method.len), STR("metadata.List")));
	cr_assert(str_equal(str_from(header->key.data, header->key.len), str_from(key, sizeof(key))));
	cr_assert_eq(header->timeout_ms, 1000);
	cr_assert_eq(request->account, 77);
	arena_clear(&arena);
}

Test(bus_codec, every_truncation_is_refused)
{
	struct arena arena = { 0 };
	struct str whole = frame_of(&arena, STR_NONE);
	struct bus_frame frame;

	for (size_t len = 0; len < whole.len; len++) {
		/* On the heap of its own, so that a read behind the end is seen. */
		char *part = malloc(len ? len : 1);

		memcpy(part, whole.ptr, len);
		cr_assert_eq(bus_frame_read(str_from(part, len), &frame), ERR_SYNTAX, "%zu of %zu bytes", len, whole.len);
		free(part);
	}
	cr_assert_eq(bus_frame_read(whole, &frame), ERR_OK);
	arena_clear(&arena);
}

Test(bus_codec, a_packed_body_is_the_same_bytes)
{
	struct arena arena = { 0 };
	MetadataListRequest request = METADATA_LIST_REQUEST__INIT;
	BusCallHeader header = BUS_CALL_HEADER__INIT;
	struct bus_body body = { .message = &request.base, .chunk = STR("chunk") }, packed = { 0 };
	size_t size = bus_body_size(&body);
	char *bytes = arena_alloc(&arena, size);
	char direct[64], again[64];

	request.account = 5;
	size = bus_body_size(&body);
	bytes = arena_alloc(&arena, size);
	bus_body_write(&body, bytes);
	packed.packed = str_from(bytes, size);
	cr_assert_eq(bus_frame_size(&header.base, &body), bus_frame_size(&header.base, &packed));
	bus_frame_write(&header.base, &body, direct);
	bus_frame_write(&header.base, &packed, again);
	cr_assert(memcmp(direct, again, bus_frame_size(&header.base, &body)) == 0);
	arena_clear(&arena);
}

Test(bus_codec, parts_over_their_limit_are_refused)
{
	static char bytes[4 + BUS_HEADER_MAX + 1 + 4];
	static char chunk[8 + BUS_CHUNK_MAX + 1];
	struct bus_frame frame;
	struct bus_body body = { .chunk = str_from(chunk, BUS_CHUNK_MAX + 1) };
	uint32_t len = BUS_HEADER_MAX + 1;

	bytes[2] = (char)(len >> 8);
	bytes[3] = (char)len;
	cr_assert_eq(bus_frame_read(str_from(bytes, sizeof(bytes)), &frame), ERR_TOO_BIG);
	cr_assert_eq(bus_frame_read(str_from(chunk, sizeof(chunk)), &frame), ERR_TOO_BIG);
	cr_assert_eq(bus_frame_read(str_from(chunk, sizeof(chunk) - 1), &frame), ERR_OK);
	cr_assert_eq(bus_body_check(&body), ERR_TOO_BIG);
	body.chunk.len--;
	cr_assert_eq(bus_body_check(&body), ERR_OK);
}

/* Two bytes for each item on the wire, a struct of a hundred in memory: what a hostile peer would send. */
Test(bus_codec, unpacking_stays_within_its_budget)
{
	struct arena arena = { 0 };
	size_t count = 100000;
	char *bytes = malloc(2 * count);

	for (size_t i = 0; i < count; i++)
		memcpy(bytes + 2 * i, "\x0a\x00", 2);
	cr_assert_null(bus_unpack(&metadata_sync_request__descriptor, str_from(bytes, 2 * count), &arena, 1024 * 1024));
	cr_assert_lt(arena.used_bytes, 2 * 1024 * 1024);
	arena_clear(&arena);
	cr_assert_not_null(bus_unpack(&metadata_sync_request__descriptor, str_from(bytes, 2 * count), &arena, 64 * 1024 * 1024));
	arena_clear(&arena);
	free(bytes);
}
