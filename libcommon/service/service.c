/* The life of a process: configuration, start of its services, signals, drain, end. */
#include "libcommon/service/service.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "libcommon/net/net.h"
#include "libcommon/ops/ops.h"
#include "libcommon/service/options.h"

enum { SERVICES_MAX = 16 };

struct process {
	const struct options *options;
	const struct service *const *services;
	size_t count;
	struct config *config;
	struct service_context context;
	struct ops *ops;
	void *selves[SERVICES_MAX];
	size_t started;
	sigset_t signals;
};

static const struct log process_log = { .service = "process" };

static bool
setup_logs(const struct config *config, struct buffer *problems)
{
	enum log_level level;
	bool is_json = str_equal(config->log_format, STR("json"));

	if (!log_level_from(config->log_level, &level)) {
		buffer_printf(problems, "log.level: debug, info, warn or error is expected, not \"%.*s\"\n",
		    STR_ARG(config->log_level));
		return false;
	}
	if (!is_json && !str_equal(config->log_format, STR("logfmt"))) {
		buffer_printf(problems, "log.format: logfmt or json is expected, not \"%.*s\"\n", STR_ARG(config->log_format));
		return false;
	}
	log_setup(level, is_json ? LOG_JSON : LOG_LOGFMT);
	return true;
}

/* Read the file, say on standard error what is wrong with it. */
static enum err
load(const struct options *options, struct config **ret_config)
{
	struct buffer problems = { 0 };
	enum err err = config_load(options->config_file, options->check, ret_config, &problems);

	if (err == ERR_OK && !setup_logs(*ret_config, &problems)) {
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
check(struct process *p)
{
	struct buffer problems = { 0 };
	bool ok = check_certificate(p->config);

	p->context = (struct service_context){ .config = p->config, .is_all_in_one = p->count > 1 };
	for (size_t i = 0; i < p->count; i++)
		if (p->services[i]->check != NULL)
			ok = p->services[i]->check(&p->context, &problems) == ERR_OK && ok;
	fprintf(stderr, "%.*s", STR_ARG(buffer_str(&problems)));
	if (ok)
		printf("%s: the configuration is in order\n", p->options->program);
	buffer_clear(&problems);
	return ok ? EXIT_DONE : EXIT_FAILED;
}

/* Signals are taken by sigwait in the main thread alone; as many descriptors as the host allows. */
static void
setup_process(struct process *p)
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

static enum err
setup_context(struct process *p)
{
	static char hostname[HOST_NAME_MAX + 1];
	const struct config *config = p->config;

	p->context = (struct service_context){ .config = config, .hostname = config->hostname, .is_all_in_one = p->count > 1 };
	if (config->hostname.len == 0 && gethostname(hostname, sizeof(hostname) - 1) == 0)
		p->context.hostname = str_c(hostname);
	if (config->tls_certificate.len > 0)
		TRY(net_tls_new(config->tls_certificate.ptr, config->tls_key.ptr, NULL, &p->context.tls));
	p->context.bus = bus_new(config);
	return ops_new(config->ops_listen.items, config->ops_listen.count, &p->ops);
}

static enum err
drop_privilege(const struct config *config)
{
	struct passwd *user;

	if (config->user.len == 0)
		return ERR_OK;
	user = getpwnam(config->user.ptr);
	if (user != NULL && initgroups(user->pw_name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0 &&
	    setuid(user->pw_uid) == 0)
		return ERR_OK;
	log_error(&process_log, "process.user", KV_STR("user", config->user),
	    KV_C("reason", user ? "not allowed: start as root" : "no such user"));
	return ERR_CONFIG;
}

static enum err
start(struct process *p)
{
	TRY(setup_context(p));
	for (size_t i = 0; i < p->count; i++) {
		enum err err = p->services[i]->start(&p->context, &p->selves[i]);

		if (err != ERR_OK) {
			log_error(&process_log, "process.start", KV_C("service_name", p->services[i]->name), KV_ERR(err));
			return err;
		}
		p->started = i + 1;
	}
	TRY(drop_privilege(p->config));
	ops_set_ready(p->ops, true);
	log_info(&process_log, "process.ready", KV_C("program", p->options->program), KV_C("version", SORA_VERSION));
	return ERR_OK;
}

static void
reload(struct process *p)
{
	struct config *fresh;
	enum log_level level;

	if (p->context.tls != NULL)
		net_tls_reload(p->context.tls);
	if (load(p->options, &fresh) == ERR_OK) {
		if (log_level_from(fresh->log_level, &level))
			log_set_level(level);
		config_free(fresh);
	}
	for (size_t i = 0; i < p->started; i++)
		if (p->services[i]->reload != NULL)
			p->services[i]->reload(p->selves[i]);
	log_info(&process_log, "process.reloaded");
}

static void
wait_for_end(struct process *p)
{
	int sig = 0;

	while (sig != SIGTERM && sig != SIGINT) {
		if (sigwait(&p->signals, &sig) == 0 && sig == SIGHUP)
			reload(p);
	}
	log_info(&process_log, "process.drain", KV_C("signal", sig == SIGTERM ? "TERM" : "INT"));
}

static void
stop(struct process *p)
{
	if (p->ops != NULL)
		ops_set_ready(p->ops, false);
	for (size_t i = 0; i < p->started; i++)
		if (p->services[i]->drain != NULL)
			p->services[i]->drain(p->selves[i]);
	/* The last started, the frontends, end first: what they ask of the others is still answered. */
	for (size_t i = p->started; i > 0; i--)
		p->services[i - 1]->stop(p->selves[i - 1]);
	bus_free(p->context.bus);
	net_tls_free(p->context.tls);
	ops_free(p->ops);
	log_info(&process_log, "process.end");
}

static int
run(struct process *p)
{
	enum err err;

	setup_process(p);
	err = start(p);
	if (err == ERR_OK)
		wait_for_end(p);
	stop(p);
	return err == ERR_OK ? EXIT_DONE : EXIT_FAILED;
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
	struct process process = { .options = &options, .services = services, .count = count };
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
	if (load(&options, &process.config) != ERR_OK)
		return EXIT_FAILED;
	if (options.verb != NULL)
		code = options.verb->run(process.config, options.verb_argc, options.verb_argv);
	else
		code = options.check ? check(&process) : run(&process);
	config_free(process.config);
	return code;
}
