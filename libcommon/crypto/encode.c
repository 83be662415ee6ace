/* Hexadecimal and base64. */
#include "libcommon/crypto/encode.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
hex_write(struct str bytes, char *ret)
{
	for (size_t i = 0; i < bytes.len; i++) {
		ret[2 * i] = hex_digits[(uint8_t)bytes.ptr[i] >> 4];
		ret[2 * i + 1] = hex_digits[bytes.ptr[i] & 15];
	}
}

struct str
hex_encode(struct arena *arena, struct str bytes)
{
	char *text = arena_calloc(arena, bytes.len + 1, 2);

	hex_write(bytes, text);
	return str_from(text, 2 * bytes.len);
}

/* The place of `c` among `digits`, or -1. */
static int
digit_value(const char *digits, size_t count, char c)
{
	const char *at = memchr(digits, c, count);

	return at ? (int)(at - digits) : -1;
}

bool
hex_read(struct str text, uint8_t *ret, size_t ret_len)
{
	if (text.len != 2 * ret_len)
		return false;
	for (size_t i = 0; i < ret_len; i++) {
		int high = digit_value(hex_digits, 16, ascii_lower(text.ptr[2 * i]));
		int low = digit_value(hex_digits, 16, ascii_lower(text.ptr[2 * i + 1]));

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

struct str
base64_encode(struct arena *arena, struct str bytes)
{
	char *text = arena_calloc(arena, bytes.len / 3 + 1, 4);
	size_t len = 0;

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t here = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t group = 0;

		for (size_t j = 0; j < 3; j++)
			group = group << 8 | (j < here ? (uint8_t)bytes.ptr[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			text[len++] = j <= here ? base64_digits[group >> (18 - 6 * j) & 63] : '=';
	}
	return str_from(text, len);
}

bool
base64_decode(struct arena *arena, struct str text, struct str *ret)
{
	size_t padding = 0, len = 0;
	uint8_t *bytes;
	uint32_t bits = 0;

	if (text.len % 4 != 0)
		return false;
	while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
		padding++;
	bytes = arena_calloc(arena, text.len / 4 + 1, 3);
	for (size_t i = 0; i < text.len - padding; i++) {
		int value = digit_value(base64_digits, 64, text.ptr[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 != 0)
			bytes[len++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	/* RFC 4648 s. 3.5: the bits under the padding are zero, else two texts would mean the same bytes. */
	if (padding > 0 && (bits & (padding == 1 ? 3 : 15)) != 0)
		return false;
	*ret = str_from(bytes, len);
	return true;
}
