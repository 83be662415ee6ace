/*
 * Memory with one lifetime: allocate freely, give all of it back at once.
 *
 * Running out of memory ends the process (see mem.h); what a peer may make us allocate is bounded before, by the caller's
 * limits or by arena_set_limit.
 */
#ifndef SORA_CORE_ARENA_H
#define SORA_CORE_ARENA_H

#include <stdarg.h>

#include "libcommon/core/str.h"

struct arena_block;
struct arena_hook;

/* Zeroed is a valid, empty arena. Not thread safe. */
struct arena {
	struct arena_block *blocks;
	struct arena_hook *hooks;
	size_t used_bytes;
	size_t limit_bytes; /* 0: none */
};

/* `size` bytes, zeroed, aligned for any type. Never NULL. */
void *arena_alloc(struct arena *arena, size_t size);
/* The same, but NULL once the arena would hold more than its limit. */
void *arena_try_alloc(struct arena *arena, size_t size);
/* From now on arena_try_alloc refuses to go beyond `bytes` in total; 0 takes the limit away. */
void arena_set_limit(struct arena *arena, size_t bytes);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_calloc((arena), (count), sizeof(type)))
/* `count` * `size` bytes, zeroed; the product is checked. */
void *arena_calloc(struct arena *arena, size_t count, size_t size);

/* Copies, NUL-terminated behind the length. */
struct str arena_copy(struct arena *arena, struct str s);
char *arena_cstr(struct arena *arena, struct str s);
struct str arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct str arena_vprintf(struct arena *arena, const char *format, va_list args);
/* ASCII letters made lower or upper case, in a copy. */
struct str arena_lower(struct arena *arena, struct str s);
struct str arena_upper(struct arena *arena, struct str s);

/* Call `run(value)` when the arena is reset or cleared: the newest first. */
void arena_defer(struct arena *arena, void (*run)(void *value), void *value);

/* Run the hooks and forget everything, keeping one block for what comes next. */
void arena_reset(struct arena *arena);
/* Run the hooks and free everything. */
void arena_clear(struct arena *arena);

#endif
