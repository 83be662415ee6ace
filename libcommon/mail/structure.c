/* The structure of a message, line by line. */
#include "libcommon/mail/structure.h"

#include <stddef.h>

#include "libcommon/mail/content.h"
#include "libcommon/mail/decode.h"
#include "libcommon/mail/fields.h"
#include "libcommon/mail/header.h"

enum { DELIMITER_MAX = MAIL_BOUNDARY_MAX + 64 }; /* bytes of a line that may be one, blanks behind it included */

static const struct mail_param default_params[] = { { { "CHARSET", 7 }, { "US-ASCII", 8 } } };

struct str
mail_param_find(const struct mail_param *params, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_equal_nocase(params[i].name, name))
			return params[i].value;
	return STR_NONE;
}

static struct mail_open *
innermost(struct mail_parser *p)
{
	return &p->open[p->depth - 1];
}

/*
 * Parts
 */

/* Begin `part`, whose header starts at `offset`, inside the innermost open entity. */
static void
open_part(struct mail_parser *p, struct mail_part *part, uint64_t offset)
{
	struct mail_part *parent = p->depth > 0 ? innermost(p)->part : NULL;

	part->parent = parent;
	part->header_offset = offset;
	if (parent != NULL) {
		if (parent->last_child != NULL)
			parent->last_child->next = part;
		else
			parent->first_child = part;
		parent->last_child = part;
	}
	p->message.part_count++;
	p->open[p->depth++] = (struct mail_open){ .part = part };
	p->is_in_header = true;
	p->header_looked_at = 0;
}

/* A new part, if the limits allow one. */
static struct mail_part *
new_part(struct mail_parser *p, bool is_message)
{
	size_t size = sizeof(struct mail_part) + (is_message ? sizeof(struct mail_envelope) : 0);
	struct mail_part *part = NULL;

	if (p->depth < MAIL_DEPTH_MAX && p->message.part_count < MAIL_PARTS_MAX)
		part = arena_try_alloc(&p->kept, size);
	if (part == NULL)
		p->message.is_cut = true;
	else if (is_message)
		part->envelope = (struct mail_envelope *)(part + 1);
	return part;
}

static void
set_text_plain(struct mail_part *part)
{
	part->type = STR("TEXT");
	part->subtype = STR("PLAIN");
	part->params = default_params;
	part->param_count = 1;
}

static void
set_opaque(struct mail_part *part)
{
	part->type = STR("APPLICATION");
	part->subtype = STR("OCTET-STREAM");
}

/* RFC 2046 s. 5.1.2: a multipart must have a part, even if no delimiter came. */
static void
add_missing_child(struct mail_parser *p, struct mail_part *parent)
{
	struct mail_part *part = ARENA_NEW(&p->kept, struct mail_part);

	set_text_plain(part);
	part->parent = parent;
	part->encoding = parent->encoding;
	part->header_offset = mail_part_body_offset(parent);
	part->body_len = parent->body_len;
	part->body_lines = parent->body_lines;
	parent->first_child = parent->last_child = part;
	p->message.part_count++;
}

/* The innermost open entity ends at `end`; `lines` line ends came before that. */
static void
close_part(struct mail_parser *p, uint64_t end, uint64_t lines)
{
	struct mail_open *open = innermost(p);
	struct mail_part *part = open->part;

	part->body_len = end - mail_part_body_offset(part);
	part->body_lines = lines - open->lines_before_body;
	if (open->boundary.len > 0)
		p->boundary_count--;
	if (part->kind == MAIL_MULTIPART && part->first_child == NULL)
		add_missing_child(p, part);
	p->depth--;
}

/*
 * Headers
 */

static const struct {
	const char *name;
	bool (*set)(struct str value, struct arena *arena, struct mail_part *part);
} content_fields[] = {
	{ "Content-Type", mail_content_type },
	{ "Content-Transfer-Encoding", mail_content_encoding },
	{ "Content-Disposition", mail_content_disposition },
	{ "Content-ID", mail_content_id },
	{ "Content-Description", mail_content_description },
	{ "Content-Language", mail_content_language },
	{ "Content-Location", mail_content_location },
	{ "Content-MD5", mail_content_md5 },
};

