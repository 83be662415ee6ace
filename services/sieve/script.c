/* A script's life: compiled, shared, freed. */
#include "services/sieve/script.h"

#include <stdlib.h>

#include "libcommon/core/mem.h"

const struct sieve_limits sieve_limits_default = {
	.source_bytes = 64 * 1024,
	.nesting = 50,
	.problems = 50,
	.steps = 1000 * 1000,
	.cpu_ms = 1000,
	.memory_bytes = 32 * 1024 * 1024,
	.actions = 32,
	.redirects = 4,
	.variables = 255,
	.variable_bytes = 16 * 1024,
	.includes = 100,
	.include_depth = 10,
	.regex_steps = 100 * 1000,
	.vacation_min_s = 0,
	.vacation_default_s = 7 * 24 * 60 * 60,
	.vacation_max_s = 30 * 24 * 60 * 60,
};

void *
sieve_grow(struct arena *arena, void *items, size_t count, size_t *room, size_t item_bytes)
{
	void *bigger;

	if (count < *room)
		return items;
	*room = *room > 0 ? *room * 2 : 8;
	bigger = arena_calloc(arena, *room, item_bytes);
	if (count > 0)
		memcpy(bigger, items, count * item_bytes);
	return bigger;
}

static enum err
compile(struct sieve_check *check, struct str source)
{
	struct sieve_problem problem;
	struct sieve_syntax *first;

	if (check->limits->source_bytes > 0 && source.len > check->limits->source_bytes) {
		sieve_problem(check, 1, 1, "the script is too long: %zu bytes, at most %llu are allowed", source.len,
		    (unsigned long long)check->limits->source_bytes);
		return ERR_TOO_BIG;
	}
	if (sieve_parse(source, check->limits, check->arena, &first, &problem) != ERR_OK)
		return sieve_problem(check, problem.line, problem.column, "%.*s", STR_ARG(problem.text));
	return sieve_check_script(check, first);
}

enum err
sieve_compile(struct str source, const struct sieve_limits *limits, struct arena *arena, struct sieve_script **ret_script,
    struct sieve_problems *ret_problems)
{
	struct sieve_script *script = MEM_NEW(struct sieve_script);
	struct sieve_check check = { .script = script, .limits = limits, .arena = arena };
	enum err err;

	atomic_init(&script->refs, 1);
	err = compile(&check, source);
	*ret_problems = (struct sieve_problems){ check.problems.items, check.problems.count };
	if (err == ERR_OK)
		*ret_script = script;
	else
		sieve_script_unref(script);
	return err;
}

struct sieve_script *
sieve_script_ref(struct sieve_script *script)
{
	atomic_fetch_add(&script->refs, 1);
	return script;
}

void
sieve_script_unref(struct sieve_script *script)
{
	if (script == NULL || atomic_fetch_sub(&script->refs, 1) > 1)
		return;
	arena_clear(&script->arena);
	free(script);
}

size_t
sieve_script_bytes(const struct sieve_script *script)
{
	return sizeof(*script) + script->arena.used_bytes;
}
