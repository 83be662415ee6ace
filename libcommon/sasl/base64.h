/* Base64 as SASL profiles have it: one line, padded, nothing else in it.                             RFC 4648 s. 4 */
#ifndef SORA_SASL_BASE64_H
#define SORA_SASL_BASE64_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

/* ERR_SYNTAX: other characters, wrong padding, bits left over. The result is never ptr NULL. */
enum err base64_decode(struct str text, struct arena *arena, struct str *ret_bytes);
struct str base64_encode(struct str bytes, struct arena *arena);

#endif
