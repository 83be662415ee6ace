/* Fields and bodies of messages that scripts make. */
#include "services/sieve/compose.h"

#include "libcommon/crypto/encode.h"
#include "libcommon/mail/date.h"
#include "libcommon/mail/header.h"

enum {
	LINE_MAX_BYTES = 76,    /* RFC 2045 s. 6.7, RFC 2047 s. 2 */
	WORD_BYTES = 42,        /* of an encoded word, before base64 */
	PLAIN_LINE_MAX = 998,   /* RFC 5322 s. 2.1.1 */
	REFERENCES_MAX = 8 * 1024,
};

bool
sieve_is_ascii(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] >= 0x80)
			return false;
	return true;
}

/* ---- fields */

/* The length of what fits into one encoded word: no character is cut. */
static size_t
word_len(struct str text)
{
	return sieve_cut(text, WORD_BYTES).len > 0 ? sieve_cut(text, WORD_BYTES).len : text.len < WORD_BYTES ? text.len : WORD_BYTES;
}

static void
add_encoded_words(struct buffer *out, struct str text)
{
	struct arena arena = { 0 };

	for (bool is_first = true; text.len > 0; is_first = false) {
		size_t len = word_len(text);

		buffer_printf(out, "%s=?utf-8?B?%.*s?=", is_first ? "" : "\r\n ", STR_ARG(base64_encode(&arena, str_sub(text, 0, len))));
		text = str_sub(text, len, SIZE_MAX);
	}
	arena_clear(&arena);
}

/* ASCII, folded at blanks. `column` is where the line has come to. */
static void
add_folded(struct buffer *out, struct str text, size_t column)
{
	struct str word;
	bool is_first = true;

	while (str_split(&text, ' ', &word)) {
		bool folds = !is_first && word.len > 0 && column + 1 + word.len > LINE_MAX_BYTES;

		buffer_add(out, is_first ? STR("") : folds ? STR("\r\n ") : STR(" "));
		buffer_add(out, word);
		column = folds ? word.len + 1 : column + word.len + 1;
		is_first = false;
	}
}

/* Words of ASCII at the beginning stay as they are, with the blank behind them. */
static size_t
ascii_words(struct str text)
{
	size_t words = 0;

	for (size_t i = 0; i < text.len && (unsigned char)text.ptr[i] < 0x80; i++)
		words = text.ptr[i] == ' ' ? i + 1 : words;
	return words < LINE_MAX_BYTES / 2 ? words : 0;
}

