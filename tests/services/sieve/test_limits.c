/* No script takes more than its limits of time and memory, however hard it tries. */
#include <criterion/criterion.h>
#include <time.h>

#include "libcommon/core/buffer.h"
#include "services/sieve/sieve.h"

enum {
	MB = 1024 * 1024,
	SLACK_BYTES = 8 * MB,   /* what one step may take beyond the limit before it is looked at */
	CPU_MS = 6000,          /* limits.cpu_ms, and as much as sanitizers make of the rest */
};

static const char REQUIRE[] = "require [\"variables\", \"fileinto\", \"include\", \"regex\", \"imap4flags\", \"relational\"];\r\n";

static void
repeat(struct buffer *out, unsigned count, const char *text)
{
	for (unsigned i = 0; i < count; i++)
		buffer_add(out, str_c(text));
}

/* ---- the scripts */

static void
doubling(struct buffer *out)
{
	buffer_add(out, STR("set \"a\" \"0123456789abcdef\";\r\n"));
	repeat(out, 500, "set \"a\" \"${a}${a}\";\r\n");
}

static void
many_variables(struct buffer *out)
{
	for (unsigned i = 0; i < 2000; i++)
		buffer_printf(out, "set \"v%u\" \"x\";\r\n", i);
}

static void
big_variables(struct buffer *out)
{
	buffer_add(out, STR("set \"a\" \"0123456789abcdef\";\r\n"));
	repeat(out, 12, "set \"a\" \"${a}${a}\";\r\n");
	for (unsigned i = 0; i < 1500; i++)
		buffer_printf(out, "set \"v%u\" \"${a}\";\r\n", i % 200);
}

static void
regex_blow_up(struct buffer *out)
{
	repeat(out, 200, "if header :regex \"subject\" \"^(a+)+$\" { keep; }\r\n");
}

static void
glob_blow_up(struct buffer *out)
{
	repeat(out, 100, "if header :matches \"x-long\" \"*a*a*a*a*a*a*a*a*a*a*aaaaaaaaaaaaaaaaaaaaaaaaaab\" { keep; }\r\n");
}

static void
endless_elsif(struct buffer *out)
{
	buffer_add(out, STR("if false { keep; }\r\n"));
	repeat(out, 2500, "elsif not true { keep; }\r\n");
}

static void
deep_blocks(struct buffer *out)
{
	repeat(out, 3000, "if true {");
	repeat(out, 3000, "}");
}

static void
deep_tests(struct buffer *out)
{
	buffer_add(out, STR("if "));
	repeat(out, 5000, "not ");
	buffer_add(out, STR("true { keep; }"));
}

static void
long_line(struct buffer *out)
{
	buffer_add(out, STR("if header \"subject\" [\"x\""));
	repeat(out, 12000, ", \"y\"");
	buffer_add(out, STR("] { keep; }"));
}

static void
long_list_of_fields(struct buffer *out)
{
	for (unsigned i = 0; i < 20; i++) {
		buffer_add(out, STR("if header :contains [\"x-many\""));
		repeat(out, 150, ", \"x-many\"");
		buffer_add(out, STR("] [\"nothing\""));
		repeat(out, 150, ", \"none\"");
		buffer_add(out, STR("] { keep; }\r\n"));
	}
}

static void
include_itself(struct buffer *out)
{
	repeat(out, 100, "include \"me\"; include \"you\";\r\n");
}

static void
flags_without_end(struct buffer *out)
{
	for (unsigned i = 0; i < 1500; i++)
		buffer_printf(out, "addflag \"flag%u other%u\";\r\n", i, i);
}

static void
actions_without_end(struct buffer *out)
{
	for (unsigned i = 0; i < 1500; i++)
		buffer_printf(out, "fileinto \"box%u\";\r\n", i);
}

static void
redirects_without_end(struct buffer *out)
{
	for (unsigned i = 0; i < 1000; i++)
		buffer_printf(out, "redirect \"a%u@example.org\";\r\n", i);
}

static const struct hostile {
	const char *name;
	void (*write)(struct buffer *out);
	enum err compiles;
	enum sieve_outcome outcome;
} scripts[] = {
	{ "doubling variables", doubling, ERR_OK, SIEVE_OK },
	{ "many variables", many_variables, ERR_OK, SIEVE_FAILED },
	{ "big variables", big_variables, ERR_OK, SIEVE_FAILED },
	{ "regular expressions", regex_blow_up, ERR_OK, SIEVE_FAILED },
	{ "wildcards", glob_blow_up, ERR_OK, SIEVE_OK },
	{ "endless elsif", endless_elsif, ERR_OK, SIEVE_OK },
	{ "deep blocks", deep_blocks, ERR_SYNTAX, SIEVE_OK },
	{ "deep tests", deep_tests, ERR_SYNTAX, SIEVE_OK },
	{ "a long line", long_line, ERR_OK, SIEVE_OK },
	{ "long lists", long_list_of_fields, ERR_OK, SIEVE_FAILED },
	{ "includes", include_itself, ERR_OK, SIEVE_FAILED },
	{ "flags", flags_without_end, ERR_OK, SIEVE_FAILED },
	{ "actions", actions_without_end, ERR_OK, SIEVE_FAILED },
	{ "redirects", redirects_without_end, ERR_OK, SIEVE_FAILED },
};

