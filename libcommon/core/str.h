/* Views of bytes: a pointer and a length. NUL is data. */
#ifndef SORA_CORE_STR_H
#define SORA_CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that someone else owns; `ptr` may be NULL when `len` is 0. */
struct str {
	const char *ptr;
	size_t len;
};

/* A view of a string literal, or of an array whose last byte is NUL. */
#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
/* printf: "%.*s", STR_ARG(s) */
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""
#define STR_NONE ((struct str){ NULL, 0 })

static inline struct str
str_from(const void *ptr, size_t len)
{
	return (struct str){ ptr, len };
}

/* A view of a C string; NULL gives the empty view. */
static inline struct str
str_c(const char *text)
{
	return (struct str){ text, text ? strlen(text) : 0 };
}

static inline bool
str_equal(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Order by bytes, a prefix first: <0, 0, >0. */
int str_compare(struct str a, struct str b);

/* ASCII letters of either case are equal; all other bytes must be the same. */
bool str_equal_nocase(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
bool str_starts_with_nocase(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);

/* Index of the first `byte`, or `s.len` when there is none. */
size_t str_index(struct str s, char byte);
/* Index of the last `byte`, or `s.len` when there is none. */
size_t str_rindex(struct str s, char byte);
/* Index of `needle`, or `s.len`. An empty needle is found at 0. */
size_t str_find(struct str s, struct str needle);
/* The same, ASCII letters of either case being equal. */
size_t str_find_nocase(struct str s, struct str needle);

/* `s` from byte `from` (clamped), at most `len` bytes (clamped; SIZE_MAX = the rest). */
struct str str_sub(struct str s, size_t from, size_t len);
/* Without leading and trailing space, tab, CR and LF. */
struct str str_trim(struct str s);

/*
 * Cut `*rest` at the first `byte`: returns what stood before it and moves `*rest` behind it.
 * Without `byte`, returns all and leaves `*rest` empty with ptr == NULL. False once *rest is at its end
 * (ptr == NULL), so `while (str_split(&rest, ',', &part))` visits every part, empty ones too.
 */
bool str_split(struct str *rest, char byte, struct str *ret_part);

/* Decimal digits only, no sign, no overflow; the whole view. False leaves *ret alone. */
bool str_to_u32(struct str s, uint32_t *ret);
bool str_to_u64(struct str s, uint64_t *ret);

/* Is this well-formed UTF-8 (no surrogates, no overlong forms, up to U+10FFFF)? NUL counts as well formed. */
bool str_is_utf8(struct str s);

/* FNV-1a, 64 bits: for tables in memory, not for anything that a peer may aim at. */
uint64_t str_hash(struct str s);

static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline char
ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

#endif
