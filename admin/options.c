/* The command line: every option is a row. */
#include "admin/options.h"

#include "admin/command.h"

const struct admin_option_row admin_options[ADMIN_OPT_COUNT] = {
#define X(id, name, value, help) [ADMIN_OPT_##id] = { name, value, help },
	ADMIN_OPTION_TABLE(X)
#undef X
};

struct parse {
	struct admin_line line;
	struct buffer *problem;
	const char *operands[ADMIN_OPERANDS_MAX];
	size_t operand_count;
};

static enum err
wrong(struct parse *parse, const char *text, const char *what)
{
	buffer_printf(parse->problem, "%s %s", text, what);
	return ERR_SYNTAX;
}

static enum admin_option
option_find(struct str name)
{
	for (int i = ADMIN_OPT_NONE + 1; i < ADMIN_OPT_COUNT; i++)
		if (str_equal(str_c(admin_options[i].name), name))
			return (enum admin_option)i;
	return ADMIN_OPT_NONE;
}

static enum err
option_set(struct parse *parse, enum admin_option option, const char *value)
{
	if (parse->line.given & UINT64_C(1) << option)
		return wrong(parse, "given twice:", admin_options[option].name);
	parse->line.given |= UINT64_C(1) << option;
	parse->line.values[option] = value;
	return ERR_OK;
}

/* "--name", "--name=value", or "--name" and the next argument. */
static enum err
parse_option(struct parse *parse, int argc, char **argv, int *at)
{
	const char *arg = argv[*at];
	size_t len = strcspn(arg, "=");
	const char *value = arg[len] == '=' ? arg + len + 1 : NULL;
	enum admin_option option = option_find(str_from(arg, len));

	if (option == ADMIN_OPT_NONE)
		return wrong(parse, "unknown option", arg);
	if (admin_options[option].value == NULL) {
		if (value != NULL)
			return wrong(parse, "no value is expected for", admin_options[option].name);
		return option_set(parse, option, "");
	}
	if (value == NULL && ++*at >= argc)
		return wrong(parse, "a value is expected for", admin_options[option].name);
	return option_set(parse, option, value != NULL ? value : argv[*at]);
}

/* `help COMMAND` is `COMMAND --help`. */
static enum err
take_help(struct parse *parse)
{
	if (parse->operand_count == 0 || strcmp(parse->operands[0], "help") != 0)
		return ERR_OK;
	parse->line.given |= ADMIN_OPT(HELP);
	memmove(parse->operands, parse->operands + 1, sizeof(parse->operands) - sizeof(parse->operands[0]));
	parse->operand_count--;
	return ERR_OK;
}

/* A command of two words; what follows it moves up. */
static void
take_noun_and_verb(struct parse *parse)
{
	struct buffer name = { 0 };

	buffer_printf(&name, "%s %s", parse->operands[0], parse->operands[1]);
	parse->line.command = admin_command_find(buffer_str(&name));
	buffer_clear(&name);
	if (parse->line.command != NULL)
		memmove(parse->operands + 1, parse->operands + 2, (--parse->operand_count - 1) * sizeof(parse->operands[0]));
}

static enum err
take_command(struct parse *parse)
{
	if (parse->operand_count == 0)
		return ERR_OK;
	parse->line.command = admin_command_find(str_c(parse->operands[0]));
	if (parse->line.command == NULL && parse->operand_count > 1)
		take_noun_and_verb(parse);
	return parse->line.command != NULL ? ERR_OK : wrong(parse, "unknown command", parse->operands[0]);
}

/* Was it given, or what stands in its place? */
static bool
is_settled(const struct parse *parse, enum admin_option option)
{
	if (option == ADMIN_OPT_EMAIL && admin_has(&parse->line, ADMIN_OPT(GLOBAL)))
		return true;
	return parse->line.given & UINT64_C(1) << option;
}

/* What stands without a name fills the command's operands that were not named, in order. */
static enum err
take_operands(struct parse *parse)
{
	const struct admin_command *command = parse->line.command;
	size_t place = 0;

	for (size_t i = 1; i < parse->operand_count; i++) {
		while (place < ADMIN_COMMAND_OPERANDS && command->operands[place] != ADMIN_OPT_NONE &&
		    is_settled(parse, command->operands[place]))
			place++;
		if (place == ADMIN_COMMAND_OPERANDS || command->operands[place] == ADMIN_OPT_NONE)
			return wrong(parse, "one argument too many:", parse->operands[i]);
		TRY(option_set(parse, command->operands[place], parse->operands[i]));
	}
	return ERR_OK;
}

static enum err
check_command(struct parse *parse)
{
	const struct admin_command *command = parse->line.command;

	if (admin_has(&parse->line, ADMIN_OPT(GLOBAL)) && admin_has(&parse->line, ADMIN_OPT(EMAIL)))
		return wrong(parse, "--global stands in place of", parse->line.values[ADMIN_OPT_EMAIL]);
	for (int i = ADMIN_OPT_NONE + 1; i < ADMIN_OPT_COUNT; i++) {
		uint64_t bit = UINT64_C(1) << i;

		if (parse->line.given & bit & ~(command->options | ADMIN_OPTS_COMMON)) {
			buffer_printf(parse->problem, "%s has no option %s", command->name, admin_options[i].name);
			return ERR_SYNTAX;
		}
		if (command->needs & bit && !is_settled(parse, (enum admin_option)i)) {
			buffer_printf(parse->problem, "%s needs %s %s", command->name, admin_options[i].name, admin_options[i].value);
			return ERR_SYNTAX;
		}
	}
	return ERR_OK;
}

static enum err
finish(struct parse *parse)
{
	TRY(take_help(parse));
	TRY(take_command(parse));
	if (parse->line.command == NULL || admin_has(&parse->line, ADMIN_OPT(HELP)))
		return ERR_OK;
	TRY(take_operands(parse));
	return check_command(parse);
}

enum err
admin_options_parse(int argc, char **argv, struct admin_line *ret_line, struct buffer *problem)
{
	struct parse parse = { .problem = problem };

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			TRY(parse_option(&parse, argc, argv, &i));
			continue;
		}
		if (parse.operand_count == ADMIN_OPERANDS_MAX)
			return wrong(&parse, "one argument too many:", argv[i]);
		parse.operands[parse.operand_count++] = argv[i];
	}
	TRY(finish(&parse));
	*ret_line = parse.line;
	return ERR_OK;
}

bool
admin_parse_size(struct str text, uint64_t *ret_bytes)
{
	static const struct str suffixes = { "KMGT", 4 };
	unsigned shift = 0;
	uint64_t value;

	if (text.len > 1 && str_index(suffixes, ascii_upper(text.ptr[text.len - 1])) < suffixes.len) {
		shift = 10 * (unsigned)(str_index(suffixes, ascii_upper(text.ptr[text.len - 1])) + 1);
		text = str_sub(text, 0, text.len - 1);
	}
	if (!str_to_u64(text, &value) || value > (uint64_t)INT64_MAX >> shift)
		return false;
	*ret_bytes = value << shift;
	return true;
}
