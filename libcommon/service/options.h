/* The command line that every service shares. Private to libcommon/service. */
#ifndef SORA_SERVICE_OPTIONS_H
#define SORA_SERVICE_OPTIONS_H

#include "libcommon/service/service.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
	const char *program;
	const char *config_file;
	bool check, version, help, example;
	const struct service_verb *verb; /* NULL: run the services */
	int verb_argc;
	char **verb_argv; /* the verb's own name first */
};

/* False: the command line is wrong, and standard error says how. */
bool options_parse(int argc, char **argv, const struct service_verb *verbs, size_t verb_count, struct options *ret);
void options_print_help(const struct options *options, const struct service_verb *verbs, size_t verb_count);

#endif
