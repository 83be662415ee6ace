/* Bytes as text: hexadecimal and base64 (RFC 4648 s. 4 and 8). Decoders are strict: for what we or a protocol wrote, not for mail. */
#ifndef SORA_CRYPTO_ENCODE_H
#define SORA_CRYPTO_ENCODE_H

#include "libcommon/core/arena.h"

/* Lower-case digits, in `arena`. */
struct str hex_encode(struct arena *arena, struct str bytes);
/* The same into `ret`, which has room for twice the bytes; no NUL is added. */
void hex_write(struct str bytes, char *ret);
/* Exactly `ret_len` bytes; digits of either case. False for anything else. */
bool hex_read(struct str text, uint8_t *ret, size_t ret_len);

/* With padding, in one line. */
struct str base64_encode(struct arena *arena, struct str bytes);
/* False: a character outside the alphabet, white space included, wrong padding, or bits that no encoder leaves behind. */
bool base64_decode(struct arena *arena, struct str text, struct str *ret);

#endif
