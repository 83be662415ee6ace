/*
 * The checker: finds the row of each command and test, and makes the tree that is run.                      RFC 5228 s. 2.6, 2.10.5
 *
 * It goes on after an error, so that a user learns of all of them at once. Behind an "ihave" of something that is not here (RFC 5463 s. 4)
 * what is wrong is not an error until it is run: a node that does so takes its place. Without one it can be of no extension, and is an error.
 */
#include "services/sieve/script.h"

/* ---- problems */

static void
add_problem(struct sieve_check *check, struct sieve_problem problem)
{
	struct sieve_problem_list *list = &check->problems;

	if (check->limits->problems > 0 && list->count >= check->limits->problems)
		return;
	list->items = sieve_grow(check->arena, list->items, list->count, &list->room, sizeof(*list->items));
	list->items[list->count++] = problem;
}

enum err
sieve_problem(struct sieve_check *check, uint32_t line, uint32_t column, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_problem(check, (struct sieve_problem){ .line = line, .column = column, .text = arena_vprintf(check->arena, format, args) });
	va_end(args);
	check->errors++;
	return ERR_SYNTAX;
}

void
sieve_warn(struct sieve_check *check, uint32_t line, uint32_t column, const char *format, ...)
{
	va_list args;

	/* Errors have room, however many warnings there are. */
	if (check->limits->problems > 0 && check->problems.count >= check->limits->problems / 2)
		return;
	va_start(args, format);
	add_problem(check, (struct sieve_problem){ .line = line, .column = column, .is_warning = true,
		.text = arena_vprintf(check->arena, format, args) });
	va_end(args);
}

/* ---- extensions */

struct arena *
sieve_check_arena(struct sieve_check *check)
{
	return &check->script->arena;
}

const struct sieve_limits *
sieve_check_limits(const struct sieve_check *check)
{
	return check->limits;
}

void
sieve_check_will_ask(struct sieve_check *check, enum sieve_need_kind kind, struct str name, struct str scope)
{
	struct sieve_script *script = check->script;

	script->needs = sieve_grow(&script->arena, script->needs, script->need_count, &script->need_room, sizeof(*script->needs));
	script->needs[script->need_count++] = (struct sieve_need){ kind, arena_copy(&script->arena, name), arena_copy(&script->arena, scope) };
}

static bool
is_enabled(const struct sieve_check *check, size_t extension)
{
	return (check->script->enabled >> extension & 1) || (check->script->has_ihave && !sieve_extensions[extension]->is_grammar);
}

bool
sieve_check_has(const struct sieve_check *check, struct str extension)
{
	struct sieve_found found = sieve_find_extension(extension);

	return found.row != NULL && is_enabled(check, found.extension);
}

void
sieve_check_defer(struct sieve_check *check)
{
	check->is_deferring = true;
}

bool
sieve_check_enable(struct sieve_check *check, struct str extension)
{
	struct sieve_found found = sieve_find_extension(extension);

	if (found.row == NULL)
		return false;
	check->script->enabled |= UINT64_C(1) << found.extension;
	if (sieve_extensions[found.extension]->brings != NULL)
		sieve_check_enable(check, str_c(sieve_extensions[found.extension]->brings));
	check->script->has_ihave |= str_equal(extension, STR("ihave"));
	return true;
}

enum err
sieve_check_need(struct sieve_check *check, size_t extension, uint32_t line, uint32_t column, const char *kind, struct str name)
{
	check->needs |= UINT64_C(1) << extension;
	if (is_enabled(check, extension))
		return ERR_OK;
	return sieve_problem(check, line, column, "%s%.*s needs 'require \"%s\";' at the beginning of the script", kind, STR_ARG(name),
	    sieve_extensions[extension]->name);
}

/* ---- what matches */

static enum err
check_comparator(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_tag_use *use = sieve_tag_of(node, SIEVE_GROUP_COMPARATOR);
	struct str name = use != NULL ? use->value.strings->text : STR("i;ascii-casemap");
	struct sieve_found found = sieve_find_comparator(name);

	node->comparator = found.row;
	if (node->comparator == NULL)
		return SIEVE_PROBLEM(check, &use->value, "there is no comparator \"%.*s\"", STR_ARG(str_sub(name, 0, 40)));
	return use != NULL ? sieve_check_need(check, found.extension, use->value.line, use->value.column, "the comparator ", name) : ERR_OK;
}

static enum err
check_matching(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_match_type *type;

	TRY(check_comparator(check, node));
	node->match = sieve_tag_of(node, SIEVE_GROUP_MATCH);
	if (node->match == NULL) {
		struct sieve_tag_use *is = ARENA_NEW(&check->script->arena, struct sieve_tag_use);

		is->row = sieve_find_tag(node->row, STR("is")).row;
		node->match = is;
	}
	type = node->match->row->what;
	if (type->needs_substring && !node->comparator->has_substring)
		return SIEVE_PROBLEM(check, node, "the comparator \"%s\" can not be used with ':%s'", node->comparator->name,
		    node->match->row->name);
	return sieve_check_keys(check, node);
}

