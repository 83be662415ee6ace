/*
 * The bytes of a message on the bus: pure, so that tests and fuzzers link it alone.
 *
 *	u32 length, header, u32 length, message, chunk      (lengths big endian; the chunk is what is left)
 */
#ifndef SORA_BUS_CODEC_H
#define SORA_BUS_CODEC_H

#include <protobuf-c/protobuf-c.h>

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

enum {
	BUS_HEADER_MAX = 16 * 1024,
	BUS_WIRE_VERSION = 1,
	BUS_PING_MS = 2000,
	BUS_UNPACK_FACTOR = 4, /* a message may take so many times its greatest size when unpacked */
};

/* The method, of whatever service, that the server answers by itself. */
#define BUS_PING_NAME "BusPing"

/* What is in a message; views of its bytes. */
struct bus_frame {
	struct str header, message, chunk;
};

/* ERR_SYNTAX: a length says more than there is. ERR_TOO_BIG: a part is over its limit. */
enum err bus_frame_read(struct str bytes, struct bus_frame *ret_frame);

/* What follows the header: `message` (NULL: an empty one) and `chunk`, or both as they were packed before. */
struct bus_body {
	const ProtobufCMessage *message;
	struct str chunk;
	struct str packed;
};

size_t bus_body_size(const struct bus_body *body);
/* Writes bus_body_size bytes. */
void bus_body_write(const struct bus_body *body, char *out);
/* ERR_TOO_BIG: the message or the chunk is over its limit. */
enum err bus_body_check(const struct bus_body *body);

size_t bus_frame_size(const ProtobufCMessage *header, const struct bus_body *body);
/* Writes bus_frame_size bytes. */
void bus_frame_write(const ProtobufCMessage *header, const struct bus_body *body, char *out);

/* `bytes` as a message in `arena`; NULL when they are none, or when it would take more than `limit` bytes. */
ProtobufCMessage *bus_unpack(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *arena, size_t limit);

#endif
