/* The heap, where failure ends the process: every size that a peer chooses was checked before. */
#ifndef SORA_CORE_MEM_H
#define SORA_CORE_MEM_H

#include <stddef.h>

/* Never NULL; not zeroed. The caller frees with free(). */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
/* `count` * `size` zeroed bytes; the product is checked. */
void *mem_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
/* As realloc, `count` * `size` being checked. */
void *mem_resize(void *ptr, size_t count, size_t size);
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));

#define MEM_NEW(type) ((type *)mem_calloc(1, sizeof(type)))

#endif
