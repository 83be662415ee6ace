/* Encoded words and encoded parameters: header text as people read it.                                 RFC 2047, RFC 2231 */
#include <stdio.h>

#include "libcommon/mail/charset.h"
#include "libcommon/mail/decode.h"
#include "libcommon/mail/header.h"
#include "libcommon/mail/token.h"

enum { CONTINUATIONS_MAX = MAIL_PARAMS_MAX };

/* People get well-formed text; who tests bytes gets those that there are. */
enum reader { FOR_PEOPLE, FOR_TESTS };

struct encoded_word {
	struct str charset, text;
	bool is_base64;
};

/* "=?charset*language?Q?text?=" (the language is RFC 2231 s. 5) of `len` bytes at `p`. */
static bool
split_word(const char *p, size_t len, struct encoded_word *ret)
{
	struct str rest = str_from(p + 2, len - 4), encoding;

	if (!str_split(&rest, '?', &ret->charset) || !str_split(&rest, '?', &encoding) || encoding.len != 1)
		return false;
	ret->charset = str_sub(ret->charset, 0, str_index(ret->charset, '*'));
	ret->text = rest;
	ret->is_base64 = ascii_lower(encoding.ptr[0]) == 'b';
	return ret->is_base64 || ascii_lower(encoding.ptr[0]) == 'q';
}

/* Append `text` with each `mark` and two hexadecimal digits made a byte. */
static void
add_hex_decoded(struct str text, char mark, bool is_underscore_blank, struct buffer *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool is_hex = c == mark && i + 2 < text.len && mail_hex_value(text.ptr[i + 1]) >= 0 &&
		    mail_hex_value(text.ptr[i + 2]) >= 0;

		if (is_hex) {
			c = (char)(mail_hex_value(text.ptr[i + 1]) * 16 + mail_hex_value(text.ptr[i + 2]));
			i += 2;
		} else if (c == '_' && is_underscore_blank) {
			c = ' ';
		}
		buffer_add_byte(out, c);
	}
}

/* `base64` goes on from word to word: some mailers cut it anywhere. */
static void
add_word_bytes(const struct encoded_word *word, struct mail_decoder *base64, struct buffer *out)
{
	if (word->is_base64)
		mail_decode(base64, word->text, false, out);
	else
		add_hex_decoded(word->text, '=', true, out);
}

/* Append `bytes`, line ends and (for people) NUL made blanks so that no decoded text can smuggle them. */
static void
add_clean(struct str bytes, enum reader reader, struct buffer *out)
{
	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.ptr[i];

		buffer_add_byte(out, c == '\r' || c == '\n' || (c == '\0' && reader == FOR_PEOPLE) ? ' ' : c);
	}
}

/* Append `bytes` in `charset` as UTF-8; false when the charset is not known. */
static bool
add_converted(struct str charset, struct str bytes, enum reader reader, struct buffer *out)
{
	struct mail_charset cs;
	struct buffer utf8 = { 0 };

	if (!mail_charset_open(&cs, charset))
		return false;
	mail_charset_convert(&cs, bytes, true, &utf8);
	mail_charset_close(&cs);
	add_clean(buffer_str(&utf8), reader, out);
	buffer_clear(&utf8);
	return true;
}

/* Append what is not encoded. */
static void
add_plain(struct str bytes, enum reader reader, struct buffer *out)
{
	if (reader == FOR_TESTS)
		buffer_add(out, bytes);
	else
		add_converted(STR("us-ascii"), bytes, reader, out);
}

/* The encoded word at the cursor. */
static size_t
word_at(const struct mail_cursor *cur, struct encoded_word *ret)
{
	size_t len = mail_cur_word_len(cur);

	return len > 0 && split_word(cur->p, len, ret) ? len : 0;
}

/*
 * The encoded words that follow each other from the cursor on, in one charset: their bytes are joined before they are
 * converted, because some mailers split characters. The cursor is put behind them; what cannot be read stays as it is.
 */
static void
add_words(struct mail_cursor *cur, struct encoded_word first, size_t first_len, enum reader reader, struct buffer *out)
{
	const char *start = cur->p, *end = cur->p + first_len;
	struct mail_decoder base64 = { .encoding = MAIL_BASE64 };
	struct encoded_word word = first;
	struct buffer bytes = { 0 };

	for (;;) {
		struct mail_cursor next = { end, cur->end };
		size_t len;

		add_word_bytes(&word, &base64, &bytes);
		while (mail_is_blank(mail_cur_peek(&next)))
			next.p++;
		len = word_at(&next, &word);
		if (len == 0 || !str_equal_nocase(word.charset, first.charset))
			break;
		end = next.p + len;
	}
	if (!add_converted(first.charset, buffer_str(&bytes), reader, out))
		add_plain(str_from(start, (size_t)(end - start)), reader, out);
	buffer_clear(&bytes);
	cur->p = end;
}

