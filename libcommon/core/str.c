/* Views of bytes. */
#include "libcommon/core/str.h"

int
str_compare(struct str a, struct str b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

bool
str_equal_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
			return false;
	return true;
}

bool
str_starts_with(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_equal(str_from(s.ptr, prefix.len), prefix);
}

bool
str_starts_with_nocase(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_equal_nocase(str_from(s.ptr, prefix.len), prefix);
}

bool
str_ends_with(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_equal(str_sub(s, s.len - suffix.len, SIZE_MAX), suffix);
}

size_t
str_index(struct str s, char byte)
{
	const char *at = s.len ? memchr(s.ptr, byte, s.len) : NULL;

	return at ? (size_t)(at - s.ptr) : s.len;
}

size_t
str_rindex(struct str s, char byte)
{
	for (size_t i = s.len; i > 0; i--)
		if (s.ptr[i - 1] == byte)
			return i - 1;
	return s.len;
}

size_t
str_find(struct str s, struct str needle)
{
	if (needle.len == 0)
		return 0;
	for (size_t i = 0; i + needle.len <= s.len; i++) {
		i += str_index(str_sub(s, i, SIZE_MAX), needle.ptr[0]);
		if (i + needle.len > s.len)
			break;
		if (memcmp(s.ptr + i, needle.ptr, needle.len) == 0)
			return i;
	}
	return s.len;
}

size_t
str_find_nocase(struct str s, struct str needle)
{
	for (size_t i = 0; i + needle.len <= s.len; i++)
		if (str_equal_nocase(str_from(s.ptr + i, needle.len), needle))
			return i;
	return s.len;
}

struct str
str_sub(struct str s, size_t from, size_t len)
{
	if (from > s.len)
		from = s.len;
	if (len > s.len - from)
		len = s.len - from;
	return (struct str){ s.ptr ? s.ptr + from : NULL, len };
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
	while (s.len > 0 && is_space(s.ptr[0]))
		s = str_sub(s, 1, SIZE_MAX);
	while (s.len > 0 && is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool
str_split(struct str *rest, char byte, struct str *ret_part)
{
	size_t at;

	if (rest->ptr == NULL)
		return false;
	at = str_index(*rest, byte);
	*ret_part = str_from(rest->ptr, at);
	*rest = at == rest->len ? STR_NONE : str_sub(*rest, at + 1, SIZE_MAX);
	return true;
}

bool
str_to_u64(struct str s, uint64_t *ret)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint64_t digit = (uint64_t)(unsigned char)s.ptr[i] - '0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return true;
}

bool
str_to_u32(struct str s, uint32_t *ret)
{
	uint64_t value;

	if (!str_to_u64(s, &value) || value > UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

/* The length of the UTF-8 sequence at `p` (RFC 3629 s. 4), or 0 if it is none. */
static size_t
utf8_sequence(const unsigned char *p, size_t left)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (len == 0 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool
str_is_utf8(struct str s)
{
	for (size_t i = 0; i < s.len;) {
		size_t len = utf8_sequence((const unsigned char *)s.ptr + i, s.len - i);

		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

uint64_t
str_hash(struct str s)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < s.len; i++)
		hash = (hash ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
	return hash;
}
