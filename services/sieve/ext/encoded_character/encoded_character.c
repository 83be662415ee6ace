/* "${hex:40}" and "${unicode:263a}" in strings.                                                        RFC 5228 s. 2.4.2.4 */
#include "libcommon/mail/token.h"
#include "libcommon/mail/unicode.h"
#include "services/sieve/ext.h"

enum { UNICODE_MAX = 0x10FFFF };

static bool
is_between(struct str text, size_t at)
{
	char c = at < text.len ? text.ptr[at] : '\0';

	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What an encoded sequence is made of, for both kinds. */
struct sequence {
	size_t digits_max; /* of one number; 0: any */
	bool is_unicode;
	bool is_out_of_range;
};

static void
add_number(struct sequence *sequence, uint32_t number, struct buffer *out)
{
	if (!sequence->is_unicode)
		buffer_add_byte(out, (char)number);
	else if (number > UNICODE_MAX || (number >= 0xD800 && number <= 0xDFFF))
		sequence->is_out_of_range = true;
	else
		mail_add_code_point((int32_t)number, out);
}

/* One hexadecimal number at *at. False: there is none, or it is too long. */
static bool
read_number(struct sequence *sequence, struct str text, size_t *at, struct buffer *out)
{
	uint32_t number = 0;
	size_t start = *at;

	for (; *at < text.len && mail_hex_value(text.ptr[*at]) >= 0; ++*at)
		/* Past the range it stays there, however many digits follow. */
		number = number > UNICODE_MAX ? number : number * 16 + (uint32_t)mail_hex_value(text.ptr[*at]);
	if (*at == start || (sequence->digits_max > 0 && *at - start > sequence->digits_max))
		return false;
	add_number(sequence, number, out);
	return true;
}

/* Numbers with blanks between them, up to "}". The length of all that, and what it stands for in `out`; 0: it is no such sequence. */
static size_t
read_sequence(struct sequence *sequence, struct str text, struct buffer *out)
{
	size_t at = 0, count = 0;

	for (;;) {
		size_t blanks = at;

		while (is_between(text, at))
			at++;
		blanks = at - blanks;
		if (at == text.len)
			return 0;
		if (text.ptr[at] == '}')
			return count > 0 ? at + 1 : 0;
		if ((count++ > 0 && blanks == 0) || !read_number(sequence, text, &at, out))
			return 0;
	}
}

/* An encoded sequence at the beginning of `text`: the same as read_sequence. */
static size_t
read_encoded(struct sequence *sequence, struct str text, struct buffer *out)
{
	static const struct str hex = STR("${hex:"), unicode = STR("${unicode:");
	struct str prefix;
	size_t len;

	*sequence = (struct sequence){ .is_unicode = str_starts_with_nocase(text, unicode) };
	sequence->digits_max = sequence->is_unicode ? 0 : 2;
	prefix = sequence->is_unicode ? unicode : hex;
	if (!str_starts_with_nocase(text, prefix))
		return 0;
	len = read_sequence(sequence, str_sub(text, prefix.len, SIZE_MAX), out);
	return len > 0 ? prefix.len + len : 0;
}

static enum err
decode_into(struct sieve_check *check, const struct sieve_string *string, struct buffer *out)
{
	struct str text = string->text;

	while (text.len > 0) {
		struct buffer decoded = { 0 };
		struct sequence sequence;
		size_t len = read_encoded(&sequence, text, &decoded);

		buffer_add(out, len > 0 ? buffer_str(&decoded) : str_sub(text, 0, 1));
		buffer_clear(&decoded);
		if (len > 0 && sequence.is_out_of_range)
			return SIEVE_PROBLEM(check, string, "\"%.*s\" is no Unicode character", STR_ARG(str_sub(text, 0, len)));
		text = str_sub(text, len > 0 ? len : 1, SIZE_MAX);
	}
	return ERR_OK;
}

static enum err
encoded_decode(struct sieve_check *check, struct sieve_string *string)
{
	struct buffer out = { 0 };
	enum err err;

	if (str_find(string->text, STR("${")) == string->text.len)
		return ERR_OK;
	err = decode_into(check, string, &out);
	if (err == ERR_OK)
		string->text = arena_copy(sieve_check_arena(check), buffer_str(&out));
	buffer_clear(&out);
	return err;
}

const struct sieve_extension sieve_ext_encoded_character = { .name = "encoded-character", .is_grammar = true, .decode = encoded_decode };
