/* Names of mailboxes, scripts and addresses: how they are compared and what may be one. */
#include "services/metadata/name.h"

#include <utf8proc.h>

enum { LEVEL_MAX = 255, NAME_MAX_BYTES = 1000, ADDRESS_MAX = 512, SCRIPT_NAME_MAX = 512 };

struct str
mailbox_name(struct arena *arena, struct str name)
{
	struct str inbox = STR("INBOX");
	struct str first = str_sub(name, 0, str_index(name, '/'));

	if (!str_equal_nocase(first, inbox) || str_equal(first, inbox))
		return name;
	return arena_printf(arena, "INBOX%.*s", STR_ARG(str_sub(name, inbox.len, SIZE_MAX)));
}

static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c < 0x20 || c == 0x7f)
			return true;
		/* U+0080 to U+009F */
		if (c == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0)
			return true;
	}
	return false;
}

enum err
mailbox_name_new(struct arena *arena, struct str name, struct str *ret)
{
	static const char *const reserved[] = { "Other Users", "Shared" };
	struct str rest, level;

	if (name.len > 1 && name.ptr[name.len - 1] == '/')
		name.len--;
	if (name.len == 0 || name.len > NAME_MAX_BYTES || !str_is_utf8(name) || has_control(name))
		return ERR_INVALID;
	for (rest = name; str_split(&rest, '/', &level);)
		if (level.len == 0 || level.len > LEVEL_MAX)
			return ERR_INVALID;
	level = str_sub(name, 0, str_index(name, '/'));
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (str_equal(level, str_c(reserved[i])))
			return ERR_CANNOT;
	*ret = mailbox_name(arena, name);
	return ERR_OK;
}

enum err
script_name(struct arena *arena, struct str name, struct str *ret)
{
	static const char *const line_separator = "\xe2\x80\xa8", *const paragraph_separator = "\xe2\x80\xa9";
	utf8proc_uint8_t *normal = NULL;
	utf8proc_ssize_t len;

	if (name.len == 0 || name.len > SCRIPT_NAME_MAX || has_control(name) || str_starts_with(name, STR("\xef\xbb\xbf")) ||
	    str_find(name, str_c(line_separator)) < name.len || str_find(name, str_c(paragraph_separator)) < name.len)
		return ERR_INVALID;
	len = utf8proc_map((const utf8proc_uint8_t *)name.ptr, (utf8proc_ssize_t)name.len, &normal,
	    UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_REJECTNA);
	if (len < 0)
		return ERR_INVALID;
	*ret = arena_copy(arena, str_from(normal, (size_t)len));
	free(normal);
	return ERR_OK;
}

enum err
address_fold(struct arena *arena, struct str address, struct str *ret)
{
	size_t at = str_rindex(address, '@');
	utf8proc_uint8_t *folded = NULL;
	utf8proc_ssize_t len;

	if (address.len > ADDRESS_MAX || at == 0 || at + 1 >= address.len || has_control(address) ||
	    str_index(address, ' ') < address.len)
		return ERR_INVALID;
	len = utf8proc_map((const utf8proc_uint8_t *)address.ptr, (utf8proc_ssize_t)address.len, &folded,
	    UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
	if (len < 0)
		return ERR_INVALID;
	*ret = arena_copy(arena, str_from(folded, (size_t)len));
	free(folded);
	return ERR_OK;
}

bool
address_without_detail(struct arena *arena, struct str address, struct str separator, struct str *ret)
{
	struct str local = str_sub(address, 0, str_rindex(address, '@'));
	size_t at = separator.len > 0 ? str_find(local, separator) : local.len;

	if (at == 0 || at >= local.len)
		return false;
	*ret = arena_printf(arena, "%.*s%.*s", (int)at, local.ptr, STR_ARG(str_sub(address, local.len, SIZE_MAX)));
	return true;
}
