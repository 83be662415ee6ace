/* Headers for those who understand only ASCII. */
#include "libcommon/mail/downgrade.h"

#include "libcommon/crypto/encode.h"
#include "libcommon/mail/address.h"
#include "libcommon/mail/header.h"

/* RFC 2047 s. 2: an encoded word has 75 characters at most. */
enum { WORD_BYTES = 45 };

bool
mail_is_ascii(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] >= 0x80)
			return false;
	return true;
}

/* UTF-8 as encoded words, a line each; no character is split (RFC 2047 s. 5). */
static void
add_words(struct buffer *out, struct str text, struct arena *arena)
{
	while (text.len > 0) {
		size_t len = text.len < WORD_BYTES ? text.len : WORD_BYTES;

		while (len < text.len && len > 1 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
			len--;
		buffer_printf(out, "=?utf-8?B?%.*s?=", STR_ARG(base64_encode(arena, str_sub(text, 0, len))));
		text = str_sub(text, len, SIZE_MAX);
		if (text.len > 0)
			buffer_add(out, STR("\r\n "));
	}
}

static void
subject(const struct mail_field *field, struct arena *arena, struct buffer *out)
{
	buffer_printf(out, "%.*s: ", STR_ARG(field->name));
	add_words(out, mail_decode_words(field->value, arena), arena);
	buffer_add(out, STR("\r\n"));
}

/* RFC 6858 s. 2.1: what is no ASCII is shown in the name of an address that belongs to nobody. */
static void
add_address(struct buffer *out, const struct mail_address *address, struct arena *arena)
{
	struct str real = mail_address_print(address->local, address->domain, arena);
	struct str name = mail_decode_words(address->name, arena);

	if (!mail_is_ascii(real)) {
		add_words(out, name.len > 0 ? arena_printf(arena, "%.*s (%.*s)", STR_ARG(name), STR_ARG(mail_decode_words(real, arena)))
		    : mail_decode_words(real, arena), arena);
		buffer_add(out, STR(" <invalid@internationalized-address.invalid>"));
		return;
	}
	if (name.len > 0) {
		add_words(out, name, arena);
		buffer_add_byte(out, ' ');
	}
	buffer_printf(out, "<%.*s>", STR_ARG(real));
}

static void
addresses(const struct mail_field *field, struct arena *arena, struct buffer *out)
{
	struct mail_address_list list;
	const char *between = "";

	mail_address_list_parse(field->value, arena, &list);
	buffer_printf(out, "%.*s: ", STR_ARG(field->name));
	for (size_t i = 0; i < list.count; i++) {
		/* Of a group, its members. */
		if (list.entries[i].kind != MAIL_ADDRESS)
			continue;
		buffer_printf(out, "%s", between);
		add_address(out, &list.entries[i], arena);
		between = ",\r\n ";
	}
	buffer_add(out, STR("\r\n"));
}

/* RFC 6858 s. 2.2: parameters that can not be shown are left out. */
static void
mime(const struct mail_field *field, struct arena *arena, struct buffer *out)
{
	struct str text = mail_unfold(field->value, arena);
	bool is_quoted = false;
	size_t begin = 0;

	buffer_printf(out, "%.*s: ", STR_ARG(field->name));
	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && text.ptr[i] == '"')
			is_quoted = !is_quoted;
		if (i < text.len && text.ptr[i] == '\\')
			i++;
		if (i < text.len && (is_quoted || text.ptr[i] != ';'))
			continue;
		if (mail_is_ascii(str_sub(text, begin, i - begin)))
			buffer_printf(out, "%s%.*s", begin > 0 ? ";" : "", STR_ARG(str_sub(text, begin, i - begin)));
		begin = i + 1;
	}
	buffer_add(out, STR("\r\n"));
}

static const struct {
	const char *name;
	void (*print)(const struct mail_field *field, struct arena *arena, struct buffer *out);
} rows[] = {
	{ "Subject", subject },
	{ "From", addresses }, { "Sender", addresses }, { "Reply-To", addresses }, { "To", addresses }, { "Cc", addresses },
	{ "Bcc", addresses }, { "Return-Path", addresses }, { "Resent-From", addresses }, { "Resent-Sender", addresses },
	{ "Resent-To", addresses }, { "Resent-Cc", addresses }, { "Resent-Bcc", addresses },
	{ "Content-Type", mime }, { "Content-Disposition", mime },
};

void
mail_downgrade_header(struct str header, struct buffer *out)
{
	struct arena arena = { 0 };
	struct mail_field field;

	while (mail_header_next(&header, &field)) {
		if (mail_is_ascii(field.raw)) {
			buffer_add(out, field.raw);
			continue;
		}
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			if (str_equal_nocase(field.name, str_c(rows[i].name)))
				rows[i].print(&field, &arena, out);
		arena_reset(&arena);
	}
	arena_clear(&arena);
}
