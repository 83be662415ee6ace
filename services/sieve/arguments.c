/* The arguments of a command or test: tags by their rows, the others by its parameters.                  RFC 5228 s. 2.6 */
#include "services/sieve/script.h"

#include <stdio.h>

static const char *const type_names[] = {
	[SIEVE_NONE] = "nothing",
	[SIEVE_NUMBER] = "a number",
	[SIEVE_STRING] = "a string",
	[SIEVE_STRINGS] = "a string or a list of strings",
};

static const char *const argument_names[] = {
	[SIEVE_ARGUMENT_TAG] = "a tag",
	[SIEVE_ARGUMENT_NUMBER] = "a number",
	[SIEVE_ARGUMENT_STRING] = "a string",
	[SIEVE_ARGUMENT_LIST] = "a list of strings",
};

static bool
fits(enum sieve_type type, enum sieve_argument_kind kind)
{
	switch (kind) {
	case SIEVE_ARGUMENT_NUMBER:
		return type == SIEVE_NUMBER;
	case SIEVE_ARGUMENT_STRING:
		return type == SIEVE_STRING || type == SIEVE_STRINGS;
	case SIEVE_ARGUMENT_LIST:
		return type == SIEVE_STRINGS;
	case SIEVE_ARGUMENT_TAG:
		break;
	}
	return false;
}

static enum err
check_strings(struct sieve_check *check, const struct sieve_argument *argument, const struct sieve_parameter *parameter, struct sieve_value *value)
{
	struct sieve_string *strings = ARENA_ARRAY(&check->script->arena, struct sieve_string, argument->string_count);
	const struct sieve_syntax_string *syntax = argument->strings;

	for (size_t i = 0; i < argument->string_count; i++, syntax = syntax->next) {
		strings[i] = (struct sieve_string){ .text = syntax->text, .line = syntax->line, .column = syntax->column };
		TRY(sieve_check_string(check, &strings[i]));
		if (parameter->is_constant && strings[i].pieces != NULL)
			return SIEVE_PROBLEM(check, syntax, "the %s has to be a constant, without variables", parameter->name);
	}
	value->strings = strings;
	value->count = argument->string_count;
	return ERR_OK;
}

/* The argument as the value of this parameter of `whom`. */
static enum err
check_value(struct sieve_check *check, const struct sieve_argument *argument, const struct sieve_parameter *parameter, const char *whom,
    struct sieve_value *ret_value)
{
	if (!fits(parameter->type, argument->kind))
		return SIEVE_PROBLEM(check, argument, "%s: the %s is expected, %s, not %s", whom, parameter->name,
		    type_names[parameter->type], argument_names[argument->kind]);
	*ret_value = (struct sieve_value){ .type = parameter->type, .line = argument->line, .column = argument->column, .number = argument->number };
	return parameter->type == SIEVE_NUMBER ? ERR_OK : check_strings(check, argument, parameter, ret_value);
}

/* May the tag be there beside those that are? */
static enum err
check_twice(struct sieve_check *check, const struct sieve_node *node, const struct sieve_tag *tag, const struct sieve_argument *at)
{
	for (size_t i = 0; i < node->tag_count; i++) {
		const struct sieve_tag *other = node->tags[i].row;

		if (other == tag)
			return SIEVE_PROBLEM(check, at, "'%s' has ':%s' already", node->row->name, tag->name);
		if (tag->group != NULL && other->group != NULL && strcmp(tag->group, other->group) == 0)
			return SIEVE_PROBLEM(check, at, "':%s' beside ':%s': only one %s is allowed", tag->name, other->name, tag->group);
	}
	return ERR_OK;
}

