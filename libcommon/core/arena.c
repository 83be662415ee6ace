/* Memory with one lifetime: blocks that double, freed together. */
#include "libcommon/core/arena.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "libcommon/core/mem.h"

enum { BLOCK_MIN = 512, BLOCK_MAX = 64 * 1024 };

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	_Alignas(max_align_t) char bytes[];
};

struct arena_hook {
	struct arena_hook *next;
	void (*run)(void *value);
	void *value;
};

static struct arena_block *
block_new(struct arena *arena, size_t need)
{
	size_t size = arena->blocks ? arena->blocks->size * 2 : BLOCK_MIN;
	struct arena_block *block;

	if (size > BLOCK_MAX)
		size = BLOCK_MAX;
	if (size < need)
		size = need;
	block = mem_alloc(sizeof(*block) + size);
	block->size = size;
	block->used = 0;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

/* Not zeroed. */
static void *
take(struct arena *arena, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	struct arena_block *block = arena->blocks;
	void *p;

	assert(size <= SIZE_MAX - sizeof(*block) - align);
	size = (size + align - 1) & ~(align - 1);
	if (block == NULL || block->size - block->used < size)
		block = block_new(arena, size);
	p = block->bytes + block->used;
	block->used += size;
	arena->used_bytes += size;
	return p;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	return memset(take(arena, size), 0, size);
}

void *
arena_try_alloc(struct arena *arena, size_t size)
{
	if (arena->limit_bytes != 0 &&
	    (size > arena->limit_bytes || arena->used_bytes > arena->limit_bytes - size))
		return NULL;
	return arena_alloc(arena, size);
}

void
arena_set_limit(struct arena *arena, size_t bytes)
{
	arena->limit_bytes = bytes;
}

void *
arena_calloc(struct arena *arena, size_t count, size_t size)
{
	assert(size == 0 || count <= SIZE_MAX / 2 / size);
	return arena_alloc(arena, count * size);
}

char *
arena_cstr(struct arena *arena, struct str s)
{
	char *copy = take(arena, s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}

struct str
arena_copy(struct arena *arena, struct str s)
{
	return str_from(arena_cstr(arena, s), s.len);
}

struct str
arena_vprintf(struct arena *arena, const char *format, va_list args)
{
	va_list again;
	int len;
	char *text;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	assert(len >= 0);
	text = take(arena, (size_t)len + 1);
	vsnprintf(text, (size_t)len + 1, format, again);
	va_end(again);
	return str_from(text, (size_t)len);
}

struct str
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	struct str s;

	va_start(args, format);
	s = arena_vprintf(arena, format, args);
	va_end(args);
	return s;
}

struct str
arena_lower(struct arena *arena, struct str s)
{
	char *copy = arena_cstr(arena, s);

	for (size_t i = 0; i < s.len; i++)
		copy[i] = ascii_lower(copy[i]);
	return str_from(copy, s.len);
}

struct str
arena_upper(struct arena *arena, struct str s)
{
	char *copy = arena_cstr(arena, s);

	for (size_t i = 0; i < s.len; i++)
		copy[i] = ascii_upper(copy[i]);
	return str_from(copy, s.len);
}

void
arena_defer(struct arena *arena, void (*run)(void *value), void *value)
{
	struct arena_hook *hook = ARENA_NEW(arena, struct arena_hook);

	hook->run = run;
	hook->value = value;
	hook->next = arena->hooks;
	arena->hooks = hook;
}

static void
free_blocks(struct arena_block *block)
{
	while (block != NULL) {
		struct arena_block *next = block->next;

		free(block);
		block = next;
	}
}

static void
run_hooks(struct arena *arena)
{
	while (arena->hooks != NULL) {
		struct arena_hook *hook = arena->hooks;

		arena->hooks = hook->next;
		hook->run(hook->value);
	}
	arena->used_bytes = 0;
}

void
arena_reset(struct arena *arena)
{
	run_hooks(arena);
	if (arena->blocks == NULL)
		return;
	free_blocks(arena->blocks->next);
	arena->blocks->next = NULL;
	arena->blocks->used = 0;
	if (arena->blocks->size > BLOCK_MAX) {
		free(arena->blocks);
		arena->blocks = NULL;
	}
}

void
arena_clear(struct arena *arena)
{
	run_hooks(arena);
	free_blocks(arena->blocks);
	arena->blocks = NULL;
}
