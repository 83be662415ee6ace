/* Case folding and normalisation: what SEARCH compares, and what mailboxes are called. */
#include "libcommon/mail/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "libcommon/mail/charset.h"

enum { DECOMPOSED_MAX = 32 };

void
mail_add_code_point(int32_t c, struct buffer *out)
{
	unsigned char utf8[4];

	buffer_add(out, str_from(utf8, (size_t)utf8proc_encode_char(c, utf8)));
}

static size_t
fold_ascii(struct str s, struct buffer *out)
{
	char *to = buffer_reserve(out, s.len);
	size_t len = 0;

	while (len < s.len && (unsigned char)s.ptr[len] < 0x80) {
		to[len] = ascii_lower(s.ptr[len]);
		len++;
	}
	buffer_grew(out, len);
	return len;
}

void
mail_fold(struct str utf8, struct buffer *out)
{
	const utf8proc_option_t options = UTF8PROC_CASEFOLD | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE;

	for (;;) {
		int32_t c, decomposed[DECOMPOSED_MAX];
		utf8proc_ssize_t len, count;
		int boundary = 0;

		utf8 = str_sub(utf8, fold_ascii(utf8, out), SIZE_MAX);
		if (utf8.len == 0)
			return;
		len = utf8proc_iterate((const utf8proc_uint8_t *)utf8.ptr, (utf8proc_ssize_t)utf8.len, &c);
		if (len <= 0)
			c = 0xfffd;
		count = utf8proc_decompose_char(c, decomposed, DECOMPOSED_MAX, options, &boundary);
		for (utf8proc_ssize_t i = 0; i < count && i < DECOMPOSED_MAX; i++)
			mail_add_code_point(decomposed[i], out);
		utf8 = str_sub(utf8, len > 0 ? (size_t)len : 1, SIZE_MAX);
	}
}

enum err
mail_nfc(struct str utf8, struct arena *arena, struct str *ret_nfc)
{
	utf8proc_uint8_t *composed = NULL;
	utf8proc_ssize_t len;

	if (!str_is_utf8(utf8))
		return ERR_SYNTAX;
	if (utf8.len == 0) {
		*ret_nfc = STR("");
		return ERR_OK;
	}
	len = utf8proc_map((const utf8proc_uint8_t *)utf8.ptr, (utf8proc_ssize_t)utf8.len, &composed,
	    UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	if (len < 0)
		return ERR_SYNTAX;
	*ret_nfc = arena_copy(arena, str_from(composed, (size_t)len));
	free(composed);
	return ERR_OK;
}

/* C0, DEL, C1, and the separators that RFC 5198 s. 2 and RFC 9051 s. 5.1 forbid. */
static bool
has_control(struct str utf8)
{
	for (size_t i = 0; i < utf8.len; i++) {
		unsigned char c = (unsigned char)utf8.ptr[i];
		struct str rest = str_sub(utf8, i, SIZE_MAX);

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && rest.len > 1 && (unsigned char)rest.ptr[1] < 0xa0) ||
		    str_starts_with(rest, STR("\xe2\x80\xa8")) || str_starts_with(rest, STR("\xe2\x80\xa9")))
			return true;
	}
	return false;
}

static bool
are_levels_valid(struct str name)
{
	struct str rest = name, level;

	while (str_split(&rest, '/', &level))
		if (level.len == 0 || level.len > MAIL_MAILBOX_LEVEL_MAX || str_equal(level, STR(".")) ||
		    str_equal(level, STR("..")))
			return false;
	return name.len > 0 && name.ptr[name.len - 1] != '/';
}

enum err
mail_mailbox_name(struct str utf8, struct arena *arena, struct str *ret_name)
{
	struct str name, first;

	if (utf8.len == 0 || utf8.len > MAIL_MAILBOX_NAME_MAX || has_control(utf8) || mail_nfc(utf8, arena, &name) != ERR_OK ||
	    name.len > MAIL_MAILBOX_NAME_MAX || !are_levels_valid(name))
		return ERR_INVALID;
	first = str_sub(name, 0, str_index(name, '/'));
	if (str_equal_nocase(first, STR("INBOX")))
		name = arena_printf(arena, "INBOX%.*s", STR_ARG(str_sub(name, first.len, SIZE_MAX)));
	*ret_name = name;
	return ERR_OK;
}