/* A tag and its argument; *argument moves behind both. */
static enum err
check_tag(struct sieve_check *check, struct sieve_node *node, struct sieve_tag_use *uses, const struct sieve_argument **argument)
{
	const struct sieve_argument *at = *argument;
	struct sieve_found found = sieve_find_tag(node->row, at->text);
	const struct sieve_tag *tag = found.row;
	struct sieve_tag_use *use = &uses[node->tag_count];
	char name[64];

	if (tag == NULL)
		return SIEVE_PROBLEM(check, at, "'%s' does not take ':%.*s'", node->row->name, STR_ARG(str_sub(at->text, 0, 40)));
	TRY(sieve_check_need(check, found.extension, at->line, at->column, ":", at->text));
	TRY(check_twice(check, node, tag, at));
	*use = (struct sieve_tag_use){ .row = tag, .value = { .line = at->line, .column = at->column } };
	*argument = at->next;
	if (tag->argument.type != SIEVE_NONE) {
		snprintf(name, sizeof(name), "':%s' of '%s'", tag->name, node->row->name);
		if (at->next == NULL)
			return SIEVE_PROBLEM(check, at, "%s: the %s is missing, %s", name, tag->argument.name,
			    type_names[tag->argument.type]);
		TRY(check_value(check, at->next, &tag->argument, name, &use->value));
		*argument = at->next->next;
	}
	node->tag_count++;
	return ERR_OK;
}

static size_t
count_arguments(const struct sieve_argument *argument)
{
	size_t count = 0;

	for (; argument != NULL; argument = argument->next)
		count++;
	return count;
}

/* The arguments without a tag, by the row's parameters: optional ones are missing when there are too few, the first of them first. */
static enum err
check_positional(struct sieve_check *check, struct sieve_node *node, const struct sieve_argument *argument)
{
	const struct sieve_parameter *parameters = node->row->parameters;
	size_t total = 0, missing, given = count_arguments(argument);

	while (total < SIEVE_PARAMETERS_MAX && parameters[total].type != SIEVE_NONE)
		total++;
	missing = given < total ? total - given : 0;
	for (size_t i = 0; i < total; i++) {
		if (missing > 0 && parameters[i].is_optional) {
			missing--;
			continue;
		}
		if (argument == NULL)
			return SIEVE_PROBLEM(check, node, "'%s': the %s is missing, %s", node->row->name, parameters[i].name,
			    type_names[parameters[i].type]);
		if (argument->kind == SIEVE_ARGUMENT_TAG)
			return SIEVE_PROBLEM(check, argument, "'%s': ':%.*s' has to stand before the other arguments",
			    node->row->name, STR_ARG(str_sub(argument->text, 0, 40)));
		TRY(check_value(check, argument, &parameters[i], node->row->name, &node->arguments[i]));
		argument = argument->next;
	}
	if (argument != NULL)
		return SIEVE_PROBLEM(check, argument, "'%s': this is one argument too many", node->row->name);
	return ERR_OK;
}

/* RFC 8580 s. 3.1: what says how a copy is filed needs the copy. */
static enum err
check_fcc(struct sieve_check *check, const struct sieve_node *node)
{
	if (!(node->row->flags & SIEVE_FCC) || sieve_tag(node, "fcc") != NULL)
		return ERR_OK;
	for (size_t i = 0; i < node->tag_count; i++)
		if (node->tags[i].row->is_fcc_option)
			return SIEVE_PROBLEM(check, &node->tags[i].value, "':%s' of '%s' needs ':fcc'", node->tags[i].row->name, node->row->name);
	return ERR_OK;
}

enum err
sieve_check_arguments(struct sieve_check *check, struct sieve_node *node, const struct sieve_argument *argument)
{
	struct sieve_tag_use *uses = ARENA_ARRAY(&check->script->arena, struct sieve_tag_use, count_arguments(argument) + 1);

	node->tags = uses;
	while (argument != NULL && argument->kind == SIEVE_ARGUMENT_TAG)
		TRY(check_tag(check, node, uses, &argument));
	TRY(check_fcc(check, node));
	return check_positional(check, node, argument);
}
