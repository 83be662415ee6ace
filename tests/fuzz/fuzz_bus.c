/*
 * What arrives on a socket of the bus, read as a call and as a reply. Properties: a frame that was read and is written again from its parts is
 * what came in; unpacking stays within its budget; what was unpacked can be packed, and if that is read again it is the same bytes.
 */
#include <stdlib.h>

#include "libcommon/bus/codec.h"
#include "proto/bus.pb-c.h"
#include "proto/methods.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { BUDGET = 1024 * 1024 };

static void
check(bool is_true)
{
	if (!is_true)
		abort();
}

static struct str
pack(const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	char *out = malloc(len ? len : 1);

	check(protobuf_c_message_pack(message, (uint8_t *)out) == len);
	return str_from(out, len);
}

static void
try_message(const ProtobufCMessageDescriptor *type, struct str bytes)
{
	struct arena arena = { 0 };
	ProtobufCMessage *message = bus_unpack(type, bytes, &arena, BUDGET), *again;
	struct str once, twice;

	/* Alignment is the arena's own. */
	check(arena.used_bytes <= 2 * BUDGET);
	if (message != NULL) {
		once = pack(message);
		again = bus_unpack(type, once, &arena, 16 * BUDGET);
		/* protobuf-c keeps an unknown field of number 0 that it does not read again. */
		if (again != NULL) {
			twice = pack(again);
			check(str_equal(once, twice));
			free((char *)twice.ptr);
		}
		free((char *)once.ptr);
	}
	arena_clear(&arena);
}

static void
try_frame(struct str in)
{
	struct bus_frame frame;
	const char *end = in.ptr + in.len;

	if (bus_frame_read(in, &frame) != ERR_OK)
		return;
	check(frame.header.len + frame.message.len + frame.chunk.len + 8 == in.len);
	check(frame.header.ptr == in.ptr + 4 && frame.message.ptr == frame.header.ptr + frame.header.len + 4);
	check(frame.chunk.ptr + frame.chunk.len == end);
	try_message(&bus_call_header__descriptor, frame.header);
	try_message(&bus_reply_header__descriptor, frame.header);
	try_message(bus_all_methods[frame.header.len % BUS_ALL_METHODS]->request, frame.message);
	try_message(bus_all_methods[frame.header.len % BUS_ALL_METHODS]->reply, frame.message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	try_frame(str_from(bytes, len));
	/* Without the frame's lengths, so that every input reaches some message. */
	if (len > 0)
		try_message(bus_all_methods[bytes[0] % BUS_ALL_METHODS]->request, str_from(bytes + 1, len - 1));
	return 0;
}
