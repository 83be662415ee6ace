/* A queue of bytes on the heap: written at the end, consumed from the front. */
#ifndef SORA_CORE_BUFFER_H
#define SORA_CORE_BUFFER_H

#include <stdarg.h>

#include "libcommon/core/str.h"

/* Zeroed is a valid, empty buffer, which holds no memory. */
struct buffer {
	char *bytes;
	size_t start, end, size;
};

static inline size_t
buffer_len(const struct buffer *b)
{
	return b->end - b->start;
}

/* What is in it; valid until the next change. */
static inline struct str
buffer_str(const struct buffer *b)
{
	return str_from(b->bytes ? b->bytes + b->start : NULL, b->end - b->start);
}

/* Room for at least `len` more bytes; returns where they go. Write there, then buffer_grew. */
char *buffer_reserve(struct buffer *b, size_t len);
void buffer_grew(struct buffer *b, size_t len);
static inline size_t
buffer_room(const struct buffer *b)
{
	return b->size - b->end;
}

void buffer_add(struct buffer *b, struct str s);
void buffer_add_byte(struct buffer *b, char c);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *b, const char *format, va_list args);

/* Take `len` bytes from the front (at most what is there). */
void buffer_consume(struct buffer *b, size_t len);
/* Take bytes from the end until `len` are left. */
void buffer_truncate(struct buffer *b, size_t len);
/* Forget the bytes, keep the memory. */
void buffer_reset(struct buffer *b);
/* Free the memory if it is empty: what a connection does before it is parked. */
void buffer_release(struct buffer *b);
void buffer_clear(struct buffer *b);

#endif
