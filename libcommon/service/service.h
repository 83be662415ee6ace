/*
 * What every process has: options, configuration, logs, signals, metrics and probes, start, drain and end.
 *
 * A service is one constant; its main.c is `return service_main(argc, argv, services, 1, NULL, 0);`. The all-in-one lists several.
 */
#ifndef SORA_SERVICE_SERVICE_H
#define SORA_SERVICE_SERVICE_H

#include "libcommon/bus/bus.h"
#include "libcommon/config/config.h"

/* What a service is started with; lives as long as the process's services. For a check there is no bus and no tls. */
struct service_context {
	const struct config *config;
	struct bus *bus;
	struct net_tls *tls;    /* NULL: no certificate is configured */
	struct str hostname;
	bool is_all_in_one;     /* every service is in this process */
};

struct service {
	const char *name; /* "imap" */
	/* Begin to serve; *ret_self is given to what follows. ERR_CONFIG and others end the process; logged by the service. */
	enum err (*start)(const struct service_context *context, void **ret_self);
	/* Stop taking new work. NULL: nothing to do. Does not wait. */
	void (*drain)(void *self);
	/* Finish (at most drain.time) and free. Services are stopped in the reverse of their order. */
	void (*stop)(void *self);
	/* SIGHUP: the certificates and log level have been read again. NULL: nothing to do. */
	void (*reload)(void *self);
	/* `--check`: try what the configuration names (a database, a bucket); say what is wrong in a line each. NULL: nothing to try. */
	enum err (*check)(const struct service_context *context, struct buffer *problems);
};

/* A further verb of a program: `sora-metadata migrate`. Returns the exit code. */
struct service_verb {
	const char *name;
	const char *help;
	int (*run)(const struct config *config, int argc, char **argv);
};

/*
 * Options: --config FILE, --check, --version, --help, --print-example. Runs until SIGTERM or SIGINT.
 * Exit codes: 0 done, 1 failed, 2 usage.
 */
int service_main(int argc, char **argv, const struct service *const *services, size_t count, const struct service_verb *verbs,
    size_t verb_count);

#endif
