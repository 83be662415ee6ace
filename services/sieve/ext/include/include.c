/* include, return, global.                                                                             RFC 6609 */
#include "services/sieve/ext/variables/variables.h"

extern const struct sieve_extension sieve_ext_include;

/* A script that was included, or is being: those of one main script. */
struct included {
	struct str name;
	bool is_global, is_running;
};

struct includes {
	struct included *items;
	size_t count, room;
	uint64_t total, depth;
};

/* ---- names */

/* RFC 5804 s. 1.6: UTF-8 without control characters and line separators. Scripts are no files, so "/" and ".." mean nothing (RFC 6609 s. 4). */
static bool
is_script_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i], next = i + 1 < name.len ? (unsigned char)name.ptr[i + 1] : 0;

		if (c < 0x20 || c == 0x7f || (c == 0xC2 && next >= 0x80 && next <= 0x9f))
			return false;
		if (str_starts_with(str_sub(name, i, SIZE_MAX), STR("\xE2\x80\xA8")) || str_starts_with(str_sub(name, i, SIZE_MAX), STR("\xE2\x80\xA9")))
			return false;
	}
	return name.len > 0 && str_is_utf8(name);
}

static enum sieve_need_kind
kind_of(const struct sieve_node *node)
{
	return sieve_tag(node, "global") != NULL ? SIEVE_NEED_INCLUDE_GLOBAL : SIEVE_NEED_INCLUDE_PERSONAL;
}

static enum err
include_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_string *name = node->arguments[0].strings;

	if (is_script_name(name->text)) {
		sieve_check_will_ask(check, kind_of(node), name->text, STR_NONE);
		return ERR_OK;
	}
	return SIEVE_PROBLEM(check, name, "\"%.*s\" can not be the name of a script", STR_ARG(str_sub(name->text, 0, 80)));
}

/* ---- include */

static struct included *
find(const struct includes *includes, struct str name, bool is_global)
{
	for (size_t i = 0; i < includes->count; i++)
		if (str_equal(includes->items[i].name, name) && includes->items[i].is_global == is_global)
			return &includes->items[i];
	return NULL;
}

static enum err
check_limits(struct sieve_run *run, const struct sieve_node *node, const struct includes *includes)
{
	const struct sieve_limits *limits = sieve_limits(run);

	if (limits->includes > 0 && includes->total >= limits->includes)
		return sieve_fail(run, node, "more than %llu scripts are included", (unsigned long long)limits->includes);
	if (limits->include_depth > 0 && includes->depth >= limits->include_depth)
		return sieve_fail(run, node, "scripts include each other deeper than %llu", (unsigned long long)limits->include_depth);
	return ERR_OK;
}

static enum err
run_included(struct sieve_run *run, const struct sieve_node *node, struct includes *includes, struct included entry,
    const struct sieve_answer *answer)
{
	struct included *found = find(includes, entry.name, entry.is_global);
	size_t index = found != NULL ? (size_t)(found - includes->items) : includes->count;

	TRY(check_limits(run, node, includes));
	if (answer->script == NULL)
		return sieve_fail(run, node, "the script \"%.*s\" can not be run: %.*s", STR_ARG(entry.name), STR_ARG(answer->text));
	if (found == NULL) {
		includes->items = sieve_grow(sieve_arena(run), includes->items, includes->count, &includes->room, sizeof(*includes->items));
		includes->items[includes->count++] = entry;
	}
	includes->items[index].is_running = true;
	includes->total++;
	includes->depth++;
	TRY(sieve_run_script(run, answer->script, entry.name));
	includes->depth--;
	includes->items[index].is_running = false;
	return ERR_OK;
}

static enum err
include_run(struct sieve_run *run, const struct sieve_node *node)
{
	struct includes *includes = sieve_state(run, &sieve_ext_include, SIEVE_PER_SCRIPT);
	struct included entry = { .name = node->arguments[0].strings->text, .is_global = sieve_tag(node, "global") != NULL };
	const struct included *found = find(includes, entry.name, entry.is_global);
	const struct sieve_answer *answer;

	if (found != NULL && sieve_tag(node, "once") != NULL)
		return ERR_OK;
	if (found != NULL && found->is_running)
		return sieve_fail(run, node, "the script \"%.*s\" includes itself", STR_ARG(entry.name));
	TRY(sieve_ask(run, kind_of(node), entry.name, STR_NONE, &answer));
	if (answer->exists)
		return run_included(run, node, includes, entry, answer);
	if (sieve_tag(node, "optional") != NULL)
		return ERR_OK;
	return sieve_fail(run, node, "there is no script \"%.*s\" to include", STR_ARG(entry.name));
}

static enum err
return_run(struct sieve_run *run, const struct sieve_node *node)
{
	(void)node;
	sieve_return(run);
	return ERR_OK;
}

/* ---- global */

static enum err
global_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_value *names = &node->arguments[0];

	for (size_t i = 0; i < names->count; i++)
		if (!sieve_variable_is_name(names->strings[i].text))
			return SIEVE_PROBLEM(check, &names->strings[i], "\"%.*s\" can not be the name of a variable",
			    STR_ARG(str_sub(names->strings[i].text, 0, 40)));
	return ERR_OK;
}

static enum err
global_run(struct sieve_run *run, const struct sieve_node *node)
{
	for (size_t i = 0; i < node->arguments[0].count; i++)
		TRY(sieve_variable_make_global(run, node->arguments[0].strings[i].text));
	return ERR_OK;
}

static enum err
global_get(struct sieve_run *run, struct str name, struct str *ret_value)
{
	*ret_value = sieve_global_get(run, name);
	return ERR_OK;
}

static const struct sieve_namespace GLOBAL = { .name = "global", .is_name = sieve_variable_is_name, .get = global_get, .set = sieve_global_set };

static const struct sieve_command COMMANDS[] = {
	{ .name = "include", .parameters = { { SIEVE_STRING, "name of a script", .is_constant = true } }, .check = include_check, .run = include_run },
	{ .name = "return", .run = return_run },
	{ .name = "global", .parameters = { { SIEVE_STRINGS, "list of variables", .is_constant = true } }, .also = "variables",
	    .check = global_check, .run = global_run },
	{ 0 },
};

static const struct sieve_tag TAGS[] = {
	{ .name = "personal", .commands = "include", .group = "of ':personal' and ':global'" },
	{ .name = "global", .commands = "include", .group = "of ':personal' and ':global'" },
	{ .name = "once", .commands = "include" },
	{ .name = "optional", .commands = "include" },
	{ 0 },
};

const struct sieve_extension sieve_ext_include = {
	.name = "include",
	.commands = COMMANDS,
	.tags = TAGS,
	.space = &GLOBAL,
	.state_bytes = { [SIEVE_PER_SCRIPT] = sizeof(struct includes) },
};