#define ENVELOPE(field) offsetof(struct mail_envelope, field)
static const struct {
	const char *name;
	size_t offset;
	bool is_list;
} envelope_fields[] = {
	{ "Date", ENVELOPE(date), false },
	{ "Subject", ENVELOPE(subject), false },
	{ "From", ENVELOPE(from), true },
	{ "Sender", ENVELOPE(sender), true },
	{ "Reply-To", ENVELOPE(reply_to), true },
	{ "To", ENVELOPE(to), true },
	{ "Cc", ENVELOPE(cc), true },
	{ "Bcc", ENVELOPE(bcc), true },
	{ "In-Reply-To", ENVELOPE(in_reply_to), false },
	{ "Message-ID", ENVELOPE(message_id), false },
};
#undef ENVELOPE

static void
set_envelope(struct mail_parser *p, struct str *value, bool is_list, struct str field)
{
	struct str added, joined;

	if (value->ptr != NULL && !is_list)
		return;
	if (!mail_keep_unfolded(field, &p->kept, &added)) {
		p->message.is_cut = true;
		return;
	}
	if (value->ptr == NULL || value->len == 0) {
		*value = added;
		return;
	}
	joined.len = value->len + 2 + added.len;
	joined.ptr = arena_try_alloc(&p->kept, joined.len);
	if (joined.ptr == NULL) {
		p->message.is_cut = true;
		return;
	}
	memcpy((char *)(uintptr_t)joined.ptr, value->ptr, value->len);
	memcpy((char *)(uintptr_t)joined.ptr + value->len, ", ", 2);
	memcpy((char *)(uintptr_t)joined.ptr + value->len + 2, added.ptr, added.len);
	*value = joined;
}

/* Keep the raw field among the common ones, all of it or nothing. */
static void
keep_common(struct mail_parser *p, const struct mail_field *field)
{
	if (!mail_fields_covers(field->name))
		return;
	if (p->is_field_cut || buffer_len(&p->fields) + field->raw.len > MAIL_FIELDS_MAX)
		p->message.is_fields_cut = true;
	else
		buffer_add(&p->fields, field->raw);
}

static void
look_at_field(struct mail_parser *p, const struct mail_field *field)
{
	struct mail_part *part = innermost(p)->part;

	if (part == p->message.root)
		keep_common(p, field);
	for (size_t i = 0; i < sizeof(content_fields) / sizeof(content_fields[0]); i++)
		if (str_equal_nocase(field->name, str_c(content_fields[i].name)) &&
		    !content_fields[i].set(field->value, &p->kept, part))
			p->message.is_cut = true;
	if (part->envelope == NULL)
		return;
	for (size_t i = 0; i < sizeof(envelope_fields) / sizeof(envelope_fields[0]); i++)
		if (str_equal_nocase(field->name, str_c(envelope_fields[i].name)))
			set_envelope(p, (struct str *)((char *)part->envelope + envelope_fields[i].offset),
			    envelope_fields[i].is_list, field->value);
}

/* The field that was collected is complete. */
static void
end_field(struct mail_parser *p)
{
	struct str raw = buffer_str(&p->field);
	struct mail_field field;

	p->header_looked_at += raw.len;
	if (p->is_field_cut)
		p->message.is_cut = true;
	if (p->header_looked_at > MAIL_HEADER_MAX) {
		p->message.is_cut = true;
		if (innermost(p)->part == p->message.root)
			p->message.is_fields_cut = true;
	} else if (mail_header_next(&raw, &field)) {
		look_at_field(p, &field);
	}
	buffer_reset(&p->field);
	p->is_field_cut = false;
}

/* RFC 2046 s. 5.1.1: the boundary does not end in a blank. */
static struct str
usable_boundary(struct mail_parser *p, const struct mail_part *part)
{
	struct str boundary = mail_param_find(part->params, part->param_count, STR("BOUNDARY"));

	if (boundary.ptr == NULL)
		mail_param_decode(part->params, part->param_count, STR("BOUNDARY"), &p->kept, &boundary);
	while (boundary.len > 0 && boundary.ptr[boundary.len - 1] == ' ')
		boundary.len--;
	return boundary.len > MAIL_BOUNDARY_MAX ? STR_NONE : boundary;
}

