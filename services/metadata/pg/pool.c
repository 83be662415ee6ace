/* A bounded pool of connections, which are made when they are needed and made anew when they are lost. */
#include <pthread.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/log.h"
#include "libcommon/core/mem.h"
#include "services/metadata/pg/internal.h"

enum { BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 2000 };

struct pg_pool {
	const struct config *config;
	pthread_mutex_t mutex;
	pthread_cond_t given;
	struct pg *idle;
	size_t open, max;
	int64_t backoff_ms;   /* 0: the last attempt to connect succeeded */
	int64_t next_try_ms;
};

static const struct log pool_log = { .service = "metadata" };

struct pg_pool *
pg_pool_new(const struct config *config)
{
	struct pg_pool *pool = MEM_NEW(struct pg_pool);

	pool->config = config;
	pool->max = config->database_connections > 1 ? (size_t)config->database_connections : 2;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->given, NULL);
	return pool;
}

static void
close_all(struct pg *list)
{
	struct pg *next;

	for (; list; list = next) {
		next = list->next;
		pg_close(list);
	}
}

void
pg_pool_free(struct pg_pool *pool)
{
	if (!pool)
		return;
	close_all(pool->idle);
	pthread_cond_destroy(&pool->given);
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
}

/* The place is taken already: make a connection for it. */
static enum err
pool_connect(struct pg_pool *pool, int64_t deadline_ms, struct pg **ret)
{
	struct arena arena = { 0 };
	struct str text = STR_NONE;
	enum err err = pg_connect(pool->config, true, deadline_ms, &arena, ret, &text);

	pthread_mutex_lock(&pool->mutex);
	if (err != ERR_OK) {
		if (pool->backoff_ms == 0)
			log_error(&pool_log, "pg.connect", KV_ERR(err), KV_STR("detail", text));
		pool->open--;
		pool->backoff_ms = pool->backoff_ms ? pool->backoff_ms * 2 : BACKOFF_MIN_MS;
		if (pool->backoff_ms > BACKOFF_MAX_MS)
			pool->backoff_ms = BACKOFF_MAX_MS;
		pool->next_try_ms = clock_mono_ms() + pool->backoff_ms;
		pthread_cond_broadcast(&pool->given);
	} else {
		if (pool->backoff_ms > 0)
			log_info(&pool_log, "pg.back");
		pool->backoff_ms = 0;
	}
	pthread_mutex_unlock(&pool->mutex);
	arena_clear(&arena);
	return err == ERR_OK ? ERR_OK : ERR_UNAVAILABLE;
}

/* With the mutex: an idle one, the right to make one (*ret stays NULL), or ERR_AGAIN. */
static enum err
pool_choose(struct pg_pool *pool, struct pg **ret)
{
	if (pool->idle) {
		*ret = pool->idle;
		pool->idle = (*ret)->next;
		return ERR_OK;
	}
	if (pool->open >= pool->max)
		return ERR_AGAIN;
	if (pool->backoff_ms > 0) {
		if (clock_mono_ms() < pool->next_try_ms)
			return ERR_UNAVAILABLE;
		/* One tries, the others go on being told. */
		pool->next_try_ms = clock_mono_ms() + BACKOFF_MAX_MS;
	}
	pool->open++;
	return ERR_OK;
}

/* One that idles has nothing to say, unless it is its end. */
static bool
has_ended(struct pg *pg)
{
	return pg_wait(pg, false, 0);
}

static enum err
take_any(struct pg_pool *pool, int64_t deadline_ms, struct pg **ret)
{
	struct timespec until = clock_timespec(deadline_ms);
	struct pg *pg = NULL;
	enum err err;

	pthread_mutex_lock(&pool->mutex);
	while ((err = pool_choose(pool, &pg)) == ERR_AGAIN) {
		if (pthread_cond_clockwait(&pool->given, &pool->mutex, CLOCK_MONOTONIC, &until) != 0) {
			err = ERR_UNAVAILABLE;
			break;
		}
	}
	pthread_mutex_unlock(&pool->mutex);
	if (err == ERR_OK && !pg)
		err = pool_connect(pool, deadline_ms, &pg);
	if (err == ERR_OK)
		*ret = pg;
	return err;
}

enum err
pg_take(struct pg_pool *pool, int64_t deadline_ms, struct pg **ret)
{
	for (;;) {
		TRY(take_any(pool, deadline_ms, ret));
		if (!has_ended(*ret))
			return ERR_OK;
		(*ret)->is_broken = true;
		pg_give(pool, *ret);
	}
}

void
pg_give(struct pg_pool *pool, struct pg *pg)
{
	struct pg *dead = NULL;

	if (!pg)
		return;
	pthread_mutex_lock(&pool->mutex);
	if (pg->is_broken) {
		/* What broke one has most likely broken all that idle. */
		pg->next = pool->idle;
		dead = pg;
		for (pool->idle = NULL; pg; pg = pg->next)
			pool->open--;
	} else {
		pg->used_ms = clock_mono_ms();
		pg->next = pool->idle;
		pool->idle = pg;
	}
	pthread_cond_signal(&pool->given);
	if (dead)
		pthread_cond_broadcast(&pool->given);
	pthread_mutex_unlock(&pool->mutex);
	close_all(dead);
}
