/*
 * Scripts and mails: a script, a line "---", a mail. Properties: a script printed in its canonical form and parsed is the same, and compiles or
 * does not as it did before; a run gives the same result twice, within its limits; after a failure the mail is kept and nothing else is done; what
 * a script sends has CRLF at the end of lines and nowhere else.
 */
#include <stdlib.h>

#include "services/sieve/sieve.h"

#include "libcommon/core/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { ROUNDS_MAX = 30, NEEDS_MAX = 200, MORE_MEMORY = 4 * 1024 * 1024 /* taken between two looks at the limit */ };

static const struct sieve_limits LIMITS = { .nesting = 30, .problems = 10, .steps = 20000, .memory_bytes = 4 * 1024 * 1024, .actions = 20,
	.redirects = 3, .variables = 20, .variable_bytes = 1000, .includes = 5, .include_depth = 3, .regex_steps = 2000,
	.vacation_max_s = 86400 * 30, .vacation_default_s = 86400 * 7 };

static void
check(bool is_true)
{
	if (!is_true)
		abort();
}

static struct sieve_script *
compile(struct str source, struct arena *arena)
{
	struct sieve_problems problems;
	struct sieve_script *script;
	enum err err = sieve_compile(source, &LIMITS, arena, &script, &problems);

	check(err == ERR_OK || problems.count > 0);
	return err == ERR_OK ? script : NULL;
}

static void
check_canonical(struct str source, bool compiles, struct arena *arena)
{
	struct str once, twice;
	struct sieve_script *script;

	if (!sieve_canonical(source, &LIMITS, arena, &once)) {
		check(!compiles);
		return;
	}
	check(sieve_canonical(once, &LIMITS, arena, &twice) && str_equal(once, twice));
	script = compile(once, arena);
	check((script != NULL) == compiles);
	sieve_script_unref(script);
}

/* Every second thing that is asked for is there; what is included is the script itself. */
static void
answer(struct sieve_script *script, const struct sieve_need *need, struct sieve_answer *answer)
{
	answer->need = *need;
	answer->exists = (str_hash(need->name) & 1) != 0;
	answer->text = need->name;
	if (need->kind == SIEVE_NEED_INCLUDE_PERSONAL || need->kind == SIEVE_NEED_INCLUDE_GLOBAL)
		answer->script = script;
}

static void
run(struct sieve_script *script, struct str mail, struct arena *arena, struct sieve_result *ret_result)
{
	struct sieve_program program = { STR("main"), script };
	struct sieve_answer *answers = ARENA_ARRAY(arena, struct sieve_answer, NEEDS_MAX);
	size_t end = str_find(mail, STR("\n\n")), count = 0;
	struct sieve_input input = { .header = str_sub(mail, 0, end + 2), .size = mail.len, .sender = STR("a@example.org"),
		.recipient = STR("b+c@example.org"), .address = STR("b@example.org"), .detail_separator = STR("+"), .hostname = STR("example.org"),
		.seed = STR("seed"), .now_ms = 1795694400000, .answers = answers };

	for (size_t round = 0; round < ROUNDS_MAX; round++) {
		sieve_run(&program, 1, &input, &LIMITS, arena, ret_result);
		if (ret_result->outcome != SIEVE_NEED)
			return;
		for (size_t i = 0; i < ret_result->need_count && count < NEEDS_MAX; i++)
			if (ret_result->needs[i].kind == SIEVE_NEED_BODY)
				input.body = end + 2 < mail.len ? str_sub(mail, end + 2, SIZE_MAX) : STR("");
			else
				answer(script, &ret_result->needs[i], &answers[count++]);
		input.answer_count = count;
	}
}

static void
check_lines(struct str message)
{
	for (size_t i = 0; i < message.len; i++) {
		check(message.ptr[i] != '\n' || (i > 0 && message.ptr[i - 1] == '\r'));
		check(message.ptr[i] != '\r' || (i + 1 < message.len && message.ptr[i + 1] == '\n'));
	}
}

static void
check_result(const struct sieve_result *result)
{
	if (result->outcome == SIEVE_FAILED)
		check(result->action_count == 1 && result->actions[0].kind == SIEVE_KEEP && str_is_utf8(result->failure.text));
	for (size_t i = 0; i < result->action_count; i++)
		if (result->actions[i].kind == SIEVE_SEND && result->actions[i].send == SIEVE_SEND_VACATION)
			check_lines(result->actions[i].message);
}

static struct str
printed(const struct sieve_result *result, struct arena *arena)
{
	struct buffer out = { 0 };
	struct str text;

	sieve_print_result(result, &out);
	text = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return text;
}

static struct str
run_once(struct sieve_script *script, struct str mail, struct arena *arena)
{
	struct sieve_result result;
	size_t before = arena->used_bytes;

	run(script, mail, arena, &result);
	check(arena->used_bytes - before <= (LIMITS.memory_bytes + MORE_MEMORY) * ROUNDS_MAX);
	check_result(&result);
	return printed(&result, arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str all = str_from(bytes, len), source = str_sub(all, 0, str_find(all, STR("\n---\n")));
	struct str mail = str_sub(all, source.len + 5, SIZE_MAX);
	struct arena arena = { 0 };
	struct sieve_script *script = compile(source, &arena);

	check_canonical(source, script != NULL, &arena);
	if (script != NULL)
		check(str_equal(run_once(script, mail, &arena), run_once(script, mail, &arena)));
	sieve_script_unref(script);
	arena_clear(&arena);
	return 0;
}
