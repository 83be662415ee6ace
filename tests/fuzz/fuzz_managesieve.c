/*
 * What clients of ManageSieve send. Properties: commands are framed alike whatever their pieces, and no more is held than the limits allow;
 * a request, printed anew and parsed, is the same request; its strings are within what was sent.
 */
#include <stdlib.h>

#include "services/managesieve/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const struct managesieve_limits LIMITS = { 200, 100, 400 };

static void
check(bool is_true)
{
	if (!is_true)
		abort();
}

/* What a client sends for a request. */
static void
print(const struct managesieve_request *request, struct buffer *out)
{
	buffer_add(out, request->name);
	for (size_t i = 0; i < request->count; i++) {
		const struct managesieve_arg *arg = &request->args[i];

		buffer_add_byte(out, ' ');
		if (arg->is_number)
			buffer_printf(out, "%u", arg->number);
		else if (managesieve_is_quotable(arg->text))
			managesieve_add_string(out, arg->text);
		else
			buffer_printf(out, "{%zu+}\r\n", arg->text.len), buffer_add(out, arg->text);
	}
	buffer_add(out, STR("\r\n"));
}

static void
check_same(const struct managesieve_request *a, const struct managesieve_request *b)
{
	check(str_equal(a->name, b->name) && a->count == b->count);
	for (size_t i = 0; i < a->count; i++)
		check(a->args[i].is_number == b->args[i].is_number && a->args[i].number == b->args[i].number &&
		    str_equal(a->args[i].text, b->args[i].text));
}

static void
parse_line(struct str line)
{
	struct arena arena = { 0 };
	struct managesieve_request request, again;
	struct buffer printed = { 0 };
	const char *why = NULL;
	struct str text;

	if (managesieve_parse(line, &arena, &request, &why) == ERR_OK) {
		for (size_t i = 0; i < request.count; i++)
			check(request.args[i].text.len < line.len);
		print(&request, &printed);
		check(managesieve_parse(buffer_str(&printed), &arena, &again, &why) == ERR_OK);
		check_same(&request, &again);
	} else
		check(why != NULL);
	if (managesieve_parse_string(line, &arena, &text, &why) == ERR_OK)
		check(text.len < line.len);
	buffer_clear(&printed);
	arena_clear(&arena);
}

/* Frame all that is sent, `step` bytes at a time; a hash of what came of it. */
static uint64_t
frame_all(struct str sent, size_t step, bool is_parsing)
{
	struct managesieve_framer framer = { 0 };
	struct buffer input = { 0 };
	uint64_t hash = 0;

	for (size_t at = 0; at < sent.len; at += step) {
		enum managesieve_frame frame;

		buffer_add(&input, str_sub(sent, at, step));
		while ((frame = managesieve_frame(&framer, &LIMITS, buffer_str(&input))) != MANAGESIEVE_FRAME_MORE) {
			if (frame == MANAGESIEVE_FRAME_TOO_LONG) {
				buffer_clear(&input);
				return hash * 31 + 7;
			}
			check(framer.len > 0 && framer.len <= buffer_len(&input));
			if (frame == MANAGESIEVE_FRAME_READY) {
				struct str line = str_sub(buffer_str(&input), 0, framer.len);

				check(line.len <= LIMITS.line_bytes + LIMITS.literal_bytes + 1);
				hash = hash * 31 + (framer.is_refused ? 5 : str_hash(line));
				if (is_parsing && !framer.is_refused)
					parse_line(line);
			}
			buffer_consume(&input, framer.len);
			if (frame == MANAGESIEVE_FRAME_SKIP)
				managesieve_framer_skipped(&framer);
			else
				framer = (struct managesieve_framer){ 0 };
		}
		check(buffer_len(&input) <= LIMITS.line_bytes + LIMITS.literal_bytes + 1);
	}
	buffer_clear(&input);
	return hash;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str sent;

	if (len < 1)
		return 0;
	sent = str_from(bytes + 1, len - 1);
	check(frame_all(sent, 1, true) == frame_all(sent, 1 + bytes[0] % 50, false));
	return 0;
}
