/* The Sieve service: start and end. It has no state but compiled scripts. */
#include "services/sieve/service.h"

#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "services/sieve/server.h"

static const struct sieve_handlers handlers = {
	.check = sieve_check_rpc,
	.filter = sieve_filter_rpc,
	.capabilities = sieve_capabilities_rpc,
	.ping = sieve_ping_rpc,
};

struct sieve_limits
sieve_limits_from(const struct config *config)
{
	struct sieve_limits limits = sieve_limits_default;

	limits.source_bytes = (uint64_t)config->sieve_script_size;
	limits.nesting = (uint64_t)config->sieve_nesting;
	limits.steps = (uint64_t)config->sieve_steps;
	limits.cpu_ms = (uint64_t)config->sieve_cpu_time;
	limits.memory_bytes = (uint64_t)config->sieve_memory;
	limits.actions = (uint64_t)config->sieve_actions;
	limits.redirects = (uint64_t)config->sieve_redirects;
	limits.variables = (uint64_t)config->sieve_variables;
	limits.variable_bytes = (uint64_t)config->sieve_variable_size;
	limits.includes = (uint64_t)config->sieve_includes;
	limits.include_depth = (uint64_t)config->sieve_include_depth;
	limits.regex_steps = (uint64_t)config->sieve_regex_steps;
	limits.vacation_min_s = (uint64_t)config->sieve_vacation_min / 1000;
	limits.vacation_default_s = (uint64_t)config->sieve_vacation_default / 1000;
	limits.vacation_max_s = (uint64_t)config->sieve_vacation_max / 1000;
	return limits;
}

static enum err
sieve_start(const struct service_context *context, void **ret_self)
{
	size_t threads = (size_t)context->config->sieve_threads;
	struct bus_limits limits = { .threads = threads, .queue = threads * 64, .in_flight = threads * 65 };
	struct sieve_server *server = MEM_NEW(struct sieve_server);

	server->context = context;
	server->limits = sieve_limits_from(context->config);
	server->cache = sieve_cache_new((size_t)context->config->sieve_cache);
	*ret_self = server;
	return sieve_serve(context->bus, &handlers, server, &limits);
}

static void
sieve_stop_service(void *self)
{
	struct sieve_server *server = self;

	bus_quiesce(server->context->bus, clock_mono_ms() + server->context->config->drain_time);
	sieve_cache_free(server->cache);
	free(server);
}

const struct service sieve_service = {
	.name = "sieve",
	.start = sieve_start,
	.stop = sieve_stop_service,
};
