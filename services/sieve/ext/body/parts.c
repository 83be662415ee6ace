/* The pieces of a body. */
#include "services/sieve/ext/body/parts.h"

#include "libcommon/mail/charset.h"
#include "libcommon/mail/decode.h"
#include "services/sieve/ext/body/html.h"

/* The message, and where its body begins in what the parser counts. */
struct reader {
	struct arena *arena;
	struct body_state *state;
	struct str body;
	uint64_t offset;
};

/* The bytes from `from` to `to`, as far as they are the body's. */
static struct str
between(const struct reader *reader, uint64_t from, uint64_t to)
{
	if (to <= from || from < reader->offset)
		return STR("");
	return str_sub(reader->body, from - reader->offset, to - from);
}

static void
add(struct reader *reader, const struct mail_part *part, struct str raw)
{
	struct body_piece *piece = &reader->state->pieces[reader->state->count++];

	*piece = (struct body_piece){ .type = arena_copy(reader->arena, part->type), .subtype = arena_copy(reader->arena, part->subtype), .raw = raw };
	if (part->kind == MAIL_LEAF) {
		piece->encoding = arena_copy(reader->arena, part->encoding);
		piece->charset = arena_copy(reader->arena, mail_param_find(part->params, part->param_count, STR("charset")));
	}
}

/* What stands before the first delimiter: without that line, and the line end that is the delimiter's. */
static struct str
prologue(struct str before)
{
	size_t line = before.len > 0 ? str_rindex(str_sub(before, 0, before.len - 1), '\n') : 0;

	if (before.len == 0 || line + 1 >= before.len)
		return STR("");
	return str_sub(before, 0, line > 0 && before.ptr[line - 1] == '\r' ? line - 1 : line);
}

/* What stands behind the line of the last delimiter, which begins with a line end of its own. */
static struct str
epilogue(struct str after)
{
	struct str line;

	return str_split(&after, '\n', &line) && str_split(&after, '\n', &line) ? after : STR("");
}

static void
add_part(struct reader *reader, const struct mail_part *part)
{
	uint64_t start = mail_part_body_offset(part), end = start + part->body_len;
	const struct mail_part *first = part->first_child, *last = part->last_child;

	if (part->kind == MAIL_MULTIPART && first != NULL) {
		add(reader, part, prologue(between(reader, start, first->header_offset)));
		add(reader, part, epilogue(between(reader, mail_part_body_offset(last) + last->body_len, end)));
	} else if (part->kind == MAIL_MESSAGE && first != NULL) {
		add(reader, part, between(reader, first->header_offset, mail_part_body_offset(first)));
	} else {
		add(reader, part, between(reader, start, end));
	}
}

/* The part, and those in it, from the outside to the inside. */
static void
add_parts(struct reader *reader, const struct mail_part *root)
{
	const struct mail_part *part = root;

	while (part != NULL) {
		add_part(reader, part);
		if (part->first_child != NULL) {
			part = part->first_child;
			continue;
		}
		while (part != root && part->next == NULL)
			part = part->parent;
		part = part != root ? part->next : NULL;
	}
}

static bool
ends_with_empty_line(struct str header)
{
	return str_equal(header, STR("\r\n")) || str_equal(header, STR("\n")) || str_ends_with(header, STR("\n\r\n")) ||
	    str_ends_with(header, STR("\n\n"));
}

/* By the header as it came: an edited one does not change how the body is read (RFC 5293 s. 7). */
enum err
sieve_body_read(struct sieve_run *run, struct body_state *state)
{
	struct str header = sieve_input(run)->header, body, line_end = STR("\r\n");
	struct reader reader = { .arena = sieve_arena(run), .state = state };
	const struct mail_message *message;
	struct mail_parser parser;

	if (state->is_read)
		return ERR_OK;
	TRY(sieve_body(run, &body));
	TRY(sieve_spend(run, body.len / 256));
	state->is_there = body.len > 0 || ends_with_empty_line(header);
	state->bytes_left = BODY_BYTES_MAX;
	state->raw.text.text = str_sub(body, 0, BODY_BYTES_MAX);
	mail_parser_init(&parser);
	mail_parser_feed(&parser, header);
	if (!ends_with_empty_line(header))
		mail_parser_feed(&parser, line_end);
	mail_parser_feed(&parser, body);
	message = mail_parser_finish(&parser);
	reader.body = body;
	reader.offset = message->size - body.len;
	state->pieces = ARENA_ARRAY(sieve_arena(run), struct body_piece, message->part_count * 2 + 1);
	add_parts(&reader, message->root);
	mail_parser_clear(&parser);
	state->is_read = true;
	return ERR_OK;
}

enum err
sieve_body_decode(struct sieve_run *run, struct body_state *state, struct body_piece *piece, struct body_text **ret_text)
{
	struct mail_decoder decoder = { .encoding = mail_encoding_from(piece->encoding) };
	struct buffer plain = { 0 };
	struct str text;

	*ret_text = &piece->text;
	if (piece->is_decoded)
		return ERR_OK;
	TRY(sieve_spend(run, piece->raw.len / 256));
	mail_decode(&decoder, str_sub(piece->raw, 0, state->bytes_left), true, &plain);
	text = str_sub(buffer_str(&plain), 0, state->bytes_left);
	if (!str_equal(piece->type, STR("TEXT")) || !mail_charset_to_utf8(piece->charset, text, sieve_arena(run), &piece->text.text.text))
		piece->text.text.text = arena_copy(sieve_arena(run), text);
	buffer_clear(&plain);
	piece->text.text.text = str_sub(piece->text.text.text, 0, state->bytes_left);
	state->bytes_left -= piece->text.text.text.len;
	piece->is_decoded = true;
	return sieve_spend(run, 0);
}

enum err
sieve_body_plain(struct sieve_run *run, struct body_state *state, struct body_piece *piece, struct body_text **ret_text)
{
	struct buffer plain = { 0 };

	TRY(sieve_body_decode(run, state, piece, ret_text));
	if (!str_equal(piece->type, STR("TEXT")) || !str_equal(piece->subtype, STR("HTML")))
		return ERR_OK;
	*ret_text = &piece->plain;
	if (piece->is_plain)
		return ERR_OK;
	TRY(sieve_spend(run, piece->text.text.text.len / 64));
	sieve_html_text(piece->text.text.text, &plain);
	piece->plain.text.text = arena_copy(sieve_arena(run), buffer_str(&plain));
	buffer_clear(&plain);
	piece->is_plain = true;
	return sieve_spend(run, 0);
}
