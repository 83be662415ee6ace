/* i;unicode-casemap by utf8proc, one character at a time.                                                          RFC 5051 s. 2 */
#include "libcommon/mail/casemap.h"

#include <utf8proc.h>

#include "libcommon/mail/unicode.h"

enum { DECOMPOSED_MAX = 18 }; /* characters; U+FDFA has that many */

static void
add_character(utf8proc_int32_t c, struct buffer *out)
{
	utf8proc_int32_t parts[DECOMPOSED_MAX];
	int last_class = 0;
	utf8proc_ssize_t count = utf8proc_decompose_char(utf8proc_totitle(c), parts, DECOMPOSED_MAX, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
	    &last_class);

	if (count < 0 || count > DECOMPOSED_MAX) {
		mail_add_code_point(c, out);
		return;
	}
	for (utf8proc_ssize_t i = 0; i < count; i++)
		mail_add_code_point(parts[i], out);
}

void
mail_casemap(struct str text, struct buffer *out, uint32_t *offsets)
{
	size_t before = buffer_len(out);
	bool is_utf8 = str_is_utf8(text);

	for (size_t at = 0, len; at < text.len; at += len) {
		size_t from = buffer_len(out);
		utf8proc_int32_t c = -1;
		utf8proc_ssize_t read = is_utf8 ?
		    utf8proc_iterate((const utf8proc_uint8_t *)text.ptr + at, (utf8proc_ssize_t)(text.len - at), &c) : 0;

		len = is_utf8 && read > 0 ? (size_t)read : 1;
		if (is_utf8 && read > 0)
			add_character(c, out);
		else
			buffer_add_byte(out, text.ptr[at]);
		for (size_t i = from; offsets != NULL && i < buffer_len(out); i++)
			offsets[i - before] = (uint32_t)at;
	}
}
