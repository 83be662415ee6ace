/* Strings on their way to the client.                                                              RFC 5804 s. 4 */
#include "services/managesieve/parser.h"

enum { QUOTED_MAX = 1024 };

bool
managesieve_is_quotable(struct str text)
{
	if (text.len > QUOTED_MAX || !str_is_utf8(text))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '\r' || text.ptr[i] == '\n' || text.ptr[i] == '\0')
			return false;
	return true;
}

void
managesieve_add_literal(struct buffer *out, struct str text)
{
	buffer_printf(out, "{%zu}\r\n", text.len);
	buffer_add(out, text);
}

void
managesieve_add_string(struct buffer *out, struct str text)
{
	if (!managesieve_is_quotable(text)) {
		managesieve_add_literal(out, text);
		return;
	}
	buffer_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			buffer_add_byte(out, '\\');
		buffer_add_byte(out, text.ptr[i]);
	}
	buffer_add_byte(out, '"');
}
