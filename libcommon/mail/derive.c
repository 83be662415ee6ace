/* ENVELOPE, BODYSTRUCTURE, BODY and the other derived columns. */
#include "libcommon/mail/derive.h"

#include <inttypes.h>

#include "libcommon/mail/address.h"
#include "libcommon/mail/header.h"
#include "libcommon/mail/parts.h"

/* May `s` stand between quotes? RFC 3501 s. 9: TEXT-CHAR is 7-bit without CR and LF. */
static bool
is_quotable(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return true;
}

/* NUL left out, CR and LF made blanks. */
static void
add_text_char(char c, struct buffer *out)
{
	if (c != '\0')
		buffer_add_byte(out, c == '\r' || c == '\n' ? ' ' : c);
}

static size_t
count_nuls(struct str s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += s.ptr[i] == '\0';
	return count;
}

static void
print_string(struct str s, struct buffer *out)
{
	bool is_quoted = is_quotable(s);

	if (is_quoted)
		buffer_add_byte(out, '"');
	else
		buffer_printf(out, "{%zu}\r\n", s.len - count_nuls(s));
	for (size_t i = 0; i < s.len; i++) {
		if (is_quoted && (s.ptr[i] == '"' || s.ptr[i] == '\\'))
			buffer_add_byte(out, '\\');
		add_text_char(s.ptr[i], out);
	}
	if (is_quoted)
		buffer_add_byte(out, '"');
}

void
mail_print_nstring(struct str s, struct buffer *out)
{
	if (s.ptr == NULL)
		buffer_add(out, STR("NIL"));
	else
		print_string(s, out);
}

/*
 * ENVELOPE
 */

/* RFC 3501 s. 7.4.2: (name adl mailbox host); a group begins with a NIL host and ends with all NIL. */
static void
print_address(const struct mail_address *address, struct buffer *out)
{
	if (address->kind == MAIL_GROUP_END) {
		buffer_add(out, STR("(NIL NIL NIL NIL)"));
		return;
	}
	buffer_add_byte(out, '(');
	mail_print_nstring(address->name, out);
	buffer_add_byte(out, ' ');
	mail_print_nstring(address->route, out);
	buffer_add_byte(out, ' ');
	print_string(address->local, out);
	buffer_add_byte(out, ' ');
	if (address->kind == MAIL_GROUP_START)
		buffer_add(out, STR("NIL"));
	else
		print_string(address->domain, out);
	buffer_add_byte(out, ')');
}

/* NIL when there is no field, or no address in it. */
static void
print_addresses(struct str value, struct buffer *out)
{
	struct arena arena = { 0 };
	struct mail_address_list list;

	mail_address_list_parse(value, &arena, &list);
	if (list.count == 0) {
		buffer_add(out, STR("NIL"));
	} else {
		buffer_add_byte(out, '(');
		for (size_t i = 0; i < list.count; i++)
			print_address(&list.entries[i], out);
		buffer_add_byte(out, ')');
	}
	arena_clear(&arena);
}

/* Sender and Reply-To are From's when they are not there or empty. */
static struct str
or_from(struct str value, struct str from)
{
	return str_trim(value).len > 0 ? value : from;
}

void
mail_print_envelope(const struct mail_envelope *envelope, struct buffer *out)
{
	const struct str lists[] = { envelope->from, or_from(envelope->sender, envelope->from),
		or_from(envelope->reply_to, envelope->from), envelope->to, envelope->cc, envelope->bcc };

	buffer_add_byte(out, '(');
	mail_print_nstring(envelope->date, out);
	buffer_add_byte(out, ' ');
	mail_print_nstring(envelope->subject, out);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		buffer_add_byte(out, ' ');
		print_addresses(lists[i], out);
	}
	buffer_add_byte(out, ' ');
	mail_print_nstring(envelope->in_reply_to, out);
	buffer_add_byte(out, ' ');
	mail_print_nstring(envelope->message_id, out);
	buffer_add_byte(out, ')');
}

/*
 * BODY and BODYSTRUCTURE
 */

static void
print_params(const struct mail_param *params, size_t count, struct buffer *out)
{
	if (count == 0) {
		buffer_add(out, STR("NIL"));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		buffer_add_byte(out, i == 0 ? '(' : ' ');
		print_string(params[i].name, out);
		buffer_add_byte(out, ' ');
		print_string(params[i].value, out);
	}
	buffer_add_byte(out, ')');
}

