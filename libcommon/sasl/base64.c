/* Base64, strict. */
#include "libcommon/sasl/base64.h"

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
digit_of(char c)
{
	const char *at = c ? strchr(DIGITS, c) : NULL;

	return at ? (int)(at - DIGITS) : -1;
}

enum err
base64_decode(struct str text, struct arena *arena, struct str *ret_bytes)
{
	char *out = arena_alloc(arena, text.len / 4 * 3 + 1);
	size_t len = 0, padding = 0;
	uint32_t bits = 0;

	if (text.len % 4 != 0)
		return ERR_SYNTAX;
	while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.len; i++) {
		int digit = i >= text.len - padding ? 0 : digit_of(text.ptr[i]);

		if (digit < 0)
			return ERR_SYNTAX;
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 != 3)
			continue;
		out[len++] = (char)(bits >> 16);
		out[len++] = (char)(bits >> 8);
		out[len++] = (char)bits;
	}
	for (size_t i = 0; i < padding; i++)
		if (out[--len] != 0)
			return ERR_SYNTAX;
	*ret_bytes = str_from(out, len);
	return ERR_OK;
}

struct str
base64_encode(struct str bytes, struct arena *arena)
{
	char *out = arena_alloc(arena, (bytes.len + 2) / 3 * 4 + 1);
	size_t len = 0;

	for (size_t i = 0; i < bytes.len; i += 3) {
		uint32_t bits = 0;
		size_t n = bytes.len - i < 3 ? bytes.len - i : 3;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? (uint8_t)bytes.ptr[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			out[len++] = k <= n ? DIGITS[bits >> (18 - 6 * k) & 63] : '=';
	}
	return str_from(out, len);
}
