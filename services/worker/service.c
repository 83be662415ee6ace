/* The worker's life: a thread for each job, woken by its time or by the end, and those that send mail. */
#include "services/worker/service.h"

#include <stdlib.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "services/worker/outbox.h"

/* The first run comes soon after the start, but not of all workers at once. */
enum { FIRST_MS = 10 * 1000, CALL_MS = 15 * 1000 };

/* A body may be referred to first an hour after its put, by a transaction that takes its time; what the fences need, see sweep.c. */
enum { SAFE_AGE_MS = 2 * 60 * 60 * 1000 };

struct job {
	const char *name;
	enum err (*run)(struct job_run *run);
	int64_t (*every_ms)(const struct config *config);
};

static int64_t
sweep_every_ms(const struct config *config)
{
	return config->worker_sweep_every;
}

static int64_t
purge_every_ms(const struct config *config)
{
	return config->worker_purge_every;
}

static const struct job jobs[] = {
	{ "sweep", sweep_run, sweep_every_ms },
	{ "purge", purge_run, purge_every_ms },
};

enum { JOBS = sizeof(jobs) / sizeof(jobs[0]) };

struct job_thread {
	struct worker *worker;
	const struct job *job;
	pthread_t thread;
};

struct worker_state {
	struct worker worker;
	struct outbox *outbox;
	struct job_thread threads[JOBS];
	size_t started;
};

bool
worker_wait(struct worker *worker, int64_t until_ms)
{
	struct timespec until = clock_timespec(until_ms);
	bool goes_on;

	pthread_mutex_lock(&worker->lock);
	while (!worker->is_stopping && clock_left_ms(until_ms) > 0)
		pthread_cond_clockwait(&worker->stop, &worker->lock, CLOCK_MONOTONIC, &until);
	goes_on = !worker->is_stopping;
	pthread_mutex_unlock(&worker->lock);
	return goes_on;
}

struct bus_call *
worker_call(struct job_run *run)
{
	run->call.deadline_ms = clock_mono_ms() + CALL_MS;
	return &run->call;
}

static void
run_job(struct job_thread *t)
{
	struct job_run run = { .worker = t->worker, .log = { .service = "worker", .trace = random_u64() } };
	int64_t begun_ms = clock_mono_ms();
	enum err err;

	run.call = (struct bus_call){ .bus = t->worker->bus, .arena = &run.arena, .role = BUS_ROLE_WORKER, .log = run.log };
	err = t->job->run(&run);
	if (err == ERR_OK)
		log_info(&run.log, "worker.job", KV_C("job", t->job->name), KV_INT("elapsed_ms", clock_mono_ms() - begun_ms));
	else
		log_warn(&run.log, "worker.job", KV_C("job", t->job->name), KV_ERR(err), KV_STR("detail", run.call.detail));
	arena_clear(&run.arena);
}

static void *
job_main(void *self)
{
	struct job_thread *t = self;
	int64_t every_ms = t->job->every_ms(t->worker->config);
	int64_t first_ms = every_ms < FIRST_MS ? every_ms : FIRST_MS;
	int64_t next_ms = clock_mono_ms() + (int64_t)(random_u64() % (uint64_t)(first_ms > 0 ? first_ms : 1));

	while (worker_wait(t->worker, next_ms)) {
		run_job(t);
		next_ms = clock_mono_ms() + (every_ms > 0 ? every_ms : 1);
	}
	return NULL;
}

static void
worker_drain(void *self)
{
	struct worker *worker = &((struct worker_state *)self)->worker;

	pthread_mutex_lock(&worker->lock);
	worker->is_stopping = true;
	pthread_cond_broadcast(&worker->stop);
	pthread_mutex_unlock(&worker->lock);
}

static void
worker_stop(void *self)
{
	struct worker_state *state = self;

	worker_drain(self);
	outbox_free(state->outbox);
	for (size_t i = 0; i < state->started; i++)
		pthread_join(state->threads[i].thread, NULL);
	pthread_mutex_destroy(&state->worker.lock);
	pthread_cond_destroy(&state->worker.stop);
	free(state);
}

/* Tests have their reasons. */
static void
warn_when_short(const char *setting, int64_t age_ms)
{
	if (age_ms < SAFE_AGE_MS)
		log_warn(&(struct log){ .service = "worker" }, "worker.short_age", KV_C("setting", setting),
		    KV_C("detail", "below 2h: a slow delivery may lose its body"));
}

/* `--check`, and at the start. */
static enum err
worker_check(const struct service_context *context, struct buffer *problems)
{
	const struct config *config = context->config;
	static const char *const ways[] = { "none", "starttls", "implicit" };
	bool is_way = false;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		is_way |= str_equal(config->smarthost_tls, str_c(ways[i]));
	if (!is_way)
		buffer_printf(problems, "smarthost.tls: none, starttls or implicit is expected, not \"%.*s\"\n", STR_ARG(config->smarthost_tls));
	if (config->smarthost_ca.len > 0 && access(config->smarthost_ca.ptr, R_OK) < 0)
		buffer_printf(problems, "smarthost.ca: %.*s cannot be read\n", STR_ARG(config->smarthost_ca));
	return buffer_len(problems) > 0 ? ERR_CONFIG : ERR_OK;
}

static enum err
check_at_start(const struct service_context *context)
{
	struct buffer problems = { 0 };
	enum err err = worker_check(context, &problems);

	if (err != ERR_OK)
		log_error(&(struct log){ .service = "worker" }, "worker.config", KV_STR("text", str_trim(buffer_str(&problems))));
	buffer_clear(&problems);
	return err;
}

static enum err
start_jobs(struct worker_state *state)
{
	for (size_t i = 0; i < JOBS; i++) {
		state->threads[i] = (struct job_thread){ .worker = &state->worker, .job = &jobs[i] };
		if (pthread_create(&state->threads[i].thread, NULL, job_main, &state->threads[i]) != 0)
			return ERR_INTERNAL;
		state->started++;
	}
	return ERR_OK;
}

static enum err
worker_start(const struct service_context *context, void **ret_self)
{
	struct worker_state *state;
	enum err err;

	TRY(check_at_start(context));
	state = MEM_NEW(struct worker_state);
	warn_when_short("blob.sweep_age", context->config->blob_sweep_age);
	warn_when_short("blob.keep", context->config->blob_keep);
	state->worker.config = context->config;
	state->worker.bus = context->bus;
	pthread_mutex_init(&state->worker.lock, NULL);
	pthread_cond_init(&state->worker.stop, NULL);
	err = start_jobs(state);
	if (err == ERR_OK)
		err = outbox_start(&state->worker, context->hostname, &state->outbox);
	if (err != ERR_OK) {
		worker_stop(state);
		return err;
	}
	*ret_self = state;
	return ERR_OK;
}

const struct service worker_service = {
	.name = "worker",
	.start = worker_start,
	.drain = worker_drain,
	.stop = worker_stop,
	.check = worker_check,
};
