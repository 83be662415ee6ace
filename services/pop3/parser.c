/* Command lines: bytes -> keyword and arguments. */
#include "services/pop3/parser.h"

enum err
pop3_parse(struct str in, struct pop3_request *ret_request, size_t *ret_used)
{
	size_t end = str_index(str_sub(in, 0, POP3_LINE_MAX), '\n');
	struct str line = str_sub(in, 0, end);
	size_t space;

	if (end == in.len || end == POP3_LINE_MAX)
		return in.len < POP3_LINE_MAX ? ERR_AGAIN : ERR_TOO_BIG;
	if (str_ends_with(line, STR("\r")))
		line.len--;
	space = str_index(line, ' ');
	*ret_request = (struct pop3_request){ .keyword = str_sub(line, 0, space), .text = str_sub(line, space + 1, SIZE_MAX) };
	*ret_used = end + 1;
	return ERR_OK;
}

/* Between `least` and `most` numbers. */
static enum err
parse_numbers(struct pop3_request *request, size_t least, size_t most)
{
	struct str rest = str_trim(request->text), word;

	while (rest.len > 0 && str_split(&rest, ' ', &word)) {
		if (request->count == most || !str_to_u32(word, &request->numbers[request->count]))
			return ERR_SYNTAX;
		request->count++;
	}
	return request->count >= least ? ERR_OK : ERR_SYNTAX;
}

enum err
pop3_parse_args(struct pop3_request *request, enum pop3_args kind)
{
	bool has_text = str_trim(request->text).len > 0;

	switch (kind) {
	case POP3_ARGS_NONE:
		return has_text ? ERR_SYNTAX : ERR_OK;
	case POP3_ARGS_TEXT:
		request->text = str_trim(request->text);
		return has_text ? ERR_OK : ERR_SYNTAX;
	case POP3_ARGS_TEXT_OPTIONAL:
		request->text = str_trim(request->text);
		return ERR_OK;
	case POP3_ARGS_VERBATIM:
		return request->text.len > 0 ? ERR_OK : ERR_SYNTAX;
	case POP3_ARGS_MESSAGE:
		return parse_numbers(request, 1, 1);
	case POP3_ARGS_MESSAGE_OPTIONAL:
		return parse_numbers(request, 0, 1);
	case POP3_ARGS_MESSAGE_LINES:
		return parse_numbers(request, 2, 2);
	}
	return ERR_SYNTAX;
}
