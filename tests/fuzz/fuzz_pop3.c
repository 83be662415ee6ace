/*
 * POP3 command lines, and messages on the wire. Properties: a line never uses more than there is, and its parts are within it; what is
 * stuffed, read again as a client does, is what was stored, whatever the pieces it came in; a TOP is the beginning of a RETR.
 */
#include <stdlib.h>

#include "libcommon/core/buffer.h"
#include "services/pop3/parser.h"
#include "services/pop3/stuff.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
check(bool is_true)
{
	if (!is_true)
		abort();
}

static void
parse_lines(struct str in)
{
	struct pop3_request request;
	size_t used = 0;

	while (pop3_parse(in, &request, &used) == ERR_OK) {
		check(used > 0 && used <= in.len && request.keyword.len + request.text.len < used);
		for (int kind = POP3_ARGS_NONE; kind <= POP3_ARGS_MESSAGE_LINES; kind++) {
			struct pop3_request parsed = request;

			if (pop3_parse_args(&parsed, (enum pop3_args)kind) == ERR_OK)
				check(parsed.count <= POP3_NUMBERS_MAX);
		}
		in = str_sub(in, used, SIZE_MAX);
	}
}

static void
write_message(struct str message, size_t step, uint64_t lines, struct buffer *out)
{
	struct pop3_stuffer stuffer = { .lines = lines };
	struct str run;

	for (size_t at = 0; at < message.len && !stuffer.is_done; at += step) {
		struct str piece = str_sub(message, at, step);

		while (pop3_stuff(&stuffer, &piece, &run))
			buffer_add(out, run);
	}
	buffer_add(out, pop3_stuff_end(&stuffer));
}

/* As clients do that end lines at LF: up to the line that is a dot alone, a first dot taken off. */
static void
read_message(struct str wire, struct buffer *out)
{
	while (wire.len > 0) {
		size_t end = str_index(wire, '\n') + 1;
		struct str line = str_sub(wire, 0, end);

		wire = str_sub(wire, end, SIZE_MAX);
		if (str_equal(line, STR(".\r\n"))) {
			check(wire.len == 0);
			return;
		}
		buffer_add(out, line.ptr[0] == '.' ? str_sub(line, 1, SIZE_MAX) : line);
	}
	check(false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct buffer whole = { 0 }, pieces = { 0 }, top = { 0 }, read = { 0 };
	struct str message;
	size_t step;

	if (len < 2)
		return 0;
	step = 1 + bytes[0] % 7;
	message = str_from(bytes + 2, len - 2);
	parse_lines(message);
	write_message(message, SIZE_MAX / 2, POP3_ALL_LINES, &whole);
	write_message(message, step, POP3_ALL_LINES, &pieces);
	check(str_equal(buffer_str(&whole), buffer_str(&pieces)));
	read_message(buffer_str(&whole), &read);
	check(str_starts_with(buffer_str(&read), message) && buffer_len(&read) - message.len <= 2);
	buffer_truncate(&pieces, 0);
	write_message(message, SIZE_MAX / 2, bytes[1] % 5, &top);
	write_message(message, step, bytes[1] % 5, &pieces);
	check(str_equal(buffer_str(&top), buffer_str(&pieces)));
	check(str_ends_with(buffer_str(&top), STR(".\r\n")));
	check(str_starts_with(buffer_str(&whole), str_sub(buffer_str(&top), 0, buffer_len(&top) - 5)) || buffer_len(&top) < 5);
	buffer_clear(&whole);
	buffer_clear(&pieces);
	buffer_clear(&top);
	buffer_clear(&read);
	return 0;
}
