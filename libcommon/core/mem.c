/* The heap, where failure ends the process. */
#include "libcommon/core/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
or_die(void *ptr, size_t count, size_t size)
{
	if (ptr != NULL)
		return ptr;
	fprintf(stderr, "level=error event=memory.exhausted bytes=%zu count=%zu\n", size, count);
	abort();
}

void *
mem_alloc(size_t size)
{
	return or_die(malloc(size ? size : 1), 1, size);
}

void *
mem_calloc(size_t count, size_t size)
{
	return or_die(calloc(count ? count : 1, size ? size : 1), count, size);
}

void *
mem_resize(void *ptr, size_t count, size_t size)
{
	return or_die(reallocarray(ptr, count ? count : 1, size ? size : 1), count, size);
}

char *
mem_strdup(const char *text)
{
	return or_die(strdup(text), 1, strlen(text) + 1);
}
