/* Bytes to requests. */
#include "services/managesieve/parser.h"

enum { ATOM_MAX = 1024 };

/* ---- framing */

/* Does a line (without its line end) announce a literal: "{12+}"? */
static bool
announces(struct str line, uint64_t *ret_size)
{
	size_t open;

	if (!str_ends_with(line, STR("+}")))
		return false;
	open = str_rindex(line, '{');
	return open < line.len && str_to_u64(str_sub(line, open + 1, line.len - open - 3), ret_size);
}

/* Throw away what is pending, as far as it is there. */
static enum managesieve_frame
skip(struct managesieve_framer *framer, size_t have)
{
	framer->len = have < framer->pending ? have : (size_t)framer->pending;
	return framer->len > 0 ? MANAGESIEVE_FRAME_SKIP : MANAGESIEVE_FRAME_MORE;
}

/* A literal that is too big begins at `next`. */
static enum managesieve_frame
refuse_literal(struct managesieve_framer *framer, const struct managesieve_limits *limits, size_t have, size_t next, uint64_t size)
{
	if (size > limits->skip_bytes || framer->thrown + size > limits->skip_bytes)
		return MANAGESIEVE_FRAME_TOO_LONG;
	framer->lines += next - framer->literals;
	framer->thrown += size;
	framer->pending = next + size;
	framer->at = framer->scanned = framer->literals = 0;
	framer->is_refused = true;
	return skip(framer, have);
}

/* A literal of `size` octets begins at `next`. READY: it is there. */
static enum managesieve_frame
frame_literal(struct managesieve_framer *framer, const struct managesieve_limits *limits, size_t have, size_t next, uint64_t size)
{
	if (framer->is_refused || size > limits->literal_bytes || framer->literals + size > limits->literal_bytes)
		return refuse_literal(framer, limits, have, next, size);
	if (have - next < size) {
		framer->scanned = next - 1;
		return MANAGESIEVE_FRAME_MORE;
	}
	framer->literals += size;
	framer->at = framer->scanned = next + size;
	return MANAGESIEVE_FRAME_READY;
}

enum managesieve_frame
managesieve_frame(struct managesieve_framer *framer, const struct managesieve_limits *limits, struct str input)
{
	while (framer->pending == 0) {
		size_t feed = framer->scanned + str_index(str_sub(input, framer->scanned, SIZE_MAX), '\n'), end = feed;
		enum managesieve_frame frame;
		uint64_t size;

		if (framer->lines + feed - framer->literals > limits->line_bytes)
			return MANAGESIEVE_FRAME_TOO_LONG;
		if (feed >= input.len) {
			framer->scanned = input.len;
			return MANAGESIEVE_FRAME_MORE;
		}
		if (end > framer->at && input.ptr[end - 1] == '\r')
			end--;
		framer->len = feed + 1;
		if (!announces(str_sub(input, framer->at, end - framer->at), &size))
			return MANAGESIEVE_FRAME_READY;
		frame = frame_literal(framer, limits, input.len, feed + 1, size);
		if (frame != MANAGESIEVE_FRAME_READY)
			return frame;
	}
	return skip(framer, input.len);
}

void
managesieve_framer_skipped(struct managesieve_framer *framer)
{
	framer->pending -= framer->len;
	framer->len = 0;
}

/* ---- requests */

struct cursor {
	struct str in;
	size_t at;
	struct arena *arena;
	const char *why;
};

static enum err
fail(struct cursor *cur, const char *why)
{
	cur->why = why;
	return ERR_SYNTAX;
}

static bool
take(struct cursor *cur, char c)
{
	if (cur->at >= cur->in.len || cur->in.ptr[cur->at] != c)
		return false;
	cur->at++;
	return true;
}

static bool
take_line_end(struct cursor *cur)
{
	size_t at = cur->at;

	take(cur, '\r');
	if (take(cur, '\n'))
		return true;
	cur->at = at;
	return false;
}

static bool
is_atom_char(char c)
{
	return c > ' ' && c <= '~' && strchr("(){\"\\", c) == NULL;
}

static enum err
take_atom(struct cursor *cur, struct str *ret)
{
	size_t start = cur->at;

	while (cur->at < cur->in.len && is_atom_char(cur->in.ptr[cur->at]))
		cur->at++;
	*ret = str_sub(cur->in, start, cur->at - start);
	return ret->len > 0 && ret->len <= ATOM_MAX ? ERR_OK : fail(cur, "a command is expected");
}

