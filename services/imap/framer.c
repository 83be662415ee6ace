/* Framing: where a command ends. Lines, and the literals that their ends announce. */
#include "services/imap/command.h"

bool
imap_line_literal(struct str line, uint64_t *ret_size, bool *ret_is_sync)
{
	struct str digits;
	size_t open;

	if (line.len < 3 || line.ptr[line.len - 1] != '}')
		return false;
	open = str_rindex(line, '{');
	if (open == line.len)
		return false;
	digits = str_sub(line, open + 1, line.len - open - 2);
	*ret_is_sync = !str_ends_with(digits, STR("+"));
	if (!*ret_is_sync)
		digits.len--;
	return str_to_u64(digits, ret_size) && *ret_size <= INT64_MAX;
}

/*
 * Is the literal that ends the command's first bytes, `head`, a message? Its command's row says that it takes one, and it is not the
 * first argument, which is the mailbox's name.
 */
static bool
is_message(struct str head)
{
	struct str rest = head, tag, name;
	const struct imap_command_row *row;

	if (!str_split(&rest, ' ', &tag) || !str_split(&rest, ' ', &name) || rest.len == 0 || rest.ptr[0] == '{')
		return false;
	row = imap_command_find(name, false);
	return row && row->flags & IMAP_CMD_MESSAGE;
}

/* As is_message, where the mailbox's name was a literal of its own: the message is what any later literal holds. */
static bool
is_message_after_literal(struct str input, const struct imap_framer *framer)
{
	struct str rest = str_sub(input, 0, framer->at), tag, name;
	const struct imap_command_row *row;

	if (framer->at == 0 || !str_split(&rest, ' ', &tag) || !str_split(&rest, ' ', &name))
		return false;
	row = imap_command_find(name, false);
	return row && row->flags & IMAP_CMD_MESSAGE;
}

/* The line [at, end) announces a literal, which begins at `next`. */
static enum imap_frame
frame_literal(struct imap_framer *framer, const struct imap_limits *limits, struct str input, size_t end, size_t next)
{
	framer->len = next;
	if (is_message_after_literal(input, framer) || is_message(str_sub(input, 0, end))) {
		framer->has_message = true;
		return IMAP_FRAME_READY;
	}
	if (framer->literal > limits->literal_bytes || framer->literals + framer->literal > limits->literal_bytes)
		return IMAP_FRAME_TOO_BIG;
	if (framer->is_sync && next > framer->granted)
		return IMAP_FRAME_CONTINUE;
	if (input.len - next < framer->literal) {
		framer->scanned = next - 1;
		return IMAP_FRAME_MORE;
	}
	framer->literals += framer->literal;
	framer->at = framer->scanned = next + framer->literal;
	return IMAP_FRAME_READY;
}

enum imap_frame
imap_frame(struct imap_framer *framer, const struct imap_limits *limits, struct str input)
{
	framer->has_message = false;
	for (;;) {
		size_t feed = framer->scanned + str_index(str_sub(input, framer->scanned, SIZE_MAX), '\n'), end = feed;
		enum imap_frame frame;

		if (feed - framer->literals > limits->line_bytes)
			return IMAP_FRAME_TOO_LONG;
		if (feed >= input.len) {
			framer->scanned = input.len;
			return IMAP_FRAME_MORE;
		}
		if (end > framer->at && input.ptr[end - 1] == '\r')
			end--;
		if (framer->is_line
		    || !imap_line_literal(str_sub(input, framer->at, end - framer->at), &framer->literal, &framer->is_sync)) {
			framer->len = feed + 1;
			return IMAP_FRAME_READY;
		}
		frame = frame_literal(framer, limits, input, end, feed + 1);
		if (frame != IMAP_FRAME_READY || framer->has_message)
			return frame;
	}
}

void
imap_framer_grant(struct imap_framer *framer)
{
	framer->granted = framer->len;
}

void
imap_framer_reset(struct imap_framer *framer)
{
	*framer = (struct imap_framer){ .is_line = framer->is_line };
}
