/* Sections of messages: BODY[..], parsed, found in the stored parts, and streamed.                 RFC 3501 s. 6.4.5 */
#include "libcommon/core/clock.h"
#include "libcommon/mail/fields.h"
#include "libcommon/mail/header.h"
#include "services/imap/fetch.h"
#include "services/imap/reply.h"
#include "services/imap/wire.h"

enum {
	COMMIT_BYTES = 256 * 1024,        /* held back, so that a failure can still be told */
	HEADER_BYTES_MAX = 4 * 1024 * 1024, /* of a header that is filtered */
};

/* ---- parsing */

static enum err
parse_fields(struct imap_cursor *cur, struct imap_section *section)
{
	section->has_fields = true;
	section->fields = ARENA_ARRAY(cur->arena, struct str, IMAP_FIELDS_MAX);
	TRY(cur_space(cur));
	TRY(cur_byte(cur, '('));
	do {
		if (section->field_count == IMAP_FIELDS_MAX)
			return cur_fail(cur, "too many header fields");
		TRY(cur_astring(cur, &section->fields[section->field_count++]));
	} while (cur_take(cur, ' '));
	return cur_byte(cur, ')');
}

/* HEADER, TEXT and their like, behind the numbers. */
static enum err
parse_which(struct imap_cursor *cur, struct imap_section *section)
{
	if (cur_take_word(cur, "HEADER.FIELDS.NOT")) {
		section->which = MAIL_SECTION_HEADER;
		section->is_not = true;
		return parse_fields(cur, section);
	}
	if (cur_take_word(cur, "HEADER.FIELDS")) {
		section->which = MAIL_SECTION_HEADER;
		return parse_fields(cur, section);
	}
	if (cur_take_word(cur, "HEADER"))
		section->which = MAIL_SECTION_HEADER;
	else if (cur_take_word(cur, "TEXT"))
		section->which = MAIL_SECTION_TEXT;
	else if (section->depth > 0 && cur_take_word(cur, "MIME"))
		section->which = MAIL_SECTION_MIME;
	else
		return cur_fail(cur, "no such section");
	return ERR_OK;
}

static enum err
parse_spec(struct imap_cursor *cur, struct imap_section *section)
{
	section->which = MAIL_SECTION_ALL;
	if (cur_is(cur, ']'))
		return ERR_OK;
	while (cur->at < cur->in.len && imap_is(cur->in.ptr[cur->at], IMAP_DIGIT)) {
		if (section->depth == IMAP_SECTION_DEPTH_MAX)
			return cur_fail(cur, "too many part numbers");
		TRY(cur_nz_number(cur, &section->path[section->depth++]));
		if (!cur_take(cur, '.'))
			return ERR_OK;
	}
	return parse_which(cur, section);
}

static enum err
parse_partial(struct imap_cursor *cur, struct imap_section *section)
{
	uint32_t at, len;

	TRY(cur_number(cur, &at));
	TRY(cur_byte(cur, '.'));
	TRY(cur_nz_number(cur, &len));
	section->has_partial = true;
	section->partial_at = at;
	section->partial_len = len;
	return cur_take(cur, '>') ? ERR_OK : cur_fail(cur, "expected >");
}

/* The answer's name of the section: names of fields as the client wrote them, only the origin of a partial. */
static struct str
print_name(const struct imap_section *section, struct arena *arena)
{
	static const char *const WHICH[] = { "", "HEADER", "TEXT", "MIME" };
	struct buffer out = { 0 };
	struct str name;

	buffer_add(&out, STR("BODY["));
	for (size_t i = 0; i < section->depth; i++)
		buffer_printf(&out, "%s%u", i ? "." : "", section->path[i]);
	if (section->depth > 0 && section->which != MAIL_SECTION_ALL)
		buffer_add_byte(&out, '.');
	buffer_add(&out, str_c(WHICH[section->which]));
	if (section->has_fields) {
		buffer_add(&out, section->is_not ? STR(".FIELDS.NOT (") : STR(".FIELDS ("));
		for (size_t i = 0; i < section->field_count; i++) {
			if (i > 0)
				buffer_add_byte(&out, ' ');
			imap_print_astring(section->fields[i], &out);
		}
		buffer_add_byte(&out, ')');
	}
	buffer_add_byte(&out, ']');
	if (section->has_partial)
		buffer_printf(&out, "<%llu>", (unsigned long long)section->partial_at);
	name = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return name;
}

enum err
imap_section_parse(struct imap_cursor *cur, struct imap_fetch_item *item)
{
	struct imap_section *section = ARENA_NEW(cur->arena, struct imap_section);

	TRY(cur_byte(cur, '['));
	TRY(parse_spec(cur, section));
	TRY(cur_byte(cur, ']'));
	if (cur_take(cur, '<'))
		TRY(parse_partial(cur, section));
	section->name = print_name(section, cur->arena);
	item->section = section;
	item->needs = IMAP_NEEDS_PARTS | (section->has_fields && section->depth == 0 ? IMAP_NEEDS_FIELDS : 0);
	return ERR_OK;
}

struct imap_section *
imap_section_named(struct arena *arena, const char *name, enum mail_section which)
{
	struct imap_section *section = ARENA_NEW(arena, struct imap_section);

	section->which = which;
	section->name = str_c(name);
	return section;
}

/* ---- finding: a section is some bytes in memory, then a range of the blob */

struct source {
	struct str head;
	uint64_t offset, len;
};

