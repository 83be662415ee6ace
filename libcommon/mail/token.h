/* Small bounded verbs over a structured field's value, for the parsers of this directory.       RFC 5322 s. 3.2, RFC 2045 s. 5.1 */
#ifndef SORA_MAIL_TOKEN_H
#define SORA_MAIL_TOKEN_H

#include "libcommon/core/buffer.h"

struct mail_cursor {
	const char *p, *end;
};

static inline struct mail_cursor
mail_cur(struct str s)
{
	return (struct mail_cursor){ s.ptr, s.len > 0 ? s.ptr + s.len : s.ptr };
}

/* The byte at the cursor, or -1 at the end. */
static inline int
mail_cur_peek(const struct mail_cursor *cur)
{
	return cur->p < cur->end ? (unsigned char)*cur->p : -1;
}

static inline bool
mail_is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* 0 to 15, or -1. */
int mail_hex_value(char c);

/* RFC 2045 s. 5.1: any printable ASCII but the tspecials. */
bool mail_is_token(int c);

/*
 * The length of the comment, quoted string or encoded word that begins at the cursor, its delimiters included; 0 when it is none,
 * has no end, or is nested deeper than MAIL_COMMENT_DEPTH_MAX. Linear in all, because depth and encoded words are bounded.
 */
size_t mail_cur_comment_len(const struct mail_cursor *cur);
size_t mail_cur_quoted_len(const struct mail_cursor *cur);
size_t mail_cur_word_len(const struct mail_cursor *cur);

/* Append what stands between the delimiters of `quoted` (a quoted string or comment), backslashes taken off. */
void mail_unquote(struct str quoted, struct buffer *out);

/* Skip blanks and comments. The text of the last comment is put into `comment`, unless that is NULL. True if there was anything. */
bool mail_cur_cfws(struct mail_cursor *cur, struct buffer *comment);
/* Token characters, perhaps none. */
struct str mail_cur_token(struct mail_cursor *cur);
/* Is `c` next? Then it is skipped. */
bool mail_cur_byte(struct mail_cursor *cur, char c);

#endif
