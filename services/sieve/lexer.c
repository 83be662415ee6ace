/* Bytes of a script into tokens.                                                                      RFC 5228 s. 8.1 */
#include "services/sieve/syntax.h"

#include "libcommon/core/buffer.h"

static int
peek(const struct sieve_lexer *lexer, size_t ahead)
{
	return lexer->at + ahead < lexer->source.len ? (unsigned char)lexer->source.ptr[lexer->at + ahead] : -1;
}

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

static uint32_t
column(const struct sieve_lexer *lexer)
{
	return (uint32_t)(lexer->at - lexer->line_start + 1);
}

static enum err
wrong(struct sieve_lexer *lexer, uint32_t line, uint32_t col, const char *text)
{
	lexer->problem = (struct sieve_problem){ .line = line, .column = col, .text = str_c(text) };
	return ERR_SYNTAX;
}

static enum err
wrong_here(struct sieve_lexer *lexer, const char *text)
{
	return wrong(lexer, lexer->line, column(lexer), text);
}

/* Step over the line end at the cursor; false when there is none. */
static bool
line_end(struct sieve_lexer *lexer)
{
	size_t len = peek(lexer, 0) == '\n' ? 1 : peek(lexer, 0) == '\r' && peek(lexer, 1) == '\n' ? 2 : 0;

	if (len == 0)
		return false;
	lexer->at += len;
	lexer->line_start = lexer->at;
	lexer->line++;
	return true;
}

/* Errors that any byte may be, wherever it stands. */
static enum err
check_byte(struct sieve_lexer *lexer)
{
	if (peek(lexer, 0) == '\0')
		return wrong_here(lexer, "a NUL byte is not allowed in a script");
	if (peek(lexer, 0) == '\r' && peek(lexer, 1) != '\n')
		return wrong_here(lexer, "a carriage return without a line feed is not allowed in a script");
	return ERR_OK;
}

static enum err
hash_comment(struct sieve_lexer *lexer)
{
	while (peek(lexer, 0) >= 0 && !line_end(lexer)) {
		TRY(check_byte(lexer));
		lexer->at++;
	}
	return ERR_OK;
}

static enum err
bracket_comment(struct sieve_lexer *lexer)
{
	uint32_t line = lexer->line, col = column(lexer);

	lexer->at += 2;
	while (peek(lexer, 0) != '*' || peek(lexer, 1) != '/') {
		if (peek(lexer, 0) < 0)
			return wrong(lexer, line, col, "this comment has no end: '*/' is expected");
		TRY(check_byte(lexer));
		if (!line_end(lexer))
			lexer->at++;
	}
	lexer->at += 2;
	return ERR_OK;
}

static enum err
white_space(struct sieve_lexer *lexer)
{
	for (;;) {
		int c = peek(lexer, 0);

		if (c == ' ' || c == '\t')
			lexer->at++;
		else if (c == '#')
			TRY(hash_comment(lexer));
		else if (c == '/' && peek(lexer, 1) == '*')
			TRY(bracket_comment(lexer));
		else if (!line_end(lexer))
			return ERR_OK;
	}
}

/* What was gathered becomes the token's text. */
static void
finish_text(struct sieve_lexer *lexer, struct buffer *text, struct sieve_token *token)
{
	token->kind = SIEVE_TOKEN_STRING;
	token->text = arena_copy(lexer->arena, buffer_str(text));
}

static enum err
quoted_bytes(struct sieve_lexer *lexer, const struct sieve_token *token, struct buffer *text)
{
	for (;;) {
		int c = peek(lexer, 0);

		if (c == '"')
			return ERR_OK;
		if (c < 0)
			return wrong(lexer, token->line, token->column, "this string has no end: '\"' is expected");
		TRY(check_byte(lexer));
		if (line_end(lexer)) {
			buffer_add(text, STR("\r\n"));
			continue;
		}
		/* RFC 5228 s. 2.4.2: "\a" is "a". A backslash before a line end escapes nothing. */
		if (c == '\\' && peek(lexer, 1) > 0 && peek(lexer, 1) != '\r' && peek(lexer, 1) != '\n')
			lexer->at++;
		buffer_add_byte(text, (char)peek(lexer, 0));
		lexer->at++;
	}
}

static enum err
quoted_string(struct sieve_lexer *lexer, struct sieve_token *token)
{
	struct buffer text = { 0 };
	enum err err;

	lexer->at++;
	err = quoted_bytes(lexer, token, &text);
	lexer->at++;
	if (err == ERR_OK)
		finish_text(lexer, &text, token);
	buffer_clear(&text);
	return err;
}

