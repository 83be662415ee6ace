/* sieve-cases FILE...: run the cases of each file with the engine, print "ok FILE: N" or "FAIL FILE:LINE" and why for each. */
#include <stdio.h>

#include "libcommon/core/buffer.h"
#include "tests/sieve/world.h"

struct check {
	struct world world;
	struct arena *arena;
	const char *path;
	unsigned passed, failed;
};

static void
fail(struct check *check, unsigned line, struct str wanted, struct str found)
{
	printf("FAIL %s:%u\n    wanted: %.*s\n    found:  %.*s\n", check->path, line, STR_ARG(wanted), STR_ARG(found));
	check->failed++;
}

/* One thing was as it should be, or was not. */
static void
judge(struct check *check, unsigned line, bool is_right, struct str wanted, struct str found)
{
	if (is_right)
		check->passed++;
	else
		fail(check, line, wanted, found);
}

static struct str
printed(struct check *check)
{
	struct sieve_result result = check->world.result;
	struct sieve_action *actions = ARENA_ARRAY(check->arena, struct sieve_action, result.action_count + 1);
	struct buffer out = { 0 };
	struct str text;

	/* Messages and headers have sections of their own. */
	for (size_t i = 0; i < result.action_count; i++) {
		actions[i] = result.actions[i];
		actions[i].message = actions[i].header = STR_NONE;
	}
	result.actions = actions;
	sieve_print_result(&result, &out);
	text = arena_copy(check->arena, buffer_str(&out));
	buffer_clear(&out);
	return text;
}

/* The result of `source` as text, or why there is none. */
static struct str
run(struct check *check, struct str source)
{
	const char *wrong = world_run(&check->world, source);

	return wrong ? str_c(wrong) : printed(check);
}

static struct str
joined(struct check *check, const struct section *section)
{
	struct str text = STR_NONE;

	for (size_t i = 0; i < section->line_count; i++)
		text = arena_printf(check->arena, "%.*s%.*s\n", STR_ARG(text), STR_ARG(section->lines[i]));
	return text;
}

static void
check_actions(struct check *check, const struct section *section)
{
	struct str wanted = joined(check, section), found = run(check, check->world.script);

	judge(check, section->line, str_equal(wanted, found), wanted, found);
}

static void
check_failure(struct check *check, const struct section *section)
{
	struct str found = run(check, check->world.script), rest = section->argument, first = STR_NONE;
	const struct sieve_result *result = &check->world.result;
	uint32_t line = 0;

	str_split(&rest, ' ', &first);
	if (!str_to_u32(first, &line))
		rest = section->argument;
	judge(check, section->line, result->outcome == SIEVE_FAILED && str_is_utf8(result->failure.text) && (line == 0 || line == result->failure.line) &&
	    str_find_nocase(result->failure.text, rest) < result->failure.text.len + (rest.len == 0) && result->action_count == 1 &&
	    result->actions[0].kind == SIEVE_KEEP && result->actions[0].line == 0, section->argument, found);
}

static bool
is_problem(const struct sieve_problem *problem, struct str wanted, struct arena *arena)
{
	struct str where = arena_printf(arena, "%u:%u", problem->line, problem->column), at;
	bool is_warning = str_starts_with(wanted, STR("warning "));

	wanted = is_warning ? str_sub(wanted, 8, SIZE_MAX) : wanted;
	str_split(&wanted, ' ', &at);
	if (str_ends_with(at, STR(":")))
		where = str_sub(where, 0, str_index(where, ':') + 1);
	return str_equal(where, at) && is_warning == problem->is_warning && (wanted.len == 0 || str_find(problem->text, wanted) < problem->text.len);
}

static enum err
compile(struct check *check, struct str source, struct sieve_problems *ret_problems, struct str *ret_text)
{
	struct sieve_script *script;
	struct buffer out = { 0 };
	enum err err = sieve_compile(source, &check->world.limits, check->arena, &script, ret_problems);

	if (err == ERR_OK)
		sieve_script_unref(script);
	sieve_print_problems(ret_problems, &out);
	*ret_text = arena_copy(check->arena, buffer_str(&out));
	buffer_clear(&out);
	return err;
}

static void
check_problems(struct check *check, const struct section *section)
{
	struct sieve_problems problems;
	struct str text;
	enum err err = compile(check, check->world.script, &problems, &text);
	bool is_right = problems.count == section->line_count, is_error = false;

	for (size_t i = 0; is_right && i < section->line_count; i++) {
		is_right = is_problem(&problems.items[i], section->lines[i], check->arena);
		is_error |= !problems.items[i].is_warning;
	}
	judge(check, section->line, is_right && is_error == (err != ERR_OK), joined(check, section), text);
}

/* Each line of the section, with those behind it that begin with a tab. */
static void
for_each(struct check *check, const struct section *section, void (*run_one)(struct check *, const struct section *, unsigned, struct str))
{
	for (size_t i = 0, next; i < section->line_count; i = next) {
		struct str text = section->lines[i];

		for (next = i + 1; next < section->line_count && str_starts_with(section->lines[next], STR("\t")); next++)
			text = arena_printf(check->arena, "%.*s\r\n%.*s", STR_ARG(text), STR_ARG(section->lines[next]));
		if (text.len > 0)
			run_one(check, section, section->line + 1 + (unsigned)i, text);
	}
}

static void
check_validity(struct check *check, const struct section *section, unsigned line, struct str source)
{
	struct sieve_problems problems;
	struct str text;
	bool is_valid = compile(check, source, &problems, &text) == ERR_OK;

	judge(check, line, is_valid == str_equal(section->name, STR("valid")), section->name, text);
}