/* ---- running them */

static int64_t
cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct str
hostile_header(struct arena *arena)
{
	struct buffer out = { 0 };
	struct str header;

	buffer_add(&out, STR("Subject: "));
	repeat(&out, 60, "a");
	buffer_add(&out, STR("!\r\nX-Long: "));
	repeat(&out, 20000, "a");
	buffer_add(&out, STR("\r\n"));
	repeat(&out, 2000, "X-Many: something that is not there\r\n");
	buffer_add(&out, STR("\r\n"));
	header = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	return header;
}

/* A script to include is this one again, under either name. */
static void
run(struct sieve_script *script, struct arena *arena, struct sieve_result *ret_result)
{
	const struct sieve_program program = { STR("main"), script };
	struct sieve_answer answers[2] = {
		{ .need = { SIEVE_NEED_INCLUDE_PERSONAL, STR("me"), STR_NONE }, .exists = true, .script = script },
		{ .need = { SIEVE_NEED_INCLUDE_PERSONAL, STR("you"), STR_NONE }, .exists = true, .script = script },
	};
	struct sieve_input input = { .header = hostile_header(arena), .sender = STR("a@example.org"), .recipient = STR("b@example.org"),
		.seed = STR("seed"), .answers = answers, .answer_count = 2 };

	sieve_run(&program, 1, &input, &sieve_limits_default, arena, ret_result);
}

static void
try(const struct hostile *hostile)
{
	struct arena arena = { 0 };
	struct buffer source = { 0 };
	struct sieve_problems problems;
	struct sieve_script *script = NULL;
	struct sieve_result result = { 0 };
	int64_t start = cpu_ms();

	buffer_add(&source, str_c(REQUIRE));
	hostile->write(&source);
	cr_expect_eq(sieve_compile(buffer_str(&source), &sieve_limits_default, &arena, &script, &problems), hostile->compiles, "%s", hostile->name);
	cr_expect(arena.used_bytes < SLACK_BYTES, "%s: %zu bytes to compile", hostile->name, arena.used_bytes);
	if (script != NULL) {
		cr_expect(sieve_script_bytes(script) < SLACK_BYTES, "%s: %zu bytes compiled", hostile->name, sieve_script_bytes(script));
		run(script, &arena, &result);
		cr_expect_eq(result.outcome, hostile->outcome, "%s: %.*s", hostile->name, STR_ARG(result.failure.text));
		cr_expect(arena.used_bytes < sieve_limits_default.memory_bytes + SLACK_BYTES, "%s: %zu bytes", hostile->name, arena.used_bytes);
	}
	cr_expect(cpu_ms() - start < CPU_MS, "%s: %lld ms", hostile->name, (long long)(cpu_ms() - start));
	sieve_script_unref(script);
	buffer_clear(&source);
	arena_clear(&arena);
}

Test(sieve_limits, hostile_scripts_stay_within_time_and_memory)
{
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		try(&scripts[i]);
}

Test(sieve_limits, a_failure_leaves_the_implicit_keep_alone)
{
	struct arena arena = { 0 };
	struct sieve_problems problems;
	struct sieve_script *script;
	struct sieve_result result;
	struct buffer source = { 0 };

	buffer_add(&source, str_c(REQUIRE));
	actions_without_end(&source);
	cr_assert_eq(sieve_compile(buffer_str(&source), &sieve_limits_default, &arena, &script, &problems), ERR_OK);
	run(script, &arena, &result);
	cr_assert_eq(result.outcome, SIEVE_FAILED);
	cr_assert_eq(result.action_count, 1);
	cr_assert(result.actions[0].kind == SIEVE_KEEP && result.actions[0].line == 0);
	cr_assert_eq(result.failure.line, 34, "%u", result.failure.line);
	sieve_script_unref(script);
	buffer_clear(&source);
	arena_clear(&arena);
}

Test(sieve_limits, the_longest_script_is_the_limit)
{
	struct arena arena = { 0 };
	struct sieve_limits limits = sieve_limits_default;
	struct sieve_problems problems;
	struct sieve_script *script;

	limits.source_bytes = 5;
	cr_assert_eq(sieve_compile(STR("keep;"), &limits, &arena, &script, &problems), ERR_OK);
	sieve_script_unref(script);
	cr_assert_eq(sieve_compile(STR("keep; "), &limits, &arena, &script, &problems), ERR_TOO_BIG);
	cr_assert_eq(problems.count, 1);
	arena_clear(&arena);
}
