/*
 * IMAP commands, one after the other. Properties: how a command is framed does not depend on the pieces it comes in; the same command, its quoted
 * strings written as literals and its literals as quoted strings, is taken as well, and as the same; places of errors are inside the command; a set
 * printed is the set that was parsed; LIST's patterns agree with a matcher that tries everything.
 */
#include <stdlib.h>

#include "services/imap/command.h"
#include "services/imap/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const struct imap_limits LIMITS = { 4096, 2048 };

static void
check(bool is_true)
{
	if (!is_true)
		abort();
}

/* Frame the first command of `in`, the bytes coming `step` at a time. */
static enum imap_frame
frame(struct str in, size_t step, struct imap_framer *framer)
{
	enum imap_frame result = IMAP_FRAME_MORE;

	*framer = (struct imap_framer){ 0 };
	for (size_t have = 0; have < in.len && result == IMAP_FRAME_MORE;) {
		have = in.len - have < step ? in.len : have + step;
		do {
			if (result == IMAP_FRAME_CONTINUE)
				imap_framer_grant(framer);
			result = imap_frame(framer, &LIMITS, str_sub(in, 0, have));
		} while (result == IMAP_FRAME_CONTINUE);
	}
	return result;
}

/* As a literal, which waits for a "+" or not; or quoted, where it can be. */
static void
print_string(struct str text, bool is_quoted, struct buffer *out)
{
	if (!is_quoted) {
		buffer_printf(out, "{%zu%s}\r\n", text.len, text.len % 2 ? "+" : "");
		buffer_add(out, text);
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

static bool
has_line_end(struct str text)
{
	return str_index(text, '\r') < text.len || str_index(text, '\n') < text.len;
}

static void
print_and_parse_string(struct str text, bool is_quoted, struct arena *arena)
{
	struct buffer out = { 0 };
	struct imap_syntax syntax;
	struct imap_cursor cur = { .arena = arena, .error = &syntax };
	struct str again;

	print_string(text, is_quoted, &out);
	cur.in = buffer_str(&out);
	check(cur_string(&cur, &again) == ERR_OK && str_equal(text, again) && cur.at == cur.in.len);
	buffer_clear(&out);
}

/* Copy a command that was parsed, but print its strings in their other form. Outside of them there are no quotes and braces. */
static void
print_otherwise(struct str line, struct arena *arena, struct buffer *out)
{
	struct imap_syntax syntax;
	struct imap_cursor cur = { .in = line, .arena = arena, .error = &syntax };

	while (cur.at < line.len) {
		size_t start = cur.at;
		bool is_quoted = cur_is(&cur, '"');
		struct str text;

		if (!is_quoted && !cur_is(&cur, '{')) {
			buffer_add_byte(out, line.ptr[cur.at++]);
			continue;
		}
		check(cur_string(&cur, &text) == ERR_OK);
		print_and_parse_string(text, false, arena);
		if (has_line_end(text)) {
			buffer_add(out, str_sub(line, start, cur.at - start));
			continue;
		}
		print_and_parse_string(text, true, arena);
		print_string(text, !is_quoted, out);
	}
}

static void
parse_otherwise(struct str line, const struct imap_request *request, struct arena *arena)
{
	struct buffer out = { 0 };
	struct imap_framer framer;
	struct imap_request again;
	struct imap_syntax syntax;

	print_otherwise(line, arena, &out);
	/* Longer, it might be longer than allowed. */
	if (buffer_len(&out) <= LIMITS.literal_bytes) {
		check(frame(buffer_str(&out), buffer_len(&out), &framer) == IMAP_FRAME_READY && framer.len == buffer_len(&out));
		check(imap_parse(buffer_str(&out), &framer, arena, &again, &syntax) == ERR_OK);
		check(again.row == request->row && again.is_uid == request->is_uid);
		check(str_equal(again.tag, request->tag) && str_equal(again.name, request->name));
	}
	buffer_clear(&out);
}

static void
parse(struct str line, const struct imap_framer *framer)
{
	struct arena arena = { 0 };
	struct imap_request request;
	struct imap_syntax syntax = { 0 };
	enum err err = imap_parse(line, framer, &arena, &request, &syntax);

	check(err == ERR_OK || err == ERR_SYNTAX);
	check(err != ERR_OK || (request.row && request.tag.len > 0));
	check(err != ERR_SYNTAX || (syntax.why && syntax.at <= line.len));
	if (err == ERR_OK && !request.has_message)
		parse_otherwise(line, &request, &arena);
	arena_clear(&arena);
}

/* All commands of a connection, up to one that is not there as a whole or is too long. Messages are left out. */
static void
parse_all(struct str in, size_t step)
{
	struct imap_framer whole, pieces;
	enum imap_frame result;

	do {
		result = frame(in, in.len + 1, &whole);
		check(frame(in, step, &pieces) == result);
		if (result != IMAP_FRAME_READY)
			return;
		check(whole.len == pieces.len && whole.has_message == pieces.has_message && whole.len > 0 && whole.len <= in.len);
		parse(str_sub(in, 0, whole.len), &whole);
		in = str_sub(in, whole.len, SIZE_MAX);
		if (whole.has_message)
			in = str_sub(in, whole.literal, SIZE_MAX);
	} while (in.len > 0);
}

static void
print_and_parse_set(struct str in)
{
	struct arena arena = { 0 };
	struct imap_syntax syntax;
	struct imap_cursor cur = { .in = in, .arena = &arena, .error = &syntax };
	struct imap_set set, again;
	struct buffer out = { 0 };

	if (cur_set(&cur, &set) == ERR_OK) {
		imap_set_print(set, &out);
		cur = (struct imap_cursor){ .in = buffer_str(&out), .arena = &arena, .error = &syntax };
		check(cur_set(&cur, &again) == ERR_OK && again.count == set.count);
		check(memcmp(again.ranges, set.ranges, set.count * sizeof(set.ranges[0])) == 0);
		again = imap_set_resolve(set, 1000, &arena);
		for (size_t i = 0; i < again.count; i++) {
			check(again.ranges[i].first > 0 && again.ranges[i].first <= again.ranges[i].last && again.ranges[i].last <= 1000);
			check(i == 0 || again.ranges[i - 1].last + 1 < again.ranges[i].first);
		}
	}
	buffer_clear(&out);
	arena_clear(&arena);
}

/* The definition, exponential: for short ones. */
static bool
matches(struct str pattern, struct str name)
{
	if (pattern.len == 0)
		return name.len == 0;
	if (*pattern.ptr == '*' || *pattern.ptr == '%') {
		if (matches(str_sub(pattern, 1, SIZE_MAX), name))
			return true;
		return name.len > 0 && (*pattern.ptr == '*' || *name.ptr != '/') && matches(pattern, str_sub(name, 1, SIZE_MAX));
	}
	return name.len > 0 && *name.ptr == *pattern.ptr && matches(str_sub(pattern, 1, SIZE_MAX), str_sub(name, 1, SIZE_MAX));
}

static void
match(struct str in)
{
	struct str pattern = str_sub(in, 0, in.len / 3 < 8 ? in.len / 3 : 8), name = str_sub(in, pattern.len, 12);

	if (!str_starts_with(name, STR("INBOX")))
		check(imap_pattern_matches(pattern, name) == matches(pattern, name));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str in = str_from(bytes, len);

	parse_all(in, len > 0 ? bytes[0] % 7 + 1 : 1);
	print_and_parse_set(in);
	match(in);
	return 0;
}
