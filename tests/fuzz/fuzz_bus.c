/*
 * What arrives on a socket of the bus, read as a call and as a reply. Properties: a frame that was read, written again from what its parts were
 * unpacked to, has the same parts, and is what came in if that was packed as we pack; unpacking stays within its budget; what was unpacked can be
 * packed, and if that is read again it is the same bytes.
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

/* protobuf-c keeps an unknown field of number 0 where that was written in more bytes than it takes, and does not read what it packs of it. */
static bool
has_field_zero(const ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->n_unknown_fields; i++)
		if (message->unknown_fields[i].tag == 0)
			return true;
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		const char *bytes = (const char *)message;
		const void *place = bytes + field->offset;
		bool is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
		ProtobufCMessage *const *inner;
		size_t count;

		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		inner = is_repeated ? *(ProtobufCMessage *const *const *)place : place;
		count = is_repeated ? *(const size_t *)(const void *)(bytes + field->quantifier_offset) : *inner != NULL;
		for (size_t n = 0; n < count; n++)
			if (has_field_zero(inner[n]))
				return true;
	}
	return false;
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
		check((again != NULL) != has_field_zero(message));
		if (again != NULL) {
			twice = pack(again);
			check(str_equal(once, twice));
			free((char *)twice.ptr);
		}
		free((char *)once.ptr);
	}
	arena_clear(&arena);
}

/* A frame of these parts, packed by us, which may be other bytes than those that came. */
static void
write_again(const struct bus_frame *came, struct str in, const ProtobufCMessage *header, const struct bus_body *body, struct str message)
{
	size_t len = bus_frame_size(header, body);
	char *out = malloc(len);
	struct str packed = pack(header);
	struct bus_frame again;

	bus_frame_write(header, body, out);
	check(bus_frame_read(str_from(out, len), &again) == ERR_OK);
	check(str_equal(again.header, packed) && str_equal(again.message, message) && str_equal(again.chunk, came->chunk));
	if (str_equal(packed, came->header) && str_equal(message, came->message))
		check(str_equal(str_from(out, len), in));
	free((char *)packed.ptr);
	free(out);
}

static void
try_parts(const struct bus_frame *frame, struct str in, const ProtobufCMessageDescriptor *header_type,
    const ProtobufCMessageDescriptor *message_type)
{
	struct arena arena = { 0 };
	ProtobufCMessage *header = bus_unpack(header_type, frame->header, &arena, BUDGET);
	ProtobufCMessage *message = bus_unpack(message_type, frame->message, &arena, BUDGET);

	if (header != NULL && message != NULL) {
		struct bus_body parts = { .message = message, .chunk = frame->chunk };
		struct bus_body whole = { .packed = str_sub(in, 4 + frame->header.len, SIZE_MAX) };
		struct str packed = pack(message);

		write_again(frame, in, header, &parts, packed);
		write_again(frame, in, header, &whole, frame->message);
		free((char *)packed.ptr);
	}
	arena_clear(&arena);
	try_message(header_type, frame->header);
	try_message(message_type, frame->message);
}

static void
try_frame(struct str in)
{
	struct bus_frame frame;
	const struct bus_method *method;

	if (bus_frame_read(in, &frame) != ERR_OK)
		return;
	check(frame.header.len + frame.message.len + frame.chunk.len + 8 == in.len);
	check(frame.header.ptr == in.ptr + 4 && frame.message.ptr == frame.header.ptr + frame.header.len + 4);
	check(frame.chunk.ptr == frame.message.ptr + frame.message.len);
	method = bus_all_methods[frame.header.len % BUS_ALL_METHODS];
	try_parts(&frame, in, &bus_call_header__descriptor, method->request);
	try_parts(&frame, in, &bus_reply_header__descriptor, method->reply);
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