static void
check_address_part(struct sieve_node *node)
{
	const struct sieve_tag_use *use = sieve_tag_of(node, SIEVE_GROUP_ADDRESS_PART);
	const struct sieve_tag *row = use != NULL ? use->row : sieve_find_tag(node->row, STR("all")).row;

	node->address_part = row->what;
}

/* The checks of the rows, those of the tags first. */
static enum err
check_rows(struct sieve_check *check, struct sieve_node *node)
{
	if (node->row->flags & SIEVE_ADDRESS_PARTS)
		check_address_part(node);
	for (size_t i = 0; i < node->tag_count; i++)
		if (node->tags[i].row->check != NULL)
			TRY(node->tags[i].row->check(check, node, &node->tags[i].value));
	if (node->row->flags & SIEVE_MATCHES)
		TRY(check_matching(check, node));
	return node->row->check != NULL ? node->row->check(check, node) : ERR_OK;
}

/* ---- nodes */

static enum err
check_shape(struct sieve_check *check, const struct sieve_node *node, const struct sieve_syntax *syntax)
{
	unsigned flags = node->row->flags;
	const char *name = node->row->name;

	/* "keep" and on the next line "discard;" */
	if (syntax->tests != NULL && !syntax->has_list && !(flags & (SIEVE_TAKES_TEST | SIEVE_TAKES_TESTS)) &&
	    sieve_find_command(syntax->tests->name, false).row != NULL)
		return sieve_problem(check, syntax->end_line, syntax->end_column, "';' is expected here, not '%.*s'",
		    STR_ARG(str_sub(syntax->tests->name, 0, 40)));
	if (syntax->has_block && !(flags & SIEVE_TAKES_BLOCK))
		return SIEVE_PROBLEM(check, node, "'%s' does not take a block: ';' is expected behind it", name);
	if (!syntax->has_block && (flags & SIEVE_TAKES_BLOCK))
		return SIEVE_PROBLEM(check, node, "'%s': a block in '{' and '}' is missing", name);
	if (syntax->tests != NULL && !(flags & (SIEVE_TAKES_TEST | SIEVE_TAKES_TESTS)))
		return SIEVE_PROBLEM(check, syntax->tests, "'%s' does not take a test", name);
	if ((flags & SIEVE_TAKES_TEST) && (syntax->tests == NULL || syntax->has_list))
		return SIEVE_PROBLEM(check, node, "'%s': one test is expected%s", name,
		    syntax->has_list ? "; use 'allof' or 'anyof' before the list" : "");
	if ((flags & SIEVE_TAKES_TESTS) && !syntax->has_list)
		return SIEVE_PROBLEM(check, node, "'%s': a list of tests in '(' and ')' is expected", name);
	return ERR_OK;
}

static enum err
find_row(struct sieve_check *check, const struct sieve_syntax *syntax, bool is_test, struct sieve_node *node)
{
	struct sieve_found found = sieve_find_command(syntax->name, is_test);
	const char *kind = is_test ? "test" : "command", *nearest;
	struct str name = str_sub(syntax->name, 0, 40);

	node->row = found.row;
	if (node->row != NULL)
		TRY(sieve_check_need(check, found.extension, node->line, node->column, is_test ? "the test " : "the command ", name));
	else if (sieve_find_command(syntax->name, !is_test).row != NULL)
		return SIEVE_PROBLEM(check, node, "'%.*s' is a %s: a %s is expected here", STR_ARG(name),
		    is_test ? "command" : "test", kind);
	else if ((nearest = sieve_nearest_command(syntax->name, is_test)) != NULL)
		return SIEVE_PROBLEM(check, node, "unknown %s '%.*s'; did you mean '%s'?", kind, STR_ARG(name), nearest);
	else
		return SIEVE_PROBLEM(check, node, "unknown %s '%.*s'", kind, STR_ARG(name));
	if (node->row->also != NULL)
		return sieve_check_need(check, sieve_find_extension(str_c(node->row->also)).extension, node->line, node->column,
		    is_test ? "the test " : "the command ", name);
	return ERR_OK;
}

static enum err
check_own(struct sieve_check *check, const struct sieve_syntax *syntax, bool is_test, struct sieve_node *node)
{
	TRY(find_row(check, syntax, is_test, node));
	TRY(check_shape(check, node, syntax));
	TRY(sieve_check_arguments(check, node, syntax->arguments));
	return check_rows(check, node);
}

/* ---- what is wrong, but not before it is run */

static enum err
broken_run(struct sieve_run *run, const struct sieve_node *node)
{
	const struct sieve_problem *problem = node->prepared;

	return sieve_fail(run, node, "%.*s", STR_ARG(problem->text));
}