static bool
is_digest(const struct mail_part *part)
{
	return part != NULL && part->kind == MAIL_MULTIPART && str_equal(part->subtype, STR("DIGEST"));
}

static bool
is_encoded(const struct mail_part *part)
{
	enum mail_encoding encoding = mail_encoding_from(part->encoding);

	return encoding == MAIL_BASE64 || encoding == MAIL_QUOTED_PRINTABLE;
}

/* What the fields of `part` mean, with the defaults for what they do not say. */
static void
settle_kind(struct mail_parser *p, struct mail_part *part)
{
	bool has_room = p->depth < MAIL_DEPTH_MAX && p->message.part_count < MAIL_PARTS_MAX;

	if (part->encoding.ptr == NULL)
		part->encoding = STR("7BIT");
	if (part->type.ptr == NULL && is_digest(part->parent)) {
		part->type = STR("MESSAGE");
		part->subtype = STR("RFC822");
	} else if (part->type.ptr == NULL) {
		set_text_plain(part);
	}
	if (str_equal(part->type, STR("MULTIPART")) && usable_boundary(p, part).len == 0)
		set_text_plain(part);
	else if (str_equal(part->type, STR("MULTIPART")))
		part->kind = MAIL_MULTIPART;
	else if (str_equal(part->type, STR("MESSAGE")) && str_equal(part->subtype, STR("RFC822")))
		part->kind = MAIL_MESSAGE;
	if (part->kind == MAIL_LEAF || (has_room && !(part->kind == MAIL_MESSAGE && is_encoded(part))))
		return;
	part->kind = MAIL_LEAF;
	set_opaque(part);
	p->message.is_cut |= !has_room;
}

/* The header of the innermost entity ends before `offset`, where its body begins. */
static void
end_header(struct mail_parser *p, uint64_t offset)
{
	struct mail_open *open = innermost(p);
	struct mail_part *part = open->part, *inside;

	end_field(p);
	p->is_in_header = false;
	part->header_len = offset - part->header_offset;
	open->lines_before_body = p->lines;
	settle_kind(p, part);
	if (part->kind == MAIL_MULTIPART) {
		open->boundary = usable_boundary(p, part);
		p->boundary_count++;
	}
	if (part->kind != MAIL_MESSAGE)
		return;
	inside = new_part(p, true);
	if (inside != NULL) {
		open_part(p, inside, offset);
	} else {
		part->kind = MAIL_LEAF;
		set_opaque(part);
	}
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
		end_header(p, p->line_start);
	/* The line end before a delimiter is the delimiter's, unless it ended the header of the part. */
	if (p->line_start > mail_part_body_offset(innermost(p)->part)) {
		end -= p->eol_len;
		lines--;
	}
	while (p->depth > index + 1)
		close_part(p, end, lines);
	if (is_close) {
		multipart->boundary = STR_NONE;
		p->boundary_count--;
		return;
	}
	part = new_part(p, false);
	if (part != NULL)
		open_part(p, part, offset);
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

static void
header_line(struct mail_parser *p, struct str line, struct str text, uint64_t len)
{
	bool is_folded = text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t');
	size_t room;

	if (!is_folded || buffer_len(&p->field) == 0)
		end_field(p);
	room = MAIL_FIELD_MAX - buffer_len(&p->field);
	if (len > room)
		p->is_field_cut = true;
	buffer_add(&p->field, str_sub(line, 0, room));
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
		end_header(p, offset);
	} else {
		p->lines += eol_len > 0;
		if (p->is_in_header)
			header_line(p, line, text, len);
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
	parser->message.root = new_part(parser, true);
	open_part(parser, parser->message.root, 0);
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
		end_header(parser, parser->line_start);
	while (parser->depth > 0)
		close_part(parser, parser->line_start, parser->lines);
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
