/*
 * IMAP commands. Properties: how a command is framed does not depend on the pieces it comes in; a set printed is the set that was parsed;
 * places of errors are inside the command; LIST's patterns agree with a matcher that tries everything.
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

/* Frame the first command, the bytes coming `step` at a time. */
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
	arena_clear(&arena);
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
	struct imap_framer whole, pieces;
	enum imap_frame result = frame(in, len + 1, &whole);

	check(frame(in, len > 0 ? bytes[0] % 7 + 1 : 1, &pieces) == result);
	if (result == IMAP_FRAME_READY) {
		check(whole.len == pieces.len && whole.has_message == pieces.has_message && whole.len > 0 && whole.len <= len);
		parse(str_sub(in, 0, whole.len), &whole);
	}
	print_and_parse_set(in);
	match(in);
	return 0;
}
