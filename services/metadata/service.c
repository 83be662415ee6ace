/* The metadata service's life: start, drain, stop. */
#include "services/metadata/service.h"

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "services/metadata/authorise.h"
#include "services/metadata/login.h"
#include "services/metadata/migrate.h"
#include "services/metadata/queue.h"
#include "services/metadata/schema_wait.h"
#include "services/metadata/watch.h"

enum { QUEUED = 4096, IN_FLIGHT = 20000, LAST_CALLS_MS = 35 * 1000, RUN_ATTEMPTS = 5 };

void
metadata_log_failure(struct metadata *metadata, const struct log *log, const char *event, enum err err, struct str statement,
    const struct pg_failure *failure)
{
	bool is_full = str_equal(str_c(failure->sqlstate), STR("53100"));
	int64_t times = is_full ? log_seldom(&metadata->full) : 0;

	if (times > 0)
		log_error(log, "pg.full", KV_STR("host", metadata->config->database_host), KV_STR("detail", failure->text),
		    KV_INT("times", times), KV_C("text", "PostgreSQL's disk is full: make room where its data directory is"));
	if (!is_full)
		log_warn(log, event, KV_ERR(err), KV_C("sqlstate", failure->sqlstate), KV_STR("statement", statement),
		    KV_STR("detail", failure->text), KV_BOOL("unknown", failure->is_unknown));
}

static enum err
run(struct rpc *rpc, const char *event, int attempts, const struct pg_statement *statement, struct pg_args *args, struct pg_rows *ret)
{
	struct metadata *metadata = rpc->service;
	struct pg_failure failure = { .text = STR_NONE };
	enum err err = ERR_OK;

	for (int attempt = 0; attempt < attempts; attempt++) {
		err = pg_read(metadata->pool, statement, args, rpc->deadline_ms, rpc->arena, ret, &failure);
		if (err == ERR_OK || !pg_is_retryable(&failure))
			break;
	}
	if (err != ERR_OK)
		metadata_log_failure(metadata, &rpc->log, event, err, str_c(statement->name), &failure);
	return err;
}

enum err
metadata_read(struct rpc *rpc, const struct pg_statement *statement, struct pg_args *args, struct pg_rows *ret)
{
	return run(rpc, "pg.read", 1, statement, args, ret);
}

enum err
metadata_run(struct rpc *rpc, const struct pg_statement *statement, struct pg_args *args, struct pg_rows *ret)
{
	return run(rpc, "pg.run", RUN_ATTEMPTS, statement, args, ret);
}

/* A COMMIT that was given up has been answered, or another server is the primary: nobody has told what that did. */
static void
settled_late(void *context, uint64_t account)
{
	struct metadata *metadata = context;

	if (account == 0)
		watch_lose_all(metadata->watch);
	else
		watch_lose(metadata->watch, account);
}

static void
metadata_stop(void *self)
{
	struct metadata *metadata = self;

	schema_wait_stop(metadata->schema_wait);
	/* Whoever watches heard of every change until now. Then what is under way; no call outlives its own deadline. */
	watch_drain(metadata->watch);
	bus_quiesce(metadata->bus, clock_mono_ms() + LAST_CALLS_MS);
	logins_free(metadata->logins);
	queue_free(metadata->queue);
	pg_pool_free(metadata->pool);
	watch_free(metadata->watch);
	accounts_free(metadata->accounts);
	free(metadata);
}

static enum err
metadata_start(const struct service_context *context, void **ret_self)
{
	struct metadata *metadata;
	struct bus_limits limits = { .threads = (size_t)context->config->metadata_threads, .queue = QUEUED, .in_flight = IN_FLIGHT };
	enum err schema = schema_ready(context->config, context->is_all_in_one, false), err;

	if (schema != ERR_UNAVAILABLE)
		TRY(schema);
	metadata = MEM_NEW(struct metadata);
	metadata->config = context->config;
	metadata->bus = context->bus;
	metadata->log.service = "metadata";
	if (context->config->token_keys.count == 0 && !context->is_all_in_one)
		log_warn(&metadata->log, "token.keys", KV_C("detail", "none is set: logins are valid at this process alone"));
	metadata->accounts = accounts_new(context->config);
	metadata->logins = logins_new(context->config);
	metadata->watch = watch_new();
	metadata->pool = pg_pool_new(context->config, settled_late, metadata);
	metadata->queue = queue_new(metadata);
	err = metadata_serve(context->bus, &metadata_handlers, metadata, &limits);
	if (err == ERR_OK && schema == ERR_UNAVAILABLE)
		err = schema_wait_start(context->config, context->is_all_in_one, &metadata->schema_wait);
	if (err != ERR_OK) {
		metadata_stop(metadata);
		return err;
	}
	*ret_self = metadata;
	return ERR_OK;
}

const struct service metadata_service = {
	.name = "metadata",
	.start = metadata_start,
	.stop = metadata_stop,
	.check = schema_check,
};
