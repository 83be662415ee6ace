/* Verbs over a cursor. */
#include "libcommon/mail/token.h"

#include "libcommon/mail/address.h"

enum { ENCODED_WORD_MAX = 512 }; /* RFC 2047 allows 75 */

int
mail_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
mail_is_token(int c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

size_t
mail_cur_comment_len(const struct mail_cursor *cur)
{
	unsigned depth = 0;

	if (mail_cur_peek(cur) != '(')
		return 0;
	for (const char *p = cur->p; p < cur->end; p++) {
		if (*p == '\\' && p + 1 < cur->end)
			p++;
		else if (*p == '(' && ++depth > MAIL_COMMENT_DEPTH_MAX)
			return 0;
		else if (*p == ')' && --depth == 0)
			return (size_t)(p + 1 - cur->p);
	}
	return 0;
}

size_t
mail_cur_quoted_len(const struct mail_cursor *cur)
{
	if (mail_cur_peek(cur) != '"')
		return 0;
	for (const char *p = cur->p + 1; p < cur->end; p++) {
		if (*p == '\\' && p + 1 < cur->end)
			p++;
		else if (*p == '"')
			return (size_t)(p + 1 - cur->p);
	}
	return 0;
}

/* =?charset?encoding?text?= without blanks in it. */
size_t
mail_cur_word_len(const struct mail_cursor *cur)
{
	size_t max = (size_t)(cur->end - cur->p);
	unsigned marks = 0;

	if (max > ENCODED_WORD_MAX)
		max = ENCODED_WORD_MAX;
	if (max < 8 || cur->p[0] != '=' || cur->p[1] != '?')
		return 0;
	for (size_t i = 2; i < max && !mail_is_blank((unsigned char)cur->p[i]); i++) {
		if (cur->p[i] != '?')
			continue;
		marks++;
		if (marks == 2 && cur->p[i - 2] != '?')
			return 0;
		if (marks >= 3 && i + 1 < max && cur->p[i + 1] == '=')
			return i + 2;
	}
	return 0;
}

void
mail_unquote(struct str quoted, struct buffer *out)
{
	for (size_t i = 1; i + 1 < quoted.len; i++) {
		if (quoted.ptr[i] == '\\' && i + 2 < quoted.len)
			i++;
		buffer_add_byte(out, quoted.ptr[i]);
	}
}

bool
mail_cur_cfws(struct mail_cursor *cur, struct buffer *comment)
{
	const char *start = cur->p;
	size_t len;

	while (cur->p < cur->end) {
		if (mail_is_blank((unsigned char)*cur->p)) {
			cur->p++;
			continue;
		}
		len = mail_cur_comment_len(cur);
		if (len == 0)
			break;
		if (comment != NULL) {
			buffer_reset(comment);
			mail_unquote(str_from(cur->p, len), comment);
		}
		cur->p += len;
	}
	return cur->p != start;
}

struct str
mail_cur_token(struct mail_cursor *cur)
{
	const char *start = cur->p;

	while (mail_is_token(mail_cur_peek(cur)))
		cur->p++;
	return str_from(start, (size_t)(cur->p - start));
}

bool
mail_cur_byte(struct mail_cursor *cur, char c)
{
	if (mail_cur_peek(cur) != (unsigned char)c)
		return false;
	cur->p++;
	return true;
}
