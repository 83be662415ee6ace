/* The verbs of parsing. */
#include <limits.h>

#include "libcommon/mail/date.h"
#include "services/imap/parser.h"

#define OTHERS (IMAP_ATOM_CHAR | IMAP_ASTRING_CHAR | IMAP_TAG_CHAR | IMAP_LIST_CHAR | IMAP_TEXT_CHAR | IMAP_FETCH_NAME_CHAR)

static unsigned
class_of(unsigned char c)
{
	switch (c) {
	case '\0':
	case '\r':
	case '\n':
		return 0;
	case '(':
	case ')':
	case '{':
	case ' ':
		return IMAP_TEXT_CHAR;
	case '"':
	case '\\':
		return 0;
	case '%':
	case '*':
		return IMAP_TEXT_CHAR | IMAP_LIST_CHAR;
	case ']':
		return OTHERS & ~(IMAP_ATOM_CHAR | IMAP_FETCH_NAME_CHAR);
	case '+':
		return OTHERS & ~IMAP_TAG_CHAR;
	case '[':
	case '<':
		return OTHERS & ~IMAP_FETCH_NAME_CHAR;
	}
	if (c >= '0' && c <= '9')
		return OTHERS | IMAP_DIGIT;
	/* 8-bit bytes: not in the grammar of quoted strings, but many clients' passwords and names have them. */
	if (c < 0x20 || c >= 0x7f)
		return IMAP_TEXT_CHAR;
	return OTHERS;
}

bool
imap_is(char c, enum imap_class mask)
{
	return class_of((unsigned char)c) & mask;
}

enum err
cur_fail(struct imap_cursor *cur, const char *why)
{
	cur->error->at = cur->at;
	cur->error->why = why;
	return ERR_SYNTAX;
}

bool
cur_is(const struct imap_cursor *cur, char c)
{
	return cur->at < cur->in.len && cur->in.ptr[cur->at] == c;
}

bool
cur_take(struct imap_cursor *cur, char c)
{
	if (!cur_is(cur, c))
		return false;
	cur->at++;
	return true;
}

bool
cur_take_word(struct imap_cursor *cur, const char *word)
{
	struct str s = str_c(word);

	if (!str_starts_with_nocase(str_sub(cur->in, cur->at, SIZE_MAX), s))
		return false;
	cur->at += s.len;
	return true;
}

enum err
cur_byte(struct imap_cursor *cur, char c)
{
	if (cur_take(cur, c))
		return ERR_OK;
	switch (c) {
	case ' ':
		return cur_fail(cur, "expected a space");
	case '(':
		return cur_fail(cur, "expected (");
	case ')':
		return cur_fail(cur, "expected )");
	case ']':
		return cur_fail(cur, "expected ]");
	}
	return cur_fail(cur, "unexpected character");
}

enum err
cur_space(struct imap_cursor *cur)
{
	return cur_byte(cur, ' ');
}

bool
cur_is_end(const struct imap_cursor *cur)
{
	struct str rest = str_sub(cur->in, cur->at, SIZE_MAX);

	return str_equal(rest, STR("\r\n")) || str_equal(rest, STR("\n"));
}

enum err
cur_end(struct imap_cursor *cur)
{
	/* A blank before the line's end is harmless, and some clients send it. */
	while (cur_is(cur, ' '))
		cur->at++;
	if (!cur_is_end(cur))
		return cur_fail(cur, "expected the end of the line");
	cur->at = cur->in.len;
	return ERR_OK;
}

enum err
cur_chars(struct imap_cursor *cur, enum imap_class mask, const char *what, struct str *ret)
{
	size_t start = cur->at;

	while (cur->at < cur->in.len && imap_is(cur->in.ptr[cur->at], mask))
		cur->at++;
	if (cur->at == start)
		return cur_fail(cur, what);
	*ret = str_sub(cur->in, start, cur->at - start);
	return ERR_OK;
}

enum err
cur_atom(struct imap_cursor *cur, struct str *ret)
{
	return cur_chars(cur, IMAP_ATOM_CHAR, "expected an atom", ret);
}

/* Behind the opening quote. */
static enum err
cur_quoted(struct imap_cursor *cur, struct str *ret)
{
	char *out = arena_alloc(cur->arena, str_index(str_sub(cur->in, cur->at, SIZE_MAX), '\n') + 1);
	size_t len = 0;

	while (!cur_is(cur, '"')) {
		bool is_escaped = cur_take(cur, '\\');
		char c = cur->at < cur->in.len ? cur->in.ptr[cur->at] : '\n';

		if (is_escaped ? c != '"' && c != '\\' : !imap_is(c, IMAP_TEXT_CHAR))
			return cur_fail(cur, c == '\r' || c == '\n' ? "the quoted string does not end" : "wrong character in a quoted string");
		out[len++] = c;
		cur->at++;
	}
	cur->at++;
	*ret = str_from(out, len);
	return ERR_OK;
}

