/* Modified UTF-7, in which IMAP4rev1 writes the names of mailboxes.                                    RFC 3501 s. 5.1.3 */
#include <utf8proc.h>

#include "libcommon/mail/charset.h"
#include "libcommon/mail/unicode.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool
is_printable(int32_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* A stream of UTF-16 units. */
struct utf16 {
	int32_t high; /* the first half of a pair, or 0 */
	bool has_any;
};

/* The next unit; false when pairs are broken or it should have been written as itself. */
static bool
add_unit(struct utf16 *u, int32_t unit, struct buffer *out)
{
	bool is_low = unit >= 0xdc00 && unit <= 0xdfff;

	u->has_any = true;
	if (is_low != (u->high != 0))
		return false;
	if (unit >= 0xd800 && unit <= 0xdbff) {
		u->high = unit;
		return true;
	}
	if (is_low)
		unit = 0x10000 + ((u->high - 0xd800) << 10) + (unit - 0xdc00);
	u->high = 0;
	if (is_printable(unit) || unit == 0)
		return false;
	mail_add_code_point(unit, out);
	return true;
}

/* `base64`: what stands between "&" and "-". */
static bool
decode_shifted(struct str base64, struct buffer *out)
{
	struct utf16 units = { 0 };
	uint32_t bits = 0;
	unsigned count = 0;

	for (size_t i = 0; i < base64.len; i++) {
		const char *digit = memchr(alphabet, base64.ptr[i], 64);

		if (digit == NULL)
			return false;
		bits = (bits << 6) | (uint32_t)(digit - alphabet);
		count += 6;
		if (count < 16)
			continue;
		count -= 16;
		if (!add_unit(&units, (int32_t)(bits >> count & 0xffff), out))
			return false;
		bits &= (1u << count) - 1;
	}
	return units.has_any && units.high == 0 && count < 6 && bits == 0;
}

static bool
decode_into(struct str mutf7, struct buffer *out)
{
	for (size_t i = 0; i < mutf7.len; i++) {
		struct str shifted;

		if (!is_printable((unsigned char)mutf7.ptr[i]))
			return false;
		if (mutf7.ptr[i] != '&') {
			buffer_add_byte(out, mutf7.ptr[i]);
			continue;
		}
		shifted = str_sub(mutf7, i + 1, SIZE_MAX);
		shifted.len = str_index(shifted, '-');
		if (i + 1 + shifted.len == mutf7.len)
			return false;
		if (shifted.len == 0)
			buffer_add_byte(out, '&');
		else if (!decode_shifted(shifted, out))
			return false;
		i += 1 + shifted.len;
		/* RFC 3501: "&Jjo-&ZeU-" is to be written as one. */
		if (shifted.len > 0 && i + 2 < mutf7.len && mutf7.ptr[i + 1] == '&' && mutf7.ptr[i + 2] != '-')
			return false;
	}
	return true;
}

enum err
mail_mutf7_decode(struct str mutf7, struct arena *arena, struct str *ret_utf8)
{
	struct buffer out = { 0 };
	bool is_valid = decode_into(mutf7, &out);

	if (is_valid)
		*ret_utf8 = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return is_valid ? ERR_OK : ERR_SYNTAX;
}

struct encoder {
	struct buffer *out;
	uint32_t bits;
	unsigned count;
	bool is_shifted;
};

static void
encode_unit(struct encoder *e, uint32_t unit)
{
	e->bits = (e->bits << 16) | unit;
	e->count += 16;
	while (e->count >= 6) {
		e->count -= 6;
		buffer_add_byte(e->out, alphabet[e->bits >> e->count & 0x3f]);
	}
	e->bits &= (1u << e->count) - 1;
}

static void
end_shift(struct encoder *e)
{
	if (!e->is_shifted)
		return;
	if (e->count > 0)
		buffer_add_byte(e->out, alphabet[e->bits << (6 - e->count) & 0x3f]);
	buffer_add_byte(e->out, '-');
	*e = (struct encoder){ .out = e->out };
}

static void
encode_char(struct encoder *e, int32_t c)
{
	if (is_printable(c)) {
		end_shift(e);
		buffer_add_byte(e->out, (char)c);
		if (c == '&')
			buffer_add_byte(e->out, '-');
		return;
	}
	if (!e->is_shifted)
		buffer_add_byte(e->out, '&');
	e->is_shifted = true;
	if (c >= 0x10000) {
		encode_unit(e, 0xd800 + ((uint32_t)(c - 0x10000) >> 10));
		encode_unit(e, 0xdc00 + ((uint32_t)(c - 0x10000) & 0x3ff));
	} else {
		encode_unit(e, (uint32_t)c);
	}
}

enum err
mail_mutf7_encode(struct str utf8, struct arena *arena, struct str *ret_mutf7)
{
	struct buffer out = { 0 };
	struct encoder encoder = { .out = &out };

	if (!str_is_utf8(utf8))
		return ERR_SYNTAX;
	while (utf8.len > 0) {
		int32_t c;
		utf8proc_ssize_t len = utf8proc_iterate((const utf8proc_uint8_t *)utf8.ptr, (utf8proc_ssize_t)utf8.len, &c);

		encode_char(&encoder, c);
		utf8 = str_sub(utf8, (size_t)len, SIZE_MAX);
	}
	end_shift(&encoder);
	*ret_mutf7 = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return ERR_OK;
}
