/* Text in any charset to UTF-8. */
#include "libcommon/mail/charset.h"

#include <errno.h>
#include <iconv.h>
#include <utf8proc.h>

#include "libcommon/mail/unicode.h"

enum kind {
	KIND_UTF8,  /* what is none becomes U+FFFD */
	KIND_GUESS, /* what is none is Latin-1 */
	KIND_ICONV,
	KIND_ICONV_WIDE, /* two bytes are skipped where nothing fits */
};

/* What mail calls by one name and means by another. */
static const struct {
	const char *name;
	enum kind kind;
	const char *iconv;
} aliases[] = {
	{ "utf-8", KIND_UTF8, NULL },
	{ "utf8", KIND_UTF8, NULL },
	{ "", KIND_GUESS, NULL },
	{ "us-ascii", KIND_GUESS, NULL },
	{ "ascii", KIND_GUESS, NULL },
	{ "ansi_x3.4-1968", KIND_GUESS, NULL },
	{ "unknown-8bit", KIND_GUESS, NULL }, /* RFC 1428 */
	{ "x-unknown", KIND_GUESS, NULL },
	{ "gb2312", KIND_ICONV, "GB18030" },
	{ "gbk", KIND_ICONV, "GB18030" },
	{ "ks_c_5601-1987", KIND_ICONV, "UHC" },
	{ "euc-kr", KIND_ICONV, "UHC" },
	{ "shift_jis", KIND_ICONV, "CP932" },
	{ "x-sjis", KIND_ICONV, "CP932" },
	{ "iso-2022-jp", KIND_ICONV, "ISO-2022-JP-3" },
	{ "iso-8859-8-i", KIND_ICONV, "ISO-8859-8" },
	{ "iso-8859-8-e", KIND_ICONV, "ISO-8859-8" },
	{ "utf-16", KIND_ICONV_WIDE, "UTF-16" },
	{ "utf-16le", KIND_ICONV_WIDE, "UTF-16LE" },
	{ "utf-16be", KIND_ICONV_WIDE, "UTF-16BE" },
};

/* Names as IANA has them; none of iconv's suffixes, and not its names for what depends on the locale. */
static bool
is_charset_name(struct str name)
{
	if (name.len == 0 || name.len > MAIL_CHARSET_NAME_MAX || str_equal_nocase(name, STR("char")) ||
	    str_equal_nocase(name, STR("wchar_t")) || str_equal_nocase(name, STR("internal")))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.ptr[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && memchr("-_.:+()", c, 7) == NULL)
			return false;
	}
	return true;
}

bool
mail_charset_open(struct mail_charset *cs, struct str name)
{
	struct mail_charset opened = { .kind = KIND_ICONV };
	char cname[MAIL_CHARSET_NAME_MAX + 1] = { 0 };
	const char *from = cname;
	iconv_t cd;

	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (!str_equal_nocase(name, str_c(aliases[i].name)))
			continue;
		opened.kind = (int)aliases[i].kind;
		from = aliases[i].iconv;
	}
	if (from == NULL) {
		*cs = opened;
		return true;
	}
	if (!is_charset_name(name))
		return false;
	memcpy(cname, name.ptr, name.len);
	cd = iconv_open("UTF-8", from);
	if (cd == (iconv_t)-1) /* NOLINT: iconv's own idea of an error */
		return false;
	opened.iconv = cd;
	*cs = opened;
	return true;
}

static size_t
ascii_len(struct str s)
{
	size_t len = 0;

	while (len < s.len && (unsigned char)s.ptr[len] < 0x80)
		len++;
	return len;
}

