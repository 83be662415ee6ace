/* A database that was away when the process started: its schema is looked at as soon as it is there. */
#include "services/metadata/schema_wait.h"

#include <pthread.h>
#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "services/metadata/migrate.h"

enum { EVERY_MS = 1000, SAY_MS = 60 * 1000 };

struct schema_wait {
	const struct config *config;
	bool may_migrate, is_stopping;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	pthread_t thread;
};

/* False: the process ends. */
static bool
pause_between(struct schema_wait *wait)
{
	int64_t until_ms = clock_mono_ms() + EVERY_MS;
	struct timespec until = clock_timespec(until_ms);
	bool goes_on;

	pthread_mutex_lock(&wait->lock);
	while (!wait->is_stopping && clock_left_ms(until_ms) > 0)
		pthread_cond_clockwait(&wait->stop, &wait->lock, CLOCK_MONOTONIC, &until);
	goes_on = !wait->is_stopping;
	pthread_mutex_unlock(&wait->lock);
	return goes_on;
}

static void *
run(void *self)
{
	struct schema_wait *wait = self;
	/* The first look has said so. */
	int64_t say_ms = clock_mono_ms() + SAY_MS;

	while (pause_between(wait)) {
		bool is_quiet = clock_left_ms(say_ms) > 0;

		if (schema_ready(wait->config, wait->may_migrate, is_quiet) != ERR_UNAVAILABLE)
			break;
		if (!is_quiet)
			say_ms = clock_mono_ms() + SAY_MS;
	}
	return NULL;
}

static void
clear(struct schema_wait *wait)
{
	pthread_mutex_destroy(&wait->lock);
	pthread_cond_destroy(&wait->stop);
	free(wait);
}

enum err
schema_wait_start(const struct config *config, bool may_migrate, struct schema_wait **ret_wait)
{
	struct schema_wait *wait = MEM_NEW(struct schema_wait);

	wait->config = config;
	wait->may_migrate = may_migrate;
	pthread_mutex_init(&wait->lock, NULL);
	pthread_cond_init(&wait->stop, NULL);
	if (pthread_create(&wait->thread, NULL, run, wait) != 0) {
		clear(wait);
		return ERR_INTERNAL;
	}
	*ret_wait = wait;
	return ERR_OK;
}

void
schema_wait_stop(struct schema_wait *wait)
{
	if (wait == NULL)
		return;
	pthread_mutex_lock(&wait->lock);
	wait->is_stopping = true;
	pthread_cond_broadcast(&wait->stop);
	pthread_mutex_unlock(&wait->lock);
	pthread_join(wait->thread, NULL);
	clear(wait);
}
