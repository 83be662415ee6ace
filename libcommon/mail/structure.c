/* The structure of a message, line by line. */
#include "libcommon/mail/structure.h"

#include "libcommon/mail/entity.h"

enum { DELIMITER_MAX = MAIL_BOUNDARY_MAX + 64 }; /* bytes of a line that may be one, blanks behind it included */

struct str
mail_param_find(const struct mail_param *params, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_equal_nocase(params[i].name, name))
			return params[i].value;
	return STR_NONE;
}

/*
 * Delimiters, RFC 2046 s. 5.1.1
 */

static bool
is_all_blank(struct str s)
{
	return str_trim(s).len == 0;
}

/* Is `line` (without its end) a delimiter of `boundary`? `is_exact`: with nothing but blanks behind it. */
static bool
is_delimiter(struct str line, struct str boundary, bool is_exact)
{
	struct str rest = str_sub(line, 2 + boundary.len, SIZE_MAX);

	if (boundary.len == 0 || line.len < 2 + boundary.len || memcmp(line.ptr + 2, boundary.ptr, boundary.len) != 0)
		return false;
	return !is_exact || is_all_blank(rest) || (str_starts_with(rest, STR("--")) && is_all_blank(str_sub(rest, 2, SIZE_MAX)));
}

/*
 * Whose delimiter is `line`? A whole match first, from the inside out; else the longest boundary that the line begins with, as
 * the RFC wants it. p->depth when it is nobody's.
 */
static size_t
find_delimiter(struct mail_parser *p, struct str line)
{
	size_t best = p->depth;

	if (p->boundary_count == 0 || line.len < 3 || line.ptr[0] != '-' || line.ptr[1] != '-')
		return p->depth;
	for (size_t i = p->depth; i > 0; i--)
		if (is_delimiter(line, p->open[i - 1].boundary, true))
			return i - 1;
	for (size_t i = p->depth; i > 0; i--)
		if (is_delimiter(line, p->open[i - 1].boundary, false) &&
		    (best == p->depth || p->open[i - 1].boundary.len > p->open[best].boundary.len))
			best = i - 1;
	return best;
}

/* `line`, which ends before `offset`, is a delimiter of the open entity `index`. */
static void
delimiter(struct mail_parser *p, size_t index, struct str line, uint64_t offset)
{
	struct mail_open *multipart = &p->open[index];
	bool is_close = str_starts_with(str_sub(line, 2 + multipart->boundary.len, SIZE_MAX), STR("--"));
	uint64_t end = p->line_start, lines = p->lines;
	struct mail_part *part;

	while (p->is_in_header)
		mail_entity_end_header(p, p->line_start);
	/* The line end before a delimiter is the delimiter's, unless it ended the header of the part. */
	if (p->line_start > mail_part_body_offset(mail_entity_innermost(p)->part)) {
		end -= p->eol_len;
		lines--;
	}
	while (p->depth > index + 1)
		mail_entity_close(p, end, lines);
	if (is_close) {
		multipart->boundary = STR_NONE;
		p->boundary_count--;
		return;
	}
	part = mail_entity_new(p, false);
	if (part != NULL)
		mail_entity_open(p, part, offset);
}

/*
 * Lines
 */

/* How many bytes of the line that begins here are of interest? */
static size_t
line_limit(const struct mail_parser *p)
{
	return p->is_in_header ? MAIL_FIELD_MAX : DELIMITER_MAX;
}

/* A whole line: `line` is what was kept of its `len` bytes, the last `eol_len` of which end it. */
static void
end_line(struct mail_parser *p, struct str line, uint64_t len, unsigned eol_len)
{
	struct str text = line.len == len ? str_sub(line, 0, line.len - eol_len) : line;
	uint64_t offset = p->line_start + len;
	size_t index = find_delimiter(p, text);
	bool is_blank = text.len == 0 && eol_len > 0;

	if (index < p->depth) {
		delimiter(p, index, text, offset);
		p->lines += eol_len > 0;
	} else if (p->is_in_header && is_blank) {
		p->lines++;
		mail_entity_end_header(p, offset);
	} else {
		p->lines += eol_len > 0;
		if (p->is_in_header)
			mail_entity_header_line(p, line, text, len);
	}
	p->line_start = offset;
	p->eol_len = eol_len;
}

/* Lines of bodies that can be no delimiter, as many as there are: returns how many bytes they have. */
static size_t
skip_body_lines(struct mail_parser *p, struct str bytes)
{
	size_t at = 0;

	while (at < bytes.len && (bytes.ptr[at] != '-' || p->boundary_count == 0)) {
		const char *eol = memchr(bytes.ptr + at, '\n', bytes.len - at);

		if (eol == NULL)
			break;
		p->eol_len = eol > bytes.ptr + at && eol[-1] == '\r' ? 2 : 1;
		p->lines++;
		at = (size_t)(eol + 1 - bytes.ptr);
	}
	p->line_start += at;
	return at;
}

/* Add to the line that has begun; when it ends, deal with it. Returns how many bytes were taken. */
static size_t
take_line(struct mail_parser *p, struct str bytes)
{
	size_t at = str_index(bytes, '\n');
	struct str piece = str_sub(bytes, 0, at < bytes.len ? at + 1 : at), line;
	size_t limit = line_limit(p), kept = buffer_len(&p->line);
	char before = piece.len > 1 ? piece.ptr[piece.len - 2] : p->last_byte;
	uint64_t len = p->line_len + piece.len;

	p->last_byte = piece.ptr[piece.len - 1];
	if (at < bytes.len && p->line_len == 0 && piece.len <= limit) {
		end_line(p, piece, len, before == '\r' && len > 1 ? 2 : 1);
		return piece.len;
	}
	buffer_add(&p->line, str_sub(piece, 0, kept < limit ? limit - kept : 0));
	p->line_len = len;
	if (at == bytes.len)
		return piece.len;
	line = buffer_str(&p->line);
	end_line(p, line, len, before == '\r' && len > 1 ? 2 : 1);
	buffer_reset(&p->line);
	p->line_len = 0;
	return piece.len;
}

void
mail_parser_init(struct mail_parser *parser)
{
	*parser = (struct mail_parser){ 0 };
	arena_set_limit(&parser->kept, MAIL_KEPT_MAX);
	parser->message.root = mail_entity_new(parser, true);
	mail_entity_open(parser, parser->message.root, 0);
}

void
mail_parser_feed(struct mail_parser *parser, struct str bytes)
{
	while (bytes.len > 0) {
		size_t taken = 0;

		if (!parser->is_in_header && parser->line_len == 0)
			taken = skip_body_lines(parser, bytes);
		bytes = str_sub(bytes, taken, SIZE_MAX);
		if (bytes.len > 0)
			bytes = str_sub(bytes, take_line(parser, bytes), SIZE_MAX);
	}
}

const struct mail_message *
mail_parser_finish(struct mail_parser *parser)
{
	if (parser->line_len > 0)
		end_line(parser, buffer_str(&parser->line), parser->line_len, 0);
	while (parser->is_in_header)
		mail_entity_end_header(parser, parser->line_start);
	while (parser->depth > 0)
		mail_entity_close(parser, parser->line_start, parser->lines);
	parser->message.size = parser->line_start;
	parser->message.fields = buffer_str(&parser->fields);
	return &parser->message;
}

void
mail_parser_clear(struct mail_parser *parser)
{
	arena_clear(&parser->kept);
	buffer_clear(&parser->line);
	buffer_clear(&parser->field);
	buffer_clear(&parser->fields);
	*parser = (struct mail_parser){ 0 };
}
