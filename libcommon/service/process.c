/* The services of one process: started in their order, drained together, ended in the reverse of it. */
#include "libcommon/service/process.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "libcommon/core/mem.h"
#include "libcommon/core/clock.h"
#include "libcommon/net/net.h"
#include "libcommon/ops/ops.h"
#include "libcommon/service/expiry.h"
#include "version.h"

enum { SERVICES_MAX = 16 };

struct process {
	const struct service *const *services;
	size_t count;
	struct service_context context;
	char hostname[HOST_NAME_MAX + 1];
	struct ops *ops;
	void *selves[SERVICES_MAX];
	size_t started;
	bool was_ready;
};

static const struct log process_log = { .service = "process" };

bool
process_setup_logs(const struct config *config, struct buffer *problems)
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

/* What `--check` would say of the bus's certificate. */
static enum err
check_bus(const struct process *p, const struct config *config)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < p->count && err == ERR_OK; i++) {
		struct buffer problems = { 0 };

		err = bus_check(config, p->services[i]->name, &problems);
		if (err != ERR_OK)
			log_error(&process_log, "process.bus_tls", KV_STR("text", str_trim(buffer_str(&problems))));
		buffer_clear(&problems);
	}
	return err;
}

static enum err
setup_context(struct process *p, const struct config *config)
{
	p->context = (struct service_context){ .config = config, .hostname = config->hostname, .is_all_in_one = p->count > 1 };
	if (config->hostname.len == 0 && gethostname(p->hostname, sizeof(p->hostname) - 1) == 0)
		p->context.hostname = str_c(p->hostname);
	if (config->tls_certificate.len > 0)
		TRY(net_tls_new(config->tls_certificate.ptr, config->tls_key.ptr, NULL, &p->context.tls));
	TRY(check_bus(p, config));
	p->context.bus = bus_new(config);
	if (p->context.bus == NULL)
		return ERR_CONFIG;
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
start(struct process *p, const struct config *config)
{
	TRY(setup_context(p, config));
	for (size_t i = 0; i < p->count; i++) {
		enum err err = p->services[i]->start(&p->context, &p->selves[i]);

		if (err != ERR_OK) {
			log_error(&process_log, "process.start", KV_C("service_name", p->services[i]->name), KV_ERR(err));
			return err;
		}
		p->started = i + 1;
	}
	TRY(drop_privilege(config));
	ops_set_ready(p->ops, true);
	p->was_ready = true;
	expiry_warn(clock_wall_ms() / 1000);
	log_info(&process_log, "process.ready", KV_C("version", SORA_VERSION));
	return ERR_OK;
}

enum err
process_start(const struct config *config, const struct service *const *services, size_t count, struct process **ret_process)
{
	struct process *p = MEM_NEW(struct process);
	enum err err;

	p->services = services;
	p->count = count;
	err = start(p, config);
	if (err != ERR_OK) {
		process_stop(p);
		return err;
	}
	*ret_process = p;
	return ERR_OK;
}

const struct service_context *
process_context(const struct process *p)
{
	return &p->context;
}

void
process_reload(struct process *p)
{
	if (p->context.tls != NULL)
		net_tls_reload(p->context.tls);
	for (size_t i = 0; i < p->started; i++)
		if (p->services[i]->reload != NULL)
			p->services[i]->reload(p->selves[i]);
	expiry_warn(clock_wall_ms() / 1000);
	log_info(&process_log, "process.reloaded");
}

/*
 * Callers on other machines may know our address for a while longer: they are told to ask another, and end what they have begun here. Who is
 * in this process, or on this machine, has nobody else to ask.
 */
static void
linger(const struct process *p)
{
	int64_t ms = p->context.config->drain_linger;
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	if (!p->was_ready || p->context.is_all_in_one || !bus_serves_network(p->context.bus))
		return;
	log_info(&process_log, "process.linger", KV_INT("ms", ms));
	nanosleep(&time, NULL);
}

void
process_stop(struct process *p)
{
	if (p == NULL)
		return;
	if (p->ops != NULL)
		ops_set_ready(p->ops, false);
	for (size_t i = 0; i < p->started; i++)
		if (p->services[i]->drain != NULL)
			p->services[i]->drain(p->selves[i]);
	if (p->context.bus != NULL)
		bus_drain(p->context.bus);
	linger(p);
	/* The last started, the frontends, end first: what they ask of the others is still answered. */
	for (size_t i = p->started; i > 0; i--)
		p->services[i - 1]->stop(p->selves[i - 1]);
	bus_free(p->context.bus);
	net_tls_free(p->context.tls);
	ops_free(p->ops);
	log_info(&process_log, "process.end");
	free(p);
}