/* Is `s` the beginning of a character whose end is missing? */
static bool
is_unfinished(struct str s)
{
	unsigned char lead = (unsigned char)s.ptr[0];
	size_t need = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;

	if (s.len >= need || lead >= 0xf5)
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (((unsigned char)s.ptr[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* Append what of `s` is UTF-8, and what stands for the rest; returns how much was taken. */
static size_t
take_utf8(struct str s, bool is_guess, bool is_last, struct buffer *out)
{
	size_t at = 0;

	while (at < s.len) {
		struct str rest = str_sub(s, at, SIZE_MAX);
		size_t ascii = ascii_len(rest);
		int32_t c;
		utf8proc_ssize_t len;

		buffer_add(out, str_sub(rest, 0, ascii));
		at += ascii;
		rest = str_sub(s, at, SIZE_MAX);
		if (rest.len == 0)
			break;
		if (!is_last && is_unfinished(rest))
			break;
		len = utf8proc_iterate((const utf8proc_uint8_t *)rest.ptr, (utf8proc_ssize_t)rest.len, &c);
		if (len > 0)
			buffer_add(out, str_sub(rest, 0, (size_t)len));
		else
			mail_add_code_point(is_guess ? (unsigned char)rest.ptr[0] : 0xfffd, out);
		at += len > 0 ? (size_t)len : 1;
	}
	return at;
}

/* One call of iconv, with room enough for anything but expansion; returns its errno, or 0. */
static int
iconv_step(struct mail_charset *cs, struct buffer *out)
{
	char *from = cs->pending.bytes + cs->pending.start;
	size_t from_left = buffer_len(&cs->pending), to_left = from_left * 2 + 64, room = to_left;
	char *to = buffer_reserve(out, room);
	int error = iconv(cs->iconv, &from, &from_left, &to, &to_left) == (size_t)-1 ? errno : 0;

	buffer_grew(out, room - to_left);
	buffer_consume(&cs->pending, buffer_len(&cs->pending) - from_left);
	return error;
}

static void
take_iconv(struct mail_charset *cs, bool is_last, struct buffer *out)
{
	while (buffer_len(&cs->pending) > 0) {
		int error = iconv_step(cs, out);

		if (error == E2BIG || error == 0)
			continue;
		if (error == EINVAL && !is_last)
			return;
		mail_add_code_point(0xfffd, out);
		buffer_consume(&cs->pending, cs->kind == KIND_ICONV_WIDE ? 2 : 1);
	}
}

/* A shift that is left open, or a combining mark that was held back. */
static void
flush_iconv(struct mail_charset *cs, struct buffer *out)
{
	char *to = buffer_reserve(out, 64);
	size_t to_left = 64;

	if (iconv(cs->iconv, NULL, NULL, &to, &to_left) != (size_t)-1)
		buffer_grew(out, 64 - to_left);
}

void
mail_charset_convert(struct mail_charset *cs, struct str bytes, bool is_last, struct buffer *out)
{
	if (cs->iconv == NULL && buffer_len(&cs->pending) == 0) {
		size_t taken = take_utf8(bytes, cs->kind == KIND_GUESS, is_last, out);

		buffer_add(&cs->pending, str_sub(bytes, taken, SIZE_MAX));
		return;
	}
	buffer_add(&cs->pending, bytes);
	if (cs->iconv == NULL) {
		buffer_consume(&cs->pending, take_utf8(buffer_str(&cs->pending), cs->kind == KIND_GUESS, is_last, out));
		return;
	}
	take_iconv(cs, is_last, out);
	if (is_last)
		flush_iconv(cs, out);
}

void
mail_charset_close(struct mail_charset *cs)
{
	if (cs->iconv != NULL)
		iconv_close(cs->iconv);
	cs->iconv = NULL;
	buffer_clear(&cs->pending);
}

bool
mail_charset_is_known(struct str name)
{
	struct mail_charset cs;

	if (name.len == 0 || !mail_charset_open(&cs, name))
		return false;
	mail_charset_close(&cs);
	return true;
}

bool
mail_charset_to_utf8(struct str name, struct str bytes, struct arena *arena, struct str *ret_utf8)
{
	struct mail_charset cs;
	struct buffer utf8 = { 0 };

	if (!mail_charset_open(&cs, name))
		return false;
	mail_charset_convert(&cs, bytes, true, &utf8);
	mail_charset_close(&cs);
	*ret_utf8 = arena_copy(arena, buffer_str(&utf8));
	buffer_clear(&utf8);
	return true;
}
