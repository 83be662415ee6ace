/* A queue of bytes on the heap. */
#include "libcommon/core/buffer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "libcommon/core/mem.h"

enum { SIZE_MIN = 256 };

char *
buffer_reserve(struct buffer *b, size_t len)
{
	size_t held = buffer_len(b);
	size_t size = b->size ? b->size : SIZE_MIN;

	if (b->size - b->end >= len && b->bytes != NULL)
		return b->bytes + b->end;
	assert(len < SIZE_MAX / 4 && held < SIZE_MAX / 4);
	if (b->start > 0) {
		memmove(b->bytes, b->bytes + b->start, held);
		b->start = 0;
		b->end = held;
	}
	while (size - held < len)
		size *= 2;
	if (size != b->size || b->bytes == NULL) {
		b->bytes = mem_resize(b->bytes, size, 1);
		b->size = size;
	}
	return b->bytes + b->end;
}

void
buffer_grew(struct buffer *b, size_t len)
{
	assert(len <= b->size - b->end);
	b->end += len;
}

void
buffer_add(struct buffer *b, struct str s)
{
	if (s.len == 0)
		return;
	memcpy(buffer_reserve(b, s.len), s.ptr, s.len);
	b->end += s.len;
}

void
buffer_add_byte(struct buffer *b, char c)
{
	*buffer_reserve(b, 1) = c;
	b->end++;
}

void
buffer_vprintf(struct buffer *b, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(b->bytes ? b->bytes + b->end : NULL, buffer_room(b), format, args);
	assert(len >= 0);
	if ((size_t)len >= buffer_room(b))
		vsnprintf(buffer_reserve(b, (size_t)len + 1), (size_t)len + 1, format, again);
	va_end(again);
	b->end += (size_t)len;
}

void
buffer_printf(struct buffer *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buffer_vprintf(b, format, args);
	va_end(args);
}

void
buffer_consume(struct buffer *b, size_t len)
{
	size_t held = buffer_len(b);

	b->start += len < held ? len : held;
	if (b->start == b->end)
		b->start = b->end = 0;
}

void
buffer_truncate(struct buffer *b, size_t len)
{
	if (len < buffer_len(b))
		b->end = b->start + len;
}

void
buffer_reset(struct buffer *b)
{
	b->start = b->end = 0;
}

void
buffer_release(struct buffer *b)
{
	if (buffer_len(b) == 0)
		buffer_clear(b);
}

void
buffer_clear(struct buffer *b)
{
	free(b->bytes);
	*b = (struct buffer){ 0 };
}
