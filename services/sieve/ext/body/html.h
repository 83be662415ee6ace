/* HTML as text, for searching: what a reader would see, more or less.                                  RFC 5173 s. 5.3 */
#ifndef SORA_SIEVE_BODY_HTML_H
#define SORA_SIEVE_BODY_HTML_H

#include "libcommon/core/buffer.h"

/*
 * Append the text of `html` (UTF-8) to `out`: without tags, comments, scripts and styles, the common entities and those of numbers undone. A tag
 * that begins a line or a cell leaves a blank; others leave nothing, so that a word with a bold letter in it stays one. At most as long as `html`.
 */
void sieve_html_text(struct str html, struct buffer *out);

#endif