/* Append the unfolded `text`, its encoded words decoded. */
static void
decode_into(struct str text, enum reader reader, struct buffer *out)
{
	struct mail_cursor cur = mail_cur(text);
	const char *plain = cur.p;
	bool is_after_word = false;

	while (cur.p < cur.end) {
		const char *mark = memchr(cur.p, '=', (size_t)(cur.end - cur.p));
		struct encoded_word word;
		size_t len;

		cur.p = mark != NULL ? mark : cur.end;
		len = mark != NULL ? word_at(&cur, &word) : 0;
		if (mark != NULL && len == 0) {
			cur.p++;
			if (cur.p < cur.end)
				continue;
		}
		if (!is_after_word || len == 0 || str_trim(str_from(plain, (size_t)(cur.p - plain))).len > 0)
			add_plain(str_from(plain, (size_t)(cur.p - plain)), reader, out);
		if (len > 0)
			add_words(&cur, word, len, reader, out);
		is_after_word = len > 0;
		plain = cur.p;
	}
}

void
mail_decode_words_into(struct str text, struct buffer *out)
{
	decode_into(text, FOR_TESTS, out);
}

struct str
mail_decode_words(struct str value, struct arena *arena)
{
	struct buffer flat = { 0 }, out = { 0 };
	struct str copy;

	mail_unfold_into(value, &flat);
	decode_into(buffer_str(&flat), FOR_PEOPLE, &out);
	copy = arena_copy(arena, buffer_str(&out));
	buffer_clear(&flat);
	buffer_clear(&out);
	return copy;
}

/* "name", "name*", "name*2" or "name*2*": which piece of `name` is this, and is it percent-encoded? */
static bool
is_piece(struct str candidate, struct str name, unsigned *ret_index, bool *ret_is_encoded)
{
	struct str rest = str_sub(candidate, name.len, SIZE_MAX);
	uint32_t index = 0;

	if (!str_starts_with_nocase(candidate, name) || (rest.len > 0 && rest.ptr[0] != '*'))
		return false;
	*ret_is_encoded = str_ends_with(rest, STR("*"));
	if (*ret_is_encoded)
		rest.len--;
	if (rest.len > 0 && !str_to_u32(str_sub(rest, 1, SIZE_MAX), &index))
		return false;
	*ret_index = index;
	return index < CONTINUATIONS_MAX;
}

/* The pieces of `name` in the order of their numbers, from 0 to the first that is missing. */
static size_t
collect_pieces(const struct mail_param *params, size_t count, struct str name, const struct mail_param *pieces[], bool *is_encoded)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		bool encoded;
		unsigned index;

		if (!is_piece(params[i].name, name, &index, &encoded) || pieces[index] != NULL)
			continue;
		pieces[index] = &params[i];
		is_encoded[index] = encoded;
	}
	while (n < CONTINUATIONS_MAX && pieces[n] != NULL)
		n++;
	return n;
}

/* charset'language'text: cut the first two off. */
static struct str
take_charset(struct str *text)
{
	struct str rest = *text, charset, language;

	if (!str_split(&rest, '\'', &charset) || !str_split(&rest, '\'', &language) || rest.ptr == NULL)
		return STR("us-ascii");
	*text = rest;
	return charset;
}

bool
mail_param_decode(const struct mail_param *params, size_t count, struct str name, struct arena *arena, struct str *ret_value)
{
	const struct mail_param *pieces[CONTINUATIONS_MAX] = { 0 };
	bool is_encoded[CONTINUATIONS_MAX];
	size_t n = collect_pieces(params, count, name, pieces, is_encoded);
	struct buffer bytes = { 0 }, utf8 = { 0 };
	struct str charset = STR("us-ascii");

	if (n == 0)
		return false;
	if (n == 1 && !is_encoded[0]) {
		*ret_value = mail_decode_words(pieces[0]->value, arena);
		return true;
	}
	for (size_t i = 0; i < n; i++) {
		struct str text = pieces[i]->value;

		if (i == 0 && is_encoded[0])
			charset = take_charset(&text);
		if (is_encoded[i])
			add_hex_decoded(text, '%', false, &bytes);
		else
			buffer_add(&bytes, text);
	}
	if (!add_converted(charset, buffer_str(&bytes), FOR_PEOPLE, &utf8))
		add_converted(STR("us-ascii"), buffer_str(&bytes), FOR_PEOPLE, &utf8);
	*ret_value = arena_copy(arena, buffer_str(&utf8));
	buffer_clear(&bytes);
	buffer_clear(&utf8);
	return true;
}

bool
mail_part_filename(const struct mail_part *part, struct arena *arena, struct str *ret_name)
{
	return mail_param_decode(part->disposition_params, part->disposition_param_count, STR("filename"), arena, ret_name) ||
	    mail_param_decode(part->params, part->param_count, STR("name"), arena, ret_name);
}