/* Is the cursor at the line that ends a multi-line string? Then step over it. */
static bool
last_line(struct sieve_lexer *lexer)
{
	if (peek(lexer, 0) != '.')
		return false;
	lexer->at++;
	if (peek(lexer, 0) < 0 || line_end(lexer))
		return true;
	lexer->at--;
	return false;
}

static enum err
multi_line_bytes(struct sieve_lexer *lexer, const struct sieve_token *token, struct buffer *text)
{
	while (!last_line(lexer)) {
		if (peek(lexer, 0) == '.' && peek(lexer, 1) == '.')
			lexer->at++;
		while (!line_end(lexer)) {
			if (peek(lexer, 0) < 0)
				return wrong(lexer, token->line, token->column, "this text has no end: a line with only '.' is expected");
			TRY(check_byte(lexer));
			buffer_add_byte(text, (char)peek(lexer, 0));
			lexer->at++;
		}
		buffer_add(text, STR("\r\n"));
	}
	return ERR_OK;
}

static enum err
multi_line(struct sieve_lexer *lexer, struct sieve_token *token)
{
	struct buffer text = { 0 };
	enum err err;

	lexer->at++;
	while (peek(lexer, 0) == ' ' || peek(lexer, 0) == '\t')
		lexer->at++;
	if (peek(lexer, 0) == '#')
		TRY(hash_comment(lexer));
	else if (!line_end(lexer))
		return wrong_here(lexer, "'text:' is followed by the end of the line, and the text begins on the next");
	err = multi_line_bytes(lexer, token, &text);
	if (err == ERR_OK)
		finish_text(lexer, &text, token);
	buffer_clear(&text);
	return err;
}

static struct str
word(struct sieve_lexer *lexer)
{
	size_t start = lexer->at;

	while (is_word(peek(lexer, 0)))
		lexer->at++;
	return str_sub(lexer->source, start, lexer->at - start);
}

static enum err
number(struct sieve_lexer *lexer, struct sieve_token *token)
{
	static const struct str big = STR("this number is too big");
	unsigned shift = 0;

	token->kind = SIEVE_TOKEN_NUMBER;
	for (; is_digit(peek(lexer, 0)); lexer->at++) {
		if (token->number > (INT64_MAX - 9) / 10)
			return wrong(lexer, token->line, token->column, big.ptr);
		token->number = token->number * 10 + (uint64_t)(peek(lexer, 0) - '0');
	}
	switch (peek(lexer, 0)) {
	case 'k': case 'K': shift = 10; break;
	case 'm': case 'M': shift = 20; break;
	case 'g': case 'G': shift = 30; break;
	}
	if (token->number > (uint64_t)INT64_MAX >> shift)
		return wrong(lexer, token->line, token->column, big.ptr);
	token->number <<= shift;
	lexer->at += shift > 0;
	if (is_word(peek(lexer, 0)))
		return wrong_here(lexer, "a number may be followed by K, M or G, and then by a space");
	return ERR_OK;
}

void
sieve_lexer_init(struct sieve_lexer *lexer, struct str source, struct arena *arena)
{
	*lexer = (struct sieve_lexer){ .source = source, .line = 1, .arena = arena };
	/* Editors that write a byte order mark do not know that they do. */
	if (str_starts_with(source, STR("\xEF\xBB\xBF")))
		lexer->at = lexer->line_start = 3;
}

enum err
sieve_lex(struct sieve_lexer *lexer, struct sieve_token *ret_token)
{
	struct sieve_token token = { 0 };
	int c;

	TRY(white_space(lexer));
	token.line = lexer->line;
	token.column = column(lexer);
	c = peek(lexer, 0);
	if (is_digit(c)) {
		TRY(number(lexer, &token));
	} else if (is_word(c)) {
		token.kind = SIEVE_TOKEN_IDENTIFIER;
		token.text = word(lexer);
		if (peek(lexer, 0) == ':' && str_equal_nocase(token.text, STR("text")))
			TRY(multi_line(lexer, &token));
	} else if (c == ':') {
		lexer->at++;
		token.kind = SIEVE_TOKEN_TAG;
		if (is_digit(peek(lexer, 0)) || !is_word(peek(lexer, 0)))
			return wrong_here(lexer, "a tag is ':' and a name, such as ':contains'");
		token.text = word(lexer);
	} else if (c == '"') {
		TRY(quoted_string(lexer, &token));
	} else if (c > 0 && strchr(";,()[]{}", c) != NULL) {
		token.kind = SIEVE_TOKEN_MARK;
		token.text = str_sub(lexer->source, lexer->at++, 1);
	} else if (c >= 0) {
		TRY(check_byte(lexer));
		return wrong_here(lexer, "this character means nothing here; texts stand in double quotes");
	}
	token.end_line = lexer->line;
	token.end_column = column(lexer);
	*ret_token = token;
	return ERR_OK;
}