/* The filtered header. That of the message itself mostly needs no blob: the common fields are in its row. */
static enum err
filter_header(struct imap_fetch *fetch, const struct imap_section *section, const struct mail_range *range, struct source *ret)
{
	const MetadataFetchReply__Row *wide = fetch->wide;
	const MetadataMail *mail = wide->mail;
	bool is_covered = section->depth == 0 && !section->is_not && mail->fields_complete
	    && mail_fields_cover_all(section->fields, section->field_count, mail->parser_version);
	struct str header = wire_str(mail->fields);
	struct buffer out = { 0 };

	if (!is_covered) {
		uint64_t len = range->len < HEADER_BYTES_MAX ? range->len : HEADER_BYTES_MAX;

		TRY(blob_read(fetch->cmd->call, wire_str(mail->blob), range->offset, (size_t)len, fetch->arena, &header));
		if (header.len < len)
			return ERR_CORRUPT;
	}
	if (range->has_prefix)
		mail_header_filter(wire_str(wide->prefix), section->fields, section->field_count, section->is_not, &out);
	mail_header_filter(header, section->fields, section->field_count, section->is_not, &out);
	mail_header_end(&out);
	*ret = (struct source){ arena_copy(fetch->arena, buffer_str(&out)), 0, 0 };
	buffer_clear(&out);
	return ERR_OK;
}

static enum err
find_source(struct imap_fetch *fetch, const MetadataFetchReply__Row *row, const struct imap_section *section, struct source *ret)
{
	struct mail_range range;

	TRY(mail_parts_find(wire_str(row->mail->parts), section->path, section->depth, section->which, &range));
	if (section->has_fields)
		return filter_header(fetch, section, &range, ret);
	*ret = (struct source){ range.has_prefix ? wire_str(row->prefix) : STR_NONE, range.offset, range.len };
	return ERR_OK;
}

/* <a.b> of the two joined. */
static void
cut_source(const struct imap_section *section, struct source *source)
{
	uint64_t at = section->partial_at, len = section->partial_len, skip;

	if (!section->has_partial)
		return;
	skip = at < source->head.len ? at : source->head.len;
	source->head = str_sub(source->head, (size_t)skip, len < SIZE_MAX ? (size_t)len : SIZE_MAX);
	at -= skip;
	len -= source->head.len;
	at = at < source->len ? at : source->len;
	source->offset += at;
	source->len -= at;
	source->len = len < source->len ? len : source->len;
}

bool
imap_section_range(const MetadataFetchReply__Row *row, const struct imap_section *section, uint64_t *ret_offset, uint64_t *ret_len)
{
	struct source source;

	if (section->has_fields || find_source(NULL, row, section, &source) != ERR_OK)
		return false;
	cut_source(section, &source);
	*ret_offset = source.offset;
	*ret_len = source.len;
	return source.len > 0;
}

/* ---- streaming */

void
imap_fetch_flush(struct imap_fetch *fetch)
{
	int64_t start_us;

	if (buffer_len(fetch->out) < COMMIT_BYTES)
		return;
	start_us = clock_mono_us();
	fetch->is_committed = true;
	net_write(fetch->cmd->session->conn, buffer_str(fetch->out));
	buffer_reset(fetch->out);
	fetch->cmd->client_us += clock_mono_us() - start_us;
}

/* The first of the section's bytes, and where the others are, which may be `own`. What failed when it was read early is read again. */
static enum err
first_piece(struct imap_fetch *fetch, const struct imap_section *section, const struct source *source, struct blob_reader *own,
    struct blob_reader **ret_in, struct str *ret_piece)
{
	struct blob_reader *in = imap_ahead_take(fetch->ahead, fetch->row->uid, section);
	enum err err = in ? blob_reader_next(in, ret_piece) : ERR_OK;

	if (in && err != ERR_OK && fetch->ahead->is_early) {
		imap_ahead_give(fetch->ahead, in);
		in = NULL;
	}
	*ret_in = in ? in : own;
	if (in)
		return err;
	blob_reader_begin(own, fetch->cmd->call, wire_str(fetch->wide->mail->blob), source->offset, source->len);
	return source->len > 0 ? blob_reader_next(own, ret_piece) : ERR_OK;
}

/*
 * The literal. Its length is announced before its bytes, so the first piece is read before that: a body that cannot be read is never
 * answered as an empty one. What fails later ends the connection.
 */
static enum err
print_literal(struct imap_fetch *fetch, const struct imap_section *section, const struct source *source)
{
	uint64_t left = source->len;
	struct blob_reader own, *in;
	struct str piece = STR_NONE;
	enum err err = first_piece(fetch, section, source, &own, &in, &piece);

	if (err == ERR_OK && source->head.len + source->len == 0) {
		buffer_printf(fetch->out, "%.*s \"\"", STR_ARG(section->name));
	} else if (err == ERR_OK) {
		buffer_printf(fetch->out, "%.*s {%llu}\r\n", STR_ARG(section->name), (unsigned long long)(source->head.len + source->len));
		buffer_add(fetch->out, source->head);
	}
	while (err == ERR_OK && left > 0) {
		if (piece.len == 0 || piece.len > left) {
			err = ERR_CORRUPT;
			break;
		}
		buffer_add(fetch->out, piece);
		imap_fetch_flush(fetch);
		left -= piece.len;
		if (left > 0)
			err = blob_reader_next(in, &piece);
	}
	imap_ahead_give(fetch->ahead, in);
	return err;
}

enum err
imap_section_print(struct imap_fetch *fetch, const struct imap_fetch_item *item)
{
	struct source source;
	enum err err = find_source(fetch, fetch->wide, item->section, &source);

	if (err == ERR_NONEXISTENT) {
		buffer_printf(fetch->out, "%.*s NIL", STR_ARG(item->section->name));
		return ERR_OK;
	}
	TRY(err);
	cut_source(item->section, &source);
	return print_literal(fetch, item->section, &source);
}
