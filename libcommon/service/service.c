/* What main() of every program does: options, configuration, signals, until the end. */
#include "libcommon/service/service.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "libcommon/core/clock.h"
#include "libcommon/net/net.h"
#include "libcommon/service/expiry.h"
#include "libcommon/service/options.h"
#include "libcommon/service/process.h"
#include "version.h"

enum { MMAP_BYTES = 4 << 20, TRIM_BYTES = 16 << 20 };
enum { TICK_S = 10 }; /* how often what handshakes and searches left free is given back, and it is looked whether a day is over */

struct program {
	const struct options *options;
	const struct service *const *services;
	size_t count;
	struct config *config;
	sigset_t signals;
};

static const struct log process_log = { .service = "process" };

/* Read the file, say on standard error what is wrong with it. */
static enum err
load(const struct options *options, struct config **ret_config)
{
	struct buffer problems = { 0 };
	enum err err = config_load(options->config_file, options->check, ret_config, &problems);

	if (err == ERR_OK && !process_setup_logs(*ret_config, &problems)) {
		config_free(*ret_config);
		err = ERR_CONFIG;
	}
	fprintf(stderr, "%.*s", STR_ARG(buffer_str(&problems)));
	buffer_clear(&problems);
	return err;
}

static bool
check_certificate(const struct config *config)
{
	struct net_tls *tls;

	if (config->tls_certificate.len == 0)
		return true;
	if (net_tls_new(config->tls_certificate.ptr, config->tls_key.ptr, NULL, &tls) != ERR_OK)
		return false;
	net_tls_free(tls);
	return true;
}

/* `--check`: the file is well formed; now what it names. */
static int
check(const struct program *p)
{
	const struct service_context context = { .config = p->config, .is_all_in_one = p->count > 1 };
	struct buffer problems = { 0 };
	bool ok = check_certificate(p->config);

	for (size_t i = 0; i < p->count; i++)
		ok = bus_check(p->config, p->services[i]->name, &problems) == ERR_OK && ok;
	for (size_t i = 0; i < p->count; i++)
		if (p->services[i]->check != NULL)
			ok = p->services[i]->check(&context, &problems) == ERR_OK && ok;
	fprintf(stderr, "%.*s", STR_ARG(buffer_str(&problems)));
	expiry_warn(clock_wall_ms() / 1000);
	if (ok)
		printf("%s: the configuration is in order\n", p->options->program);
	buffer_clear(&problems);
	return ok ? EXIT_DONE : EXIT_FAILED;
}

/* Signals are waited for in the main thread alone; as many descriptors as the host allows. */
static void
take_signals(struct program *p)
{
	struct rlimit files;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&p->signals);
	sigaddset(&p->signals, SIGTERM);
	sigaddset(&p->signals, SIGINT);
	sigaddset(&p->signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &p->signals, NULL);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void
reload(const struct program *p, struct process *process)
{
	struct config *fresh;
	enum log_level level;

	if (load(p->options, &fresh) == ERR_OK) {
		if (log_level_from(fresh->log_level, &level))
			log_set_level(level);
		config_free(fresh);
	}
	process_reload(process);
}

static void
wait_for_end(const struct program *p, struct process *process)
{
	const struct timespec tick = { .tv_sec = TICK_S };
	int sig = 0;

	while (sig != SIGTERM && sig != SIGINT) {
		sig = sigtimedwait(&p->signals, NULL, &tick);
		if (sig == SIGHUP)
			reload(p, process);
		expiry_tick(clock_wall_ms() / 1000);
		malloc_trim(0);
	}
	log_info(&process_log, "process.drain", KV_C("signal", sig == SIGTERM ? "TERM" : "INT"));
}

/* Pages that are freed are kept until the next tick: to give back those of each answer, and fault them in for the next, costs more than it. */
static void
keep_pages(void)
{
	mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
	mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
}

static int
run(struct program *p)
{
	struct process *process;

	keep_pages();
	take_signals(p);
	if (process_start(p->config, p->services, p->count, &process) != ERR_OK)
		return EXIT_FAILED;
	wait_for_end(p, process);
	process_stop(process);
	return EXIT_DONE;
}

static void
print_example(void)
{
	struct buffer out = { 0 };

	config_print_example(&out);
	printf("%.*s", STR_ARG(buffer_str(&out)));
	buffer_clear(&out);
}

int
service_main(int argc, char **argv, const struct service *const *services, size_t count, const struct service_verb *verbs,
    size_t verb_count)
{
	struct options options;
	struct program program = { .options = &options, .services = services, .count = count };
	int code;

	if (!options_parse(argc, argv, verbs, verb_count, &options))
		return EXIT_USAGE;
	if (options.help || options.version || options.example) {
		if (options.help)
			options_print_help(&options, verbs, verb_count);
		else if (options.version)
			printf("%s %s\n", options.program, SORA_VERSION);
		else
			print_example();
		return EXIT_DONE;
	}
	if (load(&options, &program.config) != ERR_OK)
		return EXIT_FAILED;
	if (options.verb != NULL)
		code = options.verb->run(program.config, options.verb_argc, options.verb_argv);
	else
		code = options.check ? check(&program) : run(&program);
	config_free(program.config);
	return code;
}