static enum err
broken_test(struct sieve_run *run, const struct sieve_node *node, bool *ret_is_true)
{
	(void)ret_is_true;
	return broken_run(run, node);
}

static const struct sieve_command broken = { .name = "what is wrong", .run = broken_run, .test = broken_test };

/* The problems from number `first` on are no errors yet: the first of them is what the node says when it is run. */
static void
defer_problems(struct sieve_check *check, struct sieve_node *node, size_t first)
{
	struct sieve_problem *problem = ARENA_NEW(&check->script->arena, struct sieve_problem);

	if (first < check->problems.count)
		problem->text = arena_copy(&check->script->arena, check->problems.items[first].text);
	for (size_t i = first; i < check->problems.count; i++)
		check->problems.items[i].is_warning = true;
	*node = (struct sieve_node){ .row = &broken, .line = node->line, .column = node->column, .prepared = problem };
}

/* ---- the tree */

static struct sieve_block check_block(struct sieve_check *check, const struct sieve_syntax *first);
static struct sieve_node *check_node(struct sieve_check *check, const struct sieve_syntax *syntax, bool is_test);

static void
check_tests(struct sieve_check *check, const struct sieve_syntax *syntax, struct sieve_node *node)
{
	struct sieve_node **tests;
	size_t count = 0;

	for (const struct sieve_syntax *test = syntax->tests; test != NULL; test = test->next)
		count++;
	tests = ARENA_ARRAY(&check->script->arena, struct sieve_node *, count + 1);
	for (const struct sieve_syntax *test = syntax->tests; test != NULL; test = test->next)
		tests[node->test_count++] = check_node(check, test, true);
	node->tests = tests;
}

/* Never NULL; after an error what is returned is not run. */
static struct sieve_node *
check_node(struct sieve_check *check, const struct sieve_syntax *syntax, bool is_test)
{
	struct sieve_node *node = ARENA_NEW(&check->script->arena, struct sieve_node);
	size_t problems = check->problems.count, errors = check->errors;

	node->line = syntax->line;
	node->column = syntax->column;
	check->needs = 0;
	/* What is required has to be there, with "ihave" too: nothing is run before that is known (RFC 5228 s. 2.10.5). */
	if (check_own(check, syntax, is_test, node) != ERR_OK && check->is_deferring && !(node->row != NULL && (node->row->flags & SIEVE_FIRST))) {
		defer_problems(check, node, problems);
		check->errors = errors;
		return node;
	}
	node->extensions = check->needs;
	if (node->row == NULL || (node->row->flags & (SIEVE_TAKES_TEST | SIEVE_TAKES_TESTS)))
		check_tests(check, syntax, node);
	node->block = check_block(check, syntax->block);
	return node;
}

/* Does the command stand where it may? */
static void
check_place(struct sieve_check *check, const struct sieve_node *node, const struct sieve_node *before, bool is_at_top)
{
	unsigned flags = node->row != NULL ? node->row->flags : 0;

	if ((flags & SIEVE_FIRST) && (!is_at_top || (before != NULL && before->row != NULL && !(before->row->flags & SIEVE_FIRST))))
		SIEVE_PROBLEM(check, node, "'%s' has to stand before all other commands", node->row->name);
	/* What could not be understood may well have been an "if". */
	if ((flags & SIEVE_CONTINUES) && (before == NULL || (before->row != NULL && before->row != &broken &&
	    ((before->row->flags & SIEVE_ENDS) || !(before->row->flags & (SIEVE_BEGINS | SIEVE_CONTINUES))))))
		SIEVE_PROBLEM(check, node, "'%s' is allowed only behind the block of an 'if' or 'elsif'", node->row->name);
}

static struct sieve_block
check_commands(struct sieve_check *check, const struct sieve_syntax *first, bool is_at_top)
{
	struct sieve_node **nodes, *before = NULL;
	size_t count = 0;

	for (const struct sieve_syntax *syntax = first; syntax != NULL; syntax = syntax->next)
		count++;
	nodes = ARENA_ARRAY(&check->script->arena, struct sieve_node *, count + 1);
	count = 0;
	for (const struct sieve_syntax *syntax = first; syntax != NULL; syntax = syntax->next) {
		struct sieve_node *node = check_node(check, syntax, false);

		check_place(check, node, before, is_at_top);
		if (before != NULL && node->row != NULL && (node->row->flags & SIEVE_CONTINUES))
			before->otherwise = node;
		else
			nodes[count++] = node;
		before = node;
	}
	return (struct sieve_block){ nodes, count };
}

static struct sieve_block
check_block(struct sieve_check *check, const struct sieve_syntax *first)
{
	return check_commands(check, first, false);
}

enum err
sieve_check_script(struct sieve_check *check, const struct sieve_syntax *first)
{
	check->script->enabled = sieve_implied_extensions();
	check->script->block = check_commands(check, first, true);
	return check->errors > 0 ? ERR_SYNTAX : ERR_OK;
}
