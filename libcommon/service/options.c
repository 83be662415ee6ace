/* The command line that every service shares. */
#include "libcommon/service/options.h"

#include <stdio.h>

struct option_row {
	const char *name;
	const char *value; /* NULL: a flag */
	const char *help;
	size_t offset;
};

static const struct option_row rows[] = {
	{ "--config", "FILE", "the configuration file; without it every setting has its default", offsetof(struct options, config_file) },
	{ "--check", NULL, "read the configuration, try what it names, say what is wrong, and end", offsetof(struct options, check) },
	{ "--print-example", NULL, "print every setting with its default and meaning", offsetof(struct options, example) },
	{ "--version", NULL, "print the version", offsetof(struct options, version) },
	{ "--help", NULL, "print this", offsetof(struct options, help) },
};
enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static const struct option_row *
row_find(const char *arg, const char **ret_value)
{
	size_t len = strcspn(arg, "=");

	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (strncmp(rows[i].name, arg, len) != 0 || rows[i].name[len] != '\0')
			continue;
		*ret_value = arg[len] == '=' ? arg + len + 1 : NULL;
		return &rows[i];
	}
	return NULL;
}

static bool
wrong(const struct options *options, const char *text, const char *what)
{
	fprintf(stderr, "%s: %s %s. See %s --help.\n", options->program, text, what, options->program);
	return false;
}

static const struct service_verb *
verb_find(const char *name, const struct service_verb *verbs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* One option, with the value that may be the next argument. */
static bool
parse_option(struct options *options, int argc, char **argv, int *at)
{
	const char *value;
	const struct option_row *row = row_find(argv[*at], &value);

	if (row == NULL)
		return wrong(options, "unknown option", argv[*at]);
	if (row->value == NULL) {
		*(bool *)((char *)options + row->offset) = true;
		return value == NULL || wrong(options, "no value is expected for", row->name);
	}
	if (value == NULL && ++*at >= argc)
		return wrong(options, "a value is expected for", row->name);
	*(const char **)((char *)options + row->offset) = value != NULL ? value : argv[*at];
	return true;
}

bool
options_parse(int argc, char **argv, const struct service_verb *verbs, size_t verb_count, struct options *ret)
{
	const char *slash = strrchr(argv[0], '/');

	*ret = (struct options){ .program = slash ? slash + 1 : argv[0] };
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			if (!parse_option(ret, argc, argv, &i))
				return false;
			continue;
		}
		ret->verb = verb_find(argv[i], verbs, verb_count);
		if (ret->verb == NULL)
			return wrong(ret, "unknown command", argv[i]);
		ret->verb_argc = argc - i;
		ret->verb_argv = argv + i;
		return true;
	}
	return true;
}

void
options_print_help(const struct options *options, const struct service_verb *verbs, size_t verb_count)
{
	printf("Usage: %s [OPTIONS]%s\n\nOptions:\n", options->program, verb_count ? " [COMMAND]" : "");
	for (size_t i = 0; i < ROW_COUNT; i++)
		printf("  %s %-*s %s\n", rows[i].name, 17 - (int)strlen(rows[i].name), rows[i].value ? rows[i].value : "",
		    rows[i].help);
	if (verb_count > 0)
		printf("\nCommands (without one: serve until SIGTERM):\n");
	for (size_t i = 0; i < verb_count; i++)
		printf("  %-17s %s\n", verbs[i].name, verbs[i].help);
	printf("\nSignals: TERM and INT end it after a drain, HUP reads certificates and log level again.\n"
	       "Exit codes: 0 done, 1 failed, 2 usage.\n");
}