/* Behind the opening brace. The framer has seen to the literal's being there. */
static enum err
cur_literal(struct imap_cursor *cur, struct str *ret)
{
	struct str digits;
	uint64_t size;

	TRY(cur_chars(cur, IMAP_DIGIT, "expected the literal's length", &digits));
	cur_take(cur, '+');
	if (!str_to_u64(digits, &size) || !cur_take(cur, '}'))
		return cur_fail(cur, "wrong length of a literal");
	cur_take(cur, '\r');
	if (!cur_take(cur, '\n') || cur->in.len - cur->at < size)
		return cur_fail(cur, "a literal's length ends its line");
	*ret = str_sub(cur->in, cur->at, size);
	cur->at += size;
	return ERR_OK;
}

enum err
cur_string(struct imap_cursor *cur, struct str *ret)
{
	if (cur_take(cur, '"'))
		return cur_quoted(cur, ret);
	if (cur_take(cur, '{'))
		return cur_literal(cur, ret);
	return cur_fail(cur, "expected a string");
}

enum err
cur_astring(struct imap_cursor *cur, struct str *ret)
{
	if (cur_is(cur, '"') || cur_is(cur, '{'))
		return cur_string(cur, ret);
	return cur_chars(cur, IMAP_ASTRING_CHAR, "expected a string", ret);
}

enum err
cur_nstring(struct imap_cursor *cur, struct str *ret)
{
	if (cur_take_word(cur, "NIL")) {
		*ret = STR_NONE;
		return ERR_OK;
	}
	return cur_string(cur, ret);
}

enum err
cur_list_mailbox(struct imap_cursor *cur, struct str *ret)
{
	if (cur_is(cur, '"') || cur_is(cur, '{'))
		return cur_string(cur, ret);
	return cur_chars(cur, IMAP_LIST_CHAR, "expected a mailbox pattern", ret);
}

enum err
cur_number64(struct imap_cursor *cur, uint64_t *ret)
{
	size_t start = cur->at;
	struct str digits;
	uint64_t number;

	TRY(cur_chars(cur, IMAP_DIGIT, "expected a number", &digits));
	if (!str_to_u64(digits, &number) || number > INT64_MAX) {
		cur->at = start;
		return cur_fail(cur, "the number is too large");
	}
	*ret = number;
	return ERR_OK;
}

enum err
cur_number(struct imap_cursor *cur, uint32_t *ret)
{
	size_t start = cur->at;
	uint64_t number;

	TRY(cur_number64(cur, &number));
	if (number > UINT32_MAX) {
		cur->at = start;
		return cur_fail(cur, "the number is too large");
	}
	*ret = (uint32_t)number;
	return ERR_OK;
}

enum err
cur_nz_number(struct imap_cursor *cur, uint32_t *ret)
{
	size_t start = cur->at;

	TRY(cur_number(cur, ret));
	if (*ret > 0)
		return ERR_OK;
	cur->at = start;
	return cur_fail(cur, "zero is not allowed here");
}

static enum err
cur_set_end(struct imap_cursor *cur, uint32_t *ret)
{
	if (cur_take(cur, '*')) {
		*ret = IMAP_STAR;
		return ERR_OK;
	}
	return cur_nz_number(cur, ret);
}

/* Room for all ranges that the commas up to the set's end can make. */
static size_t
count_ranges(const struct imap_cursor *cur)
{
	size_t count = 1;

	for (size_t i = cur->at; i < cur->in.len && strchr("0123456789*:,", cur->in.ptr[i]); i++)
		count += cur->in.ptr[i] == ',';
	return count;
}

enum err
cur_set(struct imap_cursor *cur, struct imap_set *ret)
{
	struct imap_set set = { ARENA_ARRAY(cur->arena, struct imap_range, count_ranges(cur)), 0 };

	do {
		struct imap_range *range = &set.ranges[set.count++];

		TRY(cur_set_end(cur, &range->first));
		range->last = range->first;
		if (cur_take(cur, ':'))
			TRY(cur_set_end(cur, &range->last));
	} while (cur_take(cur, ','));
	*ret = set;
	return ERR_OK;
}

enum err
cur_date(struct imap_cursor *cur, int32_t *ret_day)
{
	size_t start = cur->at;
	struct str text;

	TRY(cur_astring(cur, &text));
	if (mail_date_parse_imap_day(text, ret_day))
		return ERR_OK;
	cur->at = start;
	return cur_fail(cur, "expected a date like 1-Feb-1994");
}
