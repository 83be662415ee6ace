/* Between our types and the bus's. */
#ifndef SORA_MANAGESIEVE_WIRE_H
#define SORA_MANAGESIEVE_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "libcommon/core/str.h"

static inline ProtobufCBinaryData
wire_bytes(struct str s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *)s.ptr };
}

static inline struct str
wire_str(ProtobufCBinaryData data)
{
	return str_from(data.data, data.len);
}

#endif
