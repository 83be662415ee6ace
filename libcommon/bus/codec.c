/* The bytes of a message on the bus. */
#include "libcommon/bus/codec.h"

#include "libcommon/bus/bus.h"

enum { LENGTH_SIZE = 4 };

/* Where a message is unpacked to: protobuf-c asks for what the bytes say, so the total is bounded here. */
struct budget {
	struct arena *arena;
	size_t left;
};

static bool
cut(struct str *rest, struct str *ret_part)
{
	const unsigned char *p = (const unsigned char *)rest->ptr;
	size_t len;

	if (rest->len < LENGTH_SIZE)
		return false;
	len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if (len > rest->len - LENGTH_SIZE)
		return false;
	*ret_part = str_sub(*rest, LENGTH_SIZE, len);
	*rest = str_sub(*rest, LENGTH_SIZE + len, SIZE_MAX);
	return true;
}

enum err
bus_frame_read(struct str bytes, struct bus_frame *ret_frame)
{
	struct bus_frame frame;

	if (!cut(&bytes, &frame.header) || !cut(&bytes, &frame.message))
		return ERR_SYNTAX;
	frame.chunk = bytes;
	if (frame.header.len > BUS_HEADER_MAX || frame.message.len > BUS_MESSAGE_MAX || frame.chunk.len > BUS_CHUNK_MAX)
		return ERR_TOO_BIG;
	*ret_frame = frame;
	return ERR_OK;
}

static char *
put_message(char *out, const ProtobufCMessage *message)
{
	size_t len = message ? protobuf_c_message_get_packed_size(message) : 0;

	for (int shift = 24; shift >= 0; shift -= 8)
		*out++ = (char)(len >> shift);
	if (message != NULL)
		protobuf_c_message_pack(message, (uint8_t *)out);
	return out + len;
}

size_t
bus_body_size(const struct bus_body *body)
{
	if (body->packed.ptr != NULL)
		return body->packed.len;
	return LENGTH_SIZE + (body->message ? protobuf_c_message_get_packed_size(body->message) : 0) + body->chunk.len;
}

void
bus_body_write(const struct bus_body *body, char *out)
{
	if (body->packed.ptr != NULL) {
		memcpy(out, body->packed.ptr, body->packed.len);
		return;
	}
	out = put_message(out, body->message);
	if (body->chunk.len > 0)
		memcpy(out, body->chunk.ptr, body->chunk.len);
}

enum err
bus_body_check(const struct bus_body *body)
{
	if (body->chunk.len > BUS_CHUNK_MAX)
		return ERR_TOO_BIG;
	if (body->message != NULL && protobuf_c_message_get_packed_size(body->message) > BUS_MESSAGE_MAX)
		return ERR_TOO_BIG;
	return ERR_OK;
}

size_t
bus_frame_size(const ProtobufCMessage *header, const struct bus_body *body)
{
	return LENGTH_SIZE + protobuf_c_message_get_packed_size(header) + bus_body_size(body);
}

void
bus_frame_write(const ProtobufCMessage *header, const struct bus_body *body, char *out)
{
	bus_body_write(body, put_message(out, header));
}

static void *
budget_alloc(void *data, size_t size)
{
	struct budget *budget = data;

	if (size > budget->left)
		return NULL;
	budget->left -= size;
	return arena_alloc(budget->arena, size);
}

static void
budget_free(void *data, void *ptr)
{
	(void)data;
	(void)ptr; /* goes with the arena */
}

ProtobufCMessage *
bus_unpack(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena, size_t limit)
{
	struct budget budget = { arena, limit };
	ProtobufCAllocator allocator = { budget_alloc, budget_free, &budget };

	return protobuf_c_message_unpack(type, &allocator, bytes.len, (const uint8_t *)bytes.ptr);
}