static void
print_languages(const struct mail_part *part, struct buffer *out)
{
	if (part->language_count < 2) {
		mail_print_nstring(part->language_count == 1 ? part->languages[0] : STR_NONE, out);
		return;
	}
	for (size_t i = 0; i < part->language_count; i++) {
		buffer_add_byte(out, i == 0 ? '(' : ' ');
		print_string(part->languages[i], out);
	}
	buffer_add_byte(out, ')');
}

/* What body-ext-1part and body-ext-mpart have in common: disposition, language, location. */
static void
print_extensions(const struct mail_part *part, struct buffer *out)
{
	if (part->disposition.ptr == NULL) {
		buffer_add(out, STR(" NIL "));
	} else {
		buffer_add(out, STR(" ("));
		print_string(part->disposition, out);
		buffer_add_byte(out, ' ');
		print_params(part->disposition_params, part->disposition_param_count, out);
		buffer_add(out, STR(") "));
	}
	print_languages(part, out);
	buffer_add_byte(out, ' ');
	mail_print_nstring(part->location, out);
}

/* No blank between the parts: Outlook on iOS would show an empty mail. */
static void
print_multipart(const struct mail_part *part, bool with_extensions, struct buffer *out)
{
	for (const struct mail_part *child = part->first_child; child != NULL; child = child->next)
		mail_print_body(child, with_extensions, out);
	buffer_add_byte(out, ' ');
	print_string(part->subtype, out);
	if (!with_extensions)
		return;
	buffer_add_byte(out, ' ');
	print_params(part->params, part->param_count, out);
	print_extensions(part, out);
}

static void
print_leaf(const struct mail_part *part, bool with_extensions, struct buffer *out)
{
	const struct mail_part *inside = part->first_child;

	print_string(part->type, out);
	buffer_add_byte(out, ' ');
	print_string(part->subtype, out);
	buffer_add_byte(out, ' ');
	print_params(part->params, part->param_count, out);
	buffer_add_byte(out, ' ');
	mail_print_nstring(part->id, out);
	buffer_add_byte(out, ' ');
	mail_print_nstring(part->description, out);
	buffer_add_byte(out, ' ');
	print_string(part->encoding, out);
	buffer_printf(out, " %" PRIu64, part->body_len);
	if (part->kind == MAIL_MESSAGE) {
		buffer_add_byte(out, ' ');
		mail_print_envelope(inside->envelope, out);
		buffer_add_byte(out, ' ');
		mail_print_body(inside, with_extensions, out);
	}
	if (part->kind == MAIL_MESSAGE || str_equal(part->type, STR("TEXT")))
		buffer_printf(out, " %" PRIu64, part->body_lines);
	if (!with_extensions)
		return;
	buffer_add_byte(out, ' ');
	mail_print_nstring(part->md5, out);
	print_extensions(part, out);
}

void
mail_print_body(const struct mail_part *part, bool with_extensions, struct buffer *out)
{
	buffer_add_byte(out, '(');
	if (part->kind == MAIL_MULTIPART)
		print_multipart(part, with_extensions, out);
	else
		print_leaf(part, with_extensions, out);
	buffer_add_byte(out, ')');
}

/*
 * Everything
 */

/* Move what is in `out` to the arena. */
static struct str
take(struct buffer *out, struct arena *arena)
{
	struct str copy = arena_copy(arena, buffer_str(out));

	buffer_reset(out);
	return copy;
}

/* At most `max` bytes of `utf8`, no character cut in two. */
static struct str
cut_utf8(struct str utf8, size_t max)
{
	if (utf8.len <= max)
		return utf8;
	while (max > 0 && ((unsigned char)utf8.ptr[max] & 0xc0) == 0x80)
		max--;
	return str_sub(utf8, 0, max);
}

void
mail_derive(const struct mail_message *message, struct arena *arena, struct mail_derived *ret_derived)
{
	const struct mail_envelope *envelope = message->root->envelope;
	struct mail_derived derived = { .parser_version = MAIL_DERIVE_VERSION, .size = message->size };
	struct buffer out = { 0 };

	mail_print_envelope(envelope, &out);
	derived.envelope = take(&out, arena);
	mail_print_body(message->root, true, &out);
	derived.bodystructure = take(&out, arena);
	mail_print_body(message->root, false, &out);
	derived.body = take(&out, arena);
	mail_parts_pack(message, &out);
	derived.parts = take(&out, arena);
	buffer_clear(&out);
	derived.fields = arena_copy(arena, message->fields);
	derived.is_fields_cut = message->is_fields_cut;
	derived.message_id = arena_copy(arena, envelope->message_id);
	derived.subject = cut_utf8(mail_decode_words(envelope->subject, arena), MAIL_SUBJECT_MAX);
	derived.has_sent = mail_date_parse(envelope->date, &derived.sent);
	*ret_derived = derived;
}
