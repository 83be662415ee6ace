/* From a command line to an exit code. */
#include "admin/command.h"

#include <stdio.h>

#include "version.h"

static const struct admin_command *const groups[] = { admin_accounts, admin_addresses, admin_bus, admin_queue, admin_scripts,
	admin_sieve_test, admin_uidl };
enum { GROUP_COUNT = sizeof(groups) / sizeof(groups[0]) };

/* What an outcome means to the shell, and what people can do about it. */
static const struct outcome {
	enum err err;
	enum admin_exit code;
	const char *advice;
} outcomes[] = {
	{ ERR_OK, ADMIN_DONE, "" },
	{ ERR_SYNTAX, ADMIN_USAGE, "" },
	{ ERR_INVALID, ADMIN_USAGE, "" },
	{ ERR_NO_ACCOUNT, ADMIN_NO_SUCH, "list-accounts shows which there are" },
	{ ERR_NO_MAILBOX, ADMIN_NO_SUCH, "" },
	{ ERR_NONEXISTENT, ADMIN_NO_SUCH, "" },
	{ ERR_EXISTS, ADMIN_EXISTS, "" },
	{ ERR_UNAVAILABLE, ADMIN_NOT_REACHED,
	    "is Sora running? --config FILE or --metadata ADDRESS say where; --dbhost works on the database alone" },
	{ ERR_DEADLINE, ADMIN_NOT_REACHED, "it may have been done: look with show-account before you try again" },
	{ ERR_UNKNOWN_OUTCOME, ADMIN_NOT_REACHED, "it may have been done: look with show-account before you try again" },
	{ ERR_GOING_AWAY, ADMIN_NOT_REACHED, "try again" },
	{ ERR_BUSY, ADMIN_NOT_REACHED, "try again" },
	{ ERR_CLOSED, ADMIN_NOT_REACHED, "try again" },
};

static const struct outcome *
outcome_find(enum err err)
{
	static const struct outcome failed = { ERR_INTERNAL, ADMIN_FAILED, "" };

	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (outcomes[i].err == err)
			return &outcomes[i];
	return &failed;
}

enum admin_exit
admin_exit_code(enum err err)
{
	return outcome_find(err)->code;
}

const struct admin_command *
admin_command_at(size_t i)
{
	for (size_t g = 0; g < GROUP_COUNT; g++)
		for (const struct admin_command *c = groups[g]; c->name != NULL; c++)
			if (i-- == 0)
				return c;
	return NULL;
}

const struct admin_command *
admin_command_find(struct str name)
{
	const struct admin_command *c;

	for (size_t i = 0; (c = admin_command_at(i)) != NULL; i++)
		if (str_equal(str_c(c->name), name))
			return c;
	return NULL;
}

static void
help_options(uint64_t options, struct buffer *out)
{
	for (int i = ADMIN_OPT_NONE + 1; i < ADMIN_OPT_COUNT; i++) {
		const struct admin_option_row *row = &admin_options[i];

		if (options & UINT64_C(1) << i)
			buffer_printf(out, "  %-16s %-9s %s\n", row->name, row->value ? row->value : "", row->help);
	}
}

void
admin_help_all(struct buffer *out)
{
	const struct admin_command *c;

	buffer_printf(out, "Usage: sora-admin [OPTIONS] COMMAND [ARGUMENTS]\n\nCommands:\n");
	for (size_t i = 0; (c = admin_command_at(i)) != NULL; i++)
		buffer_printf(out, "  %-16s %s\n", c->name, c->help);
	buffer_printf(out, "  %-16s %s\n\nOptions of every command:\n", "help COMMAND", "what a command does, and its options");
	help_options(ADMIN_OPTS_COMMON, out);
	buffer_printf(out, "\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 no such thing, 4 it exists, 5 Sora was not reached.\n");
}

void
admin_help_command(const struct admin_command *command, struct buffer *out)
{
	buffer_printf(out, "Usage: sora-admin %s", command->name);
	for (size_t i = 0; i < ADMIN_COMMAND_OPERANDS && command->operands[i] != ADMIN_OPT_NONE; i++)
		buffer_printf(out, " %s %s", admin_options[command->operands[i]].name, admin_options[command->operands[i]].value);
	buffer_printf(out, " [OPTIONS]\n\n%s.\n", command->help);
	if (command->options)
		buffer_printf(out, "\nOptions:\n");
	help_options(command->options, out);
	buffer_printf(out, "\nOptions of every command:\n");
	help_options(ADMIN_OPTS_COMMON, out);
}

static int
help(const struct admin_command *command)
{
	struct buffer out = { 0 };

	if (command != NULL)
		admin_help_command(command, &out);
	else
		admin_help_all(&out);
	printf("%.*s", STR_ARG(buffer_str(&out)));
	buffer_clear(&out);
	return ADMIN_DONE;
}

static enum admin_exit
report(const struct admin *admin, enum err err)
{
	const struct outcome *outcome = outcome_find(err);
	struct str why = admin->call.detail.len > 0 ? admin->call.detail : str_c(err_row(err)->text);

	if (err == ERR_OK)
		return ADMIN_DONE;
	fprintf(stderr, "sora-admin: %.*s%s%s\n", STR_ARG(why), outcome->advice[0] ? ": " : "", outcome->advice);
	return outcome->code;
}

static enum admin_exit
run(const struct admin_line *line)
{
	struct admin admin = { 0 };
	enum err err = (line->command ? line->command->connect : admin_connect)(&admin, line);
	enum admin_exit code;

	if (err == ERR_OK && line->command != NULL)
		err = line->command->run(&admin, line);
	code = report(&admin, err);
	if (code == ADMIN_DONE && line->command == NULL)
		printf("the metadata service answers\n");
	admin_disconnect(&admin);
	return code;
}

static enum admin_exit
usage(struct str problem)
{
	fprintf(stderr, "sora-admin: %.*s. See sora-admin --help.\n", STR_ARG(problem));
	return ADMIN_USAGE;
}

int
admin_main(int argc, char **argv)
{
	struct buffer problem = { 0 };
	struct admin_line line;
	enum admin_exit code;

	if (admin_options_parse(argc, argv, &line, &problem) != ERR_OK)
		code = usage(buffer_str(&problem));
	else if (admin_has(&line, ADMIN_OPT(HELP)))
		code = help(line.command);
	else if (admin_has(&line, ADMIN_OPT(VERSION)))
		code = printf("sora-admin %s\n", SORA_VERSION) > 0 ? ADMIN_DONE : ADMIN_FAILED;
	else if (line.command == NULL && !admin_has(&line, ADMIN_OPT(CHECK)))
		code = usage(STR("a command is expected"));
	else
		code = run(&line);
	buffer_clear(&problem);
	return fflush(stdout) == 0 ? code : ADMIN_FAILED;
}