static bool
did(const struct sieve_result *result, enum sieve_action_kind kind)
{
	for (size_t i = 0; i < result->action_count; i++)
		if (result->actions[i].kind == kind && result->actions[i].line > 0)
			return true;
	return false;
}

static void
check_test(struct check *check, const struct section *section, unsigned line, struct str test)
{
	struct world *world = &check->world;
	struct buffer source = { 0 };
	struct str found;

	if (world->require.len > 0)
		buffer_printf(&source, "require [%.*s];\r\n", STR_ARG(world->require));
	buffer_printf(&source, "%.*sif ", STR_ARG(world->setup));
	buffer_add(&source, test);
	buffer_add(&source, STR("{ discard; } else { keep; }\r\n"));
	found = run(check, arena_copy(check->arena, buffer_str(&source)));
	buffer_clear(&source);
	judge(check, line, world->result.outcome == SIEVE_OK && did(&world->result, str_equal(section->name, STR("true")) ? SIEVE_DISCARD : SIEVE_KEEP),
	    section->name, found);
}

static const struct sieve_action *
action_with(const struct sieve_result *result, bool (*has)(const struct sieve_action *))
{
	for (size_t i = 0; i < result->action_count; i++)
		if (has(&result->actions[i]))
			return &result->actions[i];
	return NULL;
}

static bool
has_message(const struct sieve_action *action)
{
	return action->message.ptr != NULL;
}

static bool
has_header(const struct sieve_action *action)
{
	return action->header.ptr != NULL;
}

static bool
is_line(struct str line, struct str wanted)
{
	if (str_ends_with(wanted, STR("...")))
		return str_starts_with(line, str_sub(wanted, 0, wanted.len - 3));
	return str_equal(line, wanted);
}

/* From *rest on there is a line like `wanted`, and *rest is moved behind it. */
static bool
find_line(struct str *rest, struct str wanted)
{
	struct str line;

	while (str_split(rest, '\n', &line))
		if (is_line(str_ends_with(line, STR("\r")) ? str_sub(line, 0, line.len - 1) : line, wanted))
			return true;
	return false;
}

static void
check_sent(struct check *check, const struct section *section)
{
	const struct sieve_action *action = action_with(&check->world.result, has_message);
	struct str message = action ? action->message : STR_NONE, rest = message;
	bool is_right = action != NULL;

	for (size_t i = 0; is_right && i < section->line_count; i++) {
		struct str wanted = section->lines[i], all = message;

		is_right = str_starts_with(wanted, STR("!")) ? !find_line(&all, str_sub(wanted, 1, SIZE_MAX)) : find_line(&rest, wanted);
		if (!is_right)
			fail(check, section->line + 1 + (unsigned)i, wanted, message);
	}
	check->passed += is_right;
	if (!action)
		fail(check, section->line, STR("a message"), printed(check));
}

static void
check_header(struct check *check, const struct section *section)
{
	const struct sieve_action *action = action_with(&check->world.result, has_header);
	struct str found = action ? action->header : STR_NONE, wanted = case_text(section, check->arena);

	if (str_ends_with(found, STR("\r\n\r\n")))
		found = str_sub(found, 0, found.len - 2);
	judge(check, section->line, str_equal(section->argument, STR("unchanged")) ? !action : str_equal(wanted, found), wanted, found);
}

static void
run_section(struct check *check, const struct section *section)
{
	static const struct {
		struct str name;
		void (*check)(struct check *, const struct section *);
		void (*check_line)(struct check *, const struct section *, unsigned, struct str);
	} checks[] = {
		{ STR("actions"), check_actions, NULL },
		{ STR("failure"), check_failure, NULL },
		{ STR("problems"), check_problems, NULL },
		{ STR("sent"), check_sent, NULL },
		{ STR("header"), check_header, NULL },
		{ STR("true"), NULL, check_test },
		{ STR("false"), NULL, check_test },
		{ STR("valid"), NULL, check_validity },
		{ STR("invalid"), NULL, check_validity },
	};

	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
		if (str_equal(section->name, checks[i].name)) {
			if (checks[i].check)
				checks[i].check(check, section);
			else
				for_each(check, section, checks[i].check_line);
			return;
		}
	if (!world_set(&check->world, section))
		fail(check, section->line, STR("a section that case.h names"), section->name);
}

static bool
run_file(const char *path)
{
	struct arena arena = { 0 };
	struct case_file file;
	struct check check = { .arena = &arena, .path = path };
	const char *wrong = case_read(path, &arena, &file);

	world_init(&check.world, &arena);
	if (wrong)
		fail(&check, 1, STR("a file of cases"), str_c(wrong));
	else
		for (size_t i = 0; i < file.count; i++)
			run_section(&check, &file.sections[i]);
	if (check.failed == 0)
		printf("ok   %s: %u\n", path, check.passed);
	fflush(stdout);
	arena_clear(&arena);
	return check.failed == 0 && check.passed > 0;
}

int
main(int argc, char **argv)
{
	int status = argc > 1 ? 0 : 2;

	if (argc < 2 || str_equal(str_c(argv[1]), STR("--help")))
		puts("usage: sieve-cases FILE...\n\nRuns files of cases, whose form tests/sieve/case.h describes: \"ok FILE: N\" when all N are right.");
	else
		for (int i = 1; i < argc; i++)
			if (!run_file(argv[i]))
				status = 1;
	return status;
}
