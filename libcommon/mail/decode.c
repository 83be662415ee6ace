/* Base64 and quoted-printable as streams. */
#include "libcommon/mail/decode.h"

#include "libcommon/mail/token.h"

static const struct {
	const char *name;
	enum mail_encoding encoding;
} encodings[] = {
	{ "7bit", MAIL_IDENTITY },
	{ "8bit", MAIL_IDENTITY },
	{ "binary", MAIL_IDENTITY },
	{ "quoted-printable", MAIL_QUOTED_PRINTABLE },
	{ "base64", MAIL_BASE64 },
};

enum mail_encoding
mail_encoding_from(struct str name)
{
	name = str_trim(name);
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
		if (str_equal_nocase(name, str_c(encodings[i].name)))
			return encodings[i].encoding;
	return name.len == 0 ? MAIL_IDENTITY : MAIL_ENCODING_UNKNOWN;
}

/* RFC 4648 s. 4 */
static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Padding ends a group; what is left of it are no whole bytes. */
static void
base64_padding(struct mail_decoder *d)
{
	if (d->digits % 4 < 2)
		d->is_broken = true;
	d->padding++;
	d->bits = 0;
	d->bit_count = 0;
	if (d->digits % 4 + d->padding >= 4) {
		d->digits = 0;
		d->padding = 0;
	}
}

static void
base64(struct mail_decoder *d, struct str bytes, struct buffer *out)
{
	char *to = buffer_reserve(out, bytes.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.ptr[i];
		int value = base64_value(c);

		if (value < 0) {
			if (c == '=')
				base64_padding(d);
			else if (c != '\r' && c != '\n' && c != ' ' && c != '\t')
				d->is_broken = true;
			continue;
		}
		if (d->padding > 0) { /* another text begins behind the first's padding */
			d->is_broken = true;
			d->digits = 0;
			d->padding = 0;
		}
		d->digits++;
		d->bits = (d->bits << 6) | (uint32_t)value;
		d->bit_count += 6;
		if (d->bit_count >= 8) {
			d->bit_count -= 8;
			to[len++] = (char)(d->bits >> d->bit_count);
			d->bits &= (1u << d->bit_count) - 1;
		}
	}
	buffer_grew(out, len);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
flush_pending(struct mail_decoder *d, struct buffer *out)
{
	buffer_add(out, str_from(d->pending, d->pending_len));
	d->pending_len = 0;
}

static void
hold(struct mail_decoder *d, char c, struct buffer *out)
{
	if (d->pending_len == sizeof(d->pending)) {
		d->is_broken = true;
		flush_pending(d, out);
	}
	d->pending[d->pending_len++] = c;
}

static void
qp_first(struct mail_decoder *d, char c, struct buffer *out)
{
	if (c == '=' || is_blank(c))
		hold(d, c, out);
	else
		buffer_add_byte(out, c);
}

/* `c` does not go on with what is pending, which thus meant itself. */
static void
qp_mismatch(struct mail_decoder *d, char c, struct buffer *out)
{
	flush_pending(d, out);
	qp_first(d, c, out);
}

/* Behind "=": two digits are a byte; blanks and a line end are nothing (RFC 2045 s. 6.7, rules 1 and 5). */
static void
qp_escape(struct mail_decoder *d, char c, struct buffer *out)
{
	char last = d->pending[d->pending_len - 1];
	bool has_digit = d->pending_len == 2 && mail_hex_value(last) >= 0;

	if (has_digit && mail_hex_value(c) >= 0) {
		buffer_add_byte(out, (char)(mail_hex_value(last) * 16 + mail_hex_value(c)));
		d->pending_len = 0;
	} else if (!has_digit && c == '\n') {
		d->pending_len = 0;
	} else if (!has_digit && last != '\r' && (is_blank(c) || c == '\r')) {
		hold(d, c, out);
	} else if (d->pending_len == 1 && mail_hex_value(c) >= 0) {
		hold(d, c, out);
	} else {
		d->is_broken = true;
		qp_mismatch(d, c, out);
	}
}

/* Behind blanks: at the end of a line they were put there on the way (rule 3). */
static void
qp_blank(struct mail_decoder *d, char c, struct buffer *out)
{
	char last = d->pending[d->pending_len - 1];

	if (c == '\n') {
		d->pending_len = 0;
		buffer_add(out, last == '\r' ? STR("\r\n") : STR("\n"));
	} else if (last != '\r' && (is_blank(c) || c == '\r')) {
		hold(d, c, out);
	} else {
		qp_mismatch(d, c, out);
	}
}

/* How many bytes at the front stand for themselves. */
static size_t
qp_plain_len(struct str bytes)
{
	size_t len = 0;

	while (len < bytes.len && bytes.ptr[len] != '=' && !is_blank(bytes.ptr[len]))
		len++;
	return len;
}

static void
quoted_printable(struct mail_decoder *d, struct str bytes, struct buffer *out)
{
	while (bytes.len > 0) {
		size_t plain = d->pending_len == 0 ? qp_plain_len(bytes) : 0;

		if (plain > 0)
			buffer_add(out, str_sub(bytes, 0, plain));
		else if (d->pending_len == 0)
			qp_first(d, bytes.ptr[0], out);
		else if (d->pending[0] == '=')
			qp_escape(d, bytes.ptr[0], out);
		else
			qp_blank(d, bytes.ptr[0], out);
		bytes = str_sub(bytes, plain > 0 ? plain : 1, SIZE_MAX);
	}
}

/* At the very end of a text a lone "=" is a soft line break, and blanks are at the end of a line. */
static void
end(struct mail_decoder *d, struct buffer *out)
{
	if (d->digits % 4 != 0)
		d->is_broken = true;
	if (d->pending_len == 2 && d->pending[0] == '=' && mail_hex_value(d->pending[1]) >= 0) {
		d->is_broken = true;
		flush_pending(d, out);
	}
	d->pending_len = 0;
}

void
mail_decode(struct mail_decoder *decoder, struct str bytes, bool is_last, struct buffer *out)
{
	if (decoder->encoding == MAIL_BASE64)
		base64(decoder, bytes, out);
	else if (decoder->encoding == MAIL_QUOTED_PRINTABLE)
		quoted_printable(decoder, bytes, out);
	else
		buffer_add(out, bytes);
	if (is_last)
		end(decoder, out);
}
