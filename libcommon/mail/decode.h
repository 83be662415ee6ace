/* Content-Transfer-Encodings, undone as the bytes stream by.                                                RFC 2045 s. 6 */
#ifndef SORA_MAIL_DECODE_H
#define SORA_MAIL_DECODE_H

#include "libcommon/core/buffer.h"
#include "libcommon/core/err.h"

enum mail_encoding {
	MAIL_IDENTITY, /* 7bit, 8bit, binary, and no such field */
	MAIL_QUOTED_PRINTABLE,
	MAIL_BASE64,
	MAIL_ENCODING_UNKNOWN, /* what it holds cannot be known: bytes go through as they are */
};

/* By the name in Content-Transfer-Encoding, any case, trimmed. */
enum mail_encoding mail_encoding_from(struct str name);

/* Zeroed but for `encoding`: at the beginning. */
struct mail_decoder {
	enum mail_encoding encoding;
	uint32_t bits;
	unsigned bit_count;
	unsigned digits, padding; /* base64: of this group */
	unsigned pending_len;
	char pending[128]; /* quoted-printable: "=", "=X", or blanks that may turn out to be at the end of a line */
	bool is_broken;
};

/*
 * Append what `bytes` decode to, at most as many and 128 more. `is_last`: no more will come. Lenient: base64 skips what is none of it
 * and goes on after padding; quoted-printable leaves a wrong "=" as it is. `is_broken` is set when there was something of the kind (BINARY's
 * UNKNOWN-CTE, RFC 3516, wants to know).
 */
void mail_decode(struct mail_decoder *decoder, struct str bytes, bool is_last, struct buffer *out);

#endif