static bool
take_digits(struct cursor *cur, struct str *ret)
{
	size_t start = cur->at;

	while (cur->at < cur->in.len && cur->in.ptr[cur->at] >= '0' && cur->in.ptr[cur->at] <= '9')
		cur->at++;
	*ret = str_sub(cur->in, start, cur->at - start);
	return ret->len > 0;
}

static enum err
take_number(struct cursor *cur, uint32_t *ret)
{
	struct str digits;

	if (!take_digits(cur, &digits) || !str_to_u32(digits, ret) || (digits.len > 1 && digits.ptr[0] == '0'))
		return fail(cur, "a number is expected: 0 to 4294967295, without zeros in front");
	return ERR_OK;
}

/* Behind the opening quote. */
static enum err
take_quoted(struct cursor *cur, struct str *ret)
{
	struct str rest = str_sub(cur->in, cur->at, SIZE_MAX);
	char *out = arena_alloc(cur->arena, str_index(rest, '\n') + 1);
	size_t len = 0;

	while (!take(cur, '"')) {
		bool is_escaped = take(cur, '\\');
		char c = cur->at < cur->in.len ? cur->in.ptr[cur->at] : '\n';

		if (c == '\r' || c == '\n')
			return fail(cur, "the quoted string does not end");
		if (c == '\0' || (is_escaped && c != '"' && c != '\\'))
			return fail(cur, "wrong character in a quoted string");
		out[len++] = c;
		cur->at++;
	}
	*ret = str_from(out, len);
	return str_is_utf8(*ret) ? ERR_OK : fail(cur, "a quoted string is UTF-8");
}

/* Behind the opening brace. The framer has seen to the literal's being there. */
static enum err
take_literal(struct cursor *cur, struct str *ret)
{
	struct str digits;
	uint64_t size;

	if (!take_digits(cur, &digits) || !str_to_u64(digits, &size))
		return fail(cur, "the length of a literal is expected");
	if (!take(cur, '+') || !take(cur, '}') || !take_line_end(cur))
		return fail(cur, "a literal begins with {octets+} at the end of a line");
	if (cur->in.len - cur->at < size)
		return fail(cur, "the literal is shorter than it says");
	*ret = str_sub(cur->in, cur->at, size);
	cur->at += size;
	return ERR_OK;
}

static enum err
take_string(struct cursor *cur, struct str *ret)
{
	if (take(cur, '"'))
		return take_quoted(cur, ret);
	if (take(cur, '{'))
		return take_literal(cur, ret);
	return fail(cur, "a string is expected");
}

static enum err
take_arg(struct cursor *cur, struct managesieve_arg *ret)
{
	char c = cur->at < cur->in.len ? cur->in.ptr[cur->at] : '\0';

	*ret = (struct managesieve_arg){ .is_number = c >= '0' && c <= '9' };
	return ret->is_number ? take_number(cur, &ret->number) : take_string(cur, &ret->text);
}

/* A blank before the line's end is harmless, and some clients send it. */
static enum err
take_end(struct cursor *cur)
{
	while (take(cur, ' '))
		;
	return take_line_end(cur) && cur->at == cur->in.len ? ERR_OK : fail(cur, "the end of the line is expected");
}

static enum err
parse_command(struct cursor *cur, struct managesieve_request *ret)
{
	TRY(take_atom(cur, &ret->name));
	while (ret->count < MANAGESIEVE_ARGS_MAX && take(cur, ' ')) {
		if (take_end(cur) == ERR_OK)
			return ERR_OK;
		TRY(take_arg(cur, &ret->args[ret->count]));
		ret->count++;
	}
	return take_end(cur);
}

enum err
managesieve_parse(struct str line, struct arena *arena, struct managesieve_request *ret, const char **reterr_why)
{
	struct cursor cur = { .in = line, .arena = arena };
	enum err err;

	*ret = (struct managesieve_request){ .count = 0 };
	err = parse_command(&cur, ret);
	if (err != ERR_OK)
		*reterr_why = cur.why;
	return err;
}

enum err
managesieve_parse_string(struct str line, struct arena *arena, struct str *ret, const char **reterr_why)
{
	struct cursor cur = { .in = line, .arena = arena };
	enum err err = take_string(&cur, ret);

	if (err == ERR_OK)
		err = take_end(&cur);
	if (err != ERR_OK)
		*reterr_why = cur.why;
	return err;
}

bool
managesieve_has_args(const struct managesieve_request *request, const char *kinds)
{
	bool is_optional = false;
	size_t at = 0;

	for (; *kinds; kinds++) {
		if (*kinds == '?') {
			is_optional = true;
			continue;
		}
		if (at == request->count)
			return is_optional;
		if (request->args[at++].is_number != (*kinds == 'n'))
			return false;
	}
	return at == request->count;
}
