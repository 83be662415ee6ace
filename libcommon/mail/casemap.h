/* Text as i;unicode-casemap compares it: each character in title case, then decomposed.                             RFC 5051 s. 2 */
#ifndef SORA_MAIL_CASEMAP_H
#define SORA_MAIL_CASEMAP_H

#include "libcommon/core/buffer.h"

enum { MAIL_CASEMAP_GROWTH = 12 }; /* a text has at most so many bytes for each that it had */

/*
 * Append the form of `text`; two texts are equal when these are, byte by byte. A text that is no UTF-8 stays as it is. With `offsets` (room for
 * MAIL_CASEMAP_GROWTH times the bytes of `text`), each byte that was appended is said to come from the character that begins there.
 */
void mail_casemap(struct str text, struct buffer *out, uint32_t *offsets);

#endif