/* Without what would end the line, in one line. */
static struct str
clean(struct arena *arena, struct str text)
{
	char *bytes = arena_alloc(arena, text.len + 1);

	for (size_t i = 0; i < text.len; i++)
		bytes[i] = (unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f ? ' ' : text.ptr[i];
	return str_trim(str_from(bytes, text.len));
}

/* Can it be folded so that no line is too long? The first word stands behind `column` bytes. */
static bool
has_short_words(struct str text, size_t column)
{
	struct str word;

	while (str_split(&text, ' ', &word))
		if (column + word.len > PLAIN_LINE_MAX)
			return false;
	return true;
}

void
sieve_add_field(struct buffer *out, const char *name, struct str value)
{
	struct arena arena = { 0 };

	value = clean(&arena, value);
	buffer_printf(out, "%s: ", name);
	if (sieve_is_ascii(value) && has_short_words(value, strlen(name) + 2)) {
		add_folded(out, value, strlen(name) + 2);
	} else {
		size_t plain = ascii_words(value);

		buffer_add(out, str_sub(value, 0, plain));
		add_encoded_words(out, str_sub(value, plain, SIZE_MAX));
	}
	buffer_add(out, STR("\r\n"));
	arena_clear(&arena);
}

void
sieve_add_address_field(struct buffer *out, const char *name, struct str value)
{
	struct arena arena = { 0 };
	size_t angle;

	value = clean(&arena, value);
	angle = str_rindex(value, '<');
	if (sieve_is_ascii(value) || angle == value.len) {
		buffer_printf(out, "%s: ", name);
		add_folded(out, value, strlen(name) + 2);
	} else {
		struct str phrase = str_trim(str_sub(value, 0, angle));

		if (phrase.len > 1 && phrase.ptr[0] == '"' && phrase.ptr[phrase.len - 1] == '"')
			phrase = str_sub(phrase, 1, phrase.len - 2);
		buffer_printf(out, "%s: ", name);
		add_encoded_words(out, phrase);
		buffer_printf(out, "\r\n %.*s", STR_ARG(str_sub(value, angle, SIZE_MAX)));
	}
	buffer_add(out, STR("\r\n"));
	arena_clear(&arena);
}

enum err
sieve_first_text(struct sieve_run *run, struct str name, struct str *ret_text)
{
	size_t field = sieve_field_find(run, name, 0);

	*ret_text = STR_NONE;
	return field < sieve_field_count(run) ? sieve_field_text(run, field, ret_text) : ERR_OK;
}

/* RFC 5322 s. 3.6.4: the References of the parent, or its In-Reply-To, then its Message-ID. */
static enum err
add_references(struct sieve_run *run, struct buffer *out)
{
	struct str id, before;

	TRY(sieve_first_text(run, STR("Message-ID"), &id));
	if (id.len == 0 || id.len > PLAIN_LINE_MAX - 100)
		return ERR_OK;
	TRY(sieve_first_text(run, STR("References"), &before));
	if (before.len == 0)
		TRY(sieve_first_text(run, STR("In-Reply-To"), &before));
	if (before.len > REFERENCES_MAX || !sieve_is_ascii(before))
		before = STR_NONE;
	sieve_add_field(out, "In-Reply-To", id);
	sieve_add_field(out, "References", arena_printf(sieve_arena(run), "%.*s %.*s", STR_ARG(before), STR_ARG(id)));
	return ERR_OK;
}

enum err
sieve_add_reply_fields(struct sieve_run *run, struct buffer *out)
{
	const struct sieve_input *input = sieve_input(run);
	struct mail_date now = { input->now_ms / 1000, input->zone_minutes };
	char date[MAIL_DATE_SIZE];

	sieve_add_field(out, "Date", mail_date_print(now, date));
	sieve_add_field(out, "Message-ID", sieve_message_id(run));
	TRY(add_references(run, out));
	buffer_add(out, STR("Auto-Submitted: auto-replied\r\n"));
	return ERR_OK;
}

/* ---- bodies */

struct str
sieve_lines(struct arena *arena, struct str text)
{
	char *lines = arena_alloc(arena, text.len * 2 + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n')
			continue;
		if (c == '\r' || c == '\n') {
			lines[len++] = '\r';
			lines[len++] = '\n';
		} else {
			lines[len++] = (c < 0x20 && c != '\t') || c == 0x7f ? ' ' : (char)c;
		}
	}
	return str_from(lines, len);
}

/* Lines that are short enough, of ASCII, and no controls that an MTA may change. */
static bool
is_plain(struct str text)
{
	struct str line;

	while (str_split(&text, '\n', &line)) {
		line = str_ends_with(line, STR("\r")) ? str_sub(line, 0, line.len - 1) : line;
		if (line.len > PLAIN_LINE_MAX || !sieve_is_ascii(line) || str_index(line, '\0') < line.len || str_index(line, '\r') < line.len)
			return false;
	}
	return true;
}

static void
add_quoted_line(struct buffer *out, struct str line)
{
	size_t column = 0;

	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.ptr[i];
		bool is_blank = c == ' ' || c == '\t';
		bool is_literal = (c > 0x20 && c < 0x7f && c != '=') || (is_blank && i + 1 < line.len);

		if (column + (is_literal ? 1 : 3) >= LINE_MAX_BYTES) {
			buffer_add(out, STR("=\r\n"));
			column = 0;
		}
		if (is_literal)
			buffer_add_byte(out, (char)c);
		else
			buffer_printf(out, "=%02X", c);
		column += is_literal ? 1 : 3;
	}
}

void
sieve_add_text_part(struct buffer *out, struct str text)
{
	bool plain = is_plain(text), is_first = true;
	struct str line;

	buffer_printf(out, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n", plain ? "7bit" : "quoted-printable");
	while (str_split(&text, '\n', &line)) {
		if (!is_first)
			buffer_add(out, STR("\r\n"));
		is_first = false;
		line = str_ends_with(line, STR("\r")) ? str_sub(line, 0, line.len - 1) : line;
		if (plain)
			buffer_add(out, line);
		else
			add_quoted_line(out, line);
	}
	if (!str_ends_with(buffer_str(out), STR("\r\n")))
		buffer_add(out, STR("\r\n"));
}
