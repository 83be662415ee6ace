/* Bytes as messages of the bus hold them. */
#ifndef SORA_LMTP_WIRE_H
#define SORA_LMTP_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "libcommon/core/str.h"

static inline ProtobufCBinaryData
lmtp_wire(struct str s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *)s.ptr };
}

static inline struct str
lmtp_str(ProtobufCBinaryData data)
{
	return str_from(data.data, data.len);
}

#endif
