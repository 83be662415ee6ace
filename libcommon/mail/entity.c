/* The entities of a message: what is open, what their headers say, where they end. */
#include "libcommon/mail/entity.h"

#include <stddef.h>

#include "libcommon/mail/content.h"
#include "libcommon/mail/decode.h"
#include "libcommon/mail/derive.h"
#include "libcommon/mail/fields.h"
#include "libcommon/mail/header.h"

static const struct mail_param default_params[] = { { { "CHARSET", 7 }, { "US-ASCII", 8 } } };

/*
 * Parts
 */

void
mail_entity_open(struct mail_parser *p, struct mail_part *part, uint64_t offset)
{
	struct mail_part *parent = p->depth > 0 ? mail_entity_innermost(p)->part : NULL;

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

struct mail_part *
mail_entity_new(struct mail_parser *p, bool is_message)
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

void
mail_entity_close(struct mail_parser *p, uint64_t end, uint64_t lines)
{
	struct mail_open *open = mail_entity_innermost(p);
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

/* Keep the raw field among the common ones, all of it or nothing: one that was cut (MAIL_FIELD_MAX) does not fit. */
static void
keep_common(struct mail_parser *p, const struct mail_field *field)
{
	if (!mail_fields_covers(field->name, MAIL_DERIVE_VERSION))
		return;
	if (buffer_len(&p->fields) + field->raw.len > MAIL_FIELDS_MAX)
		p->message.is_fields_cut = true;
	else
		buffer_add(&p->fields, field->raw);
}

static void
look_at_field(struct mail_parser *p, const struct mail_field *field)
{
	struct mail_part *part = mail_entity_innermost(p)->part;

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
		if (mail_entity_innermost(p)->part == p->message.root)
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

void
mail_entity_end_header(struct mail_parser *p, uint64_t offset)
{
	struct mail_open *open = mail_entity_innermost(p);
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
	inside = mail_entity_new(p, true);
	if (inside != NULL) {
		mail_entity_open(p, inside, offset);
	} else {
		part->kind = MAIL_LEAF;
		set_opaque(part);
	}
}

void
mail_entity_header_line(struct mail_parser *p, struct str line, struct str text, uint64_t len)
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
