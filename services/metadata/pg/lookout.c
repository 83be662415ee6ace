/*
 * A thread beside the pool. With several hosts it asks each, every few seconds, whether it is the primary now: a failover is then noticed
 * also where the old one does not break our connections, as it is stopped, cut off, or does not know. And it waits for the answers of
 * COMMITs that nobody waits for any more.
 */
#include "libcommon/core/clock.h"
#include "libcommon/core/random.h"
#include "services/metadata/pg/internal.h"

enum { LOOK_MS = 2000, PENDING_MS = 100 };

/* A primary of the history that we know, or of any if we know none. */
static void
look_at(struct pg_pool *pool, size_t place, int64_t deadline_ms)
{
	struct arena arena = { 0 };
	struct str text;
	struct pg *pg;

	if (pg_connect(pool->config, place, true, deadline_ms, &arena, &pg, &text) == ERR_OK) {
		pthread_mutex_lock(&pool->mutex);
		if (pool->history.system == 0 || pg->history.system == pool->history.system)
			(void)pg_pool_learn(pool, pg);
		pthread_mutex_unlock(&pool->mutex);
		pg_close(pg);
	}
	arena_clear(&arena);
}

void
pg_look_around(struct pg_pool *pool, int64_t deadline_ms)
{
	for (size_t place = 0; place < pool->hosts; place++)
		look_at(pool, place, deadline_ms);
}

/* The hosts but the one that is the primary as far as we know. */
static void
look_at_others(struct pg_pool *pool)
{
	size_t known;

	pthread_mutex_lock(&pool->mutex);
	known = pool->history.system == 0 ? pool->hosts : pool->place;
	pthread_mutex_unlock(&pool->mutex);
	for (size_t place = 0; known < pool->hosts && place < pool->hosts; place++)
		if (place != known)
			look_at(pool, place, INT64_MAX);
}

/* With the mutex, which is let go in between. */
static void
settle(struct pg_pool *pool)
{
	struct pg **at = &pool->pending, *pg, *done = NULL;
	bool has_moved = pool->has_moved;

	pool->has_moved = false;

	while ((pg = *at) != NULL) {
		if (!pg_is_settled(pg)) {
			at = &pg->next;
			continue;
		}
		*at = pg->next;
		pool->pending_count--;
		pg_pool_remove(pool, pg);
		pg->next = done;
		done = pg;
	}
	pthread_mutex_unlock(&pool->mutex);
	if (has_moved && pool->settled)
		pool->settled(pool->context, 0);
	while ((pg = done) != NULL) {
		done = pg->next;
		if (pool->settled)
			pool->settled(pool->context, pg->account);
		pg_close(pg);
	}
	pthread_mutex_lock(&pool->mutex);
}

static void *
look_forever(void *arg)
{
	struct pg_pool *pool = arg;
	int64_t next_ms = pool->hosts > 1 ? clock_mono_ms() + LOOK_MS : INT64_MAX;

	pthread_mutex_lock(&pool->mutex);
	while (!pool->is_ending) {
		bool has_more = pool->pending || pool->has_moved;
		int64_t until_ms = has_more ? clock_mono_ms() + PENDING_MS : next_ms;
		struct timespec until = clock_timespec(until_ms < next_ms ? until_ms : next_ms);

		if (until_ms == INT64_MAX)
			pthread_cond_wait(&pool->look, &pool->mutex);
		else
			(void)pthread_cond_clockwait(&pool->look, &pool->mutex, CLOCK_MONOTONIC, &until);
		settle(pool);
		if (pool->is_ending || clock_left_ms(next_ms) > 0)
			continue;
		pthread_mutex_unlock(&pool->mutex);
		look_at_others(pool);
		next_ms = clock_mono_ms() + LOOK_MS / 2 + (int64_t)(random_u64() % LOOK_MS);
		pthread_mutex_lock(&pool->mutex);
	}
	pthread_mutex_unlock(&pool->mutex);
	return NULL;
}

void
pg_lookout_start(struct pg_pool *pool)
{
	pthread_cond_init(&pool->look, NULL);
	if (pthread_create(&pool->lookout, NULL, look_forever, pool) != 0)
		abort();
}

void
pg_lookout_stop(struct pg_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	pool->is_ending = true;
	pthread_cond_signal(&pool->look);
	pthread_mutex_unlock(&pool->mutex);
	pthread_join(pool->lookout, NULL);
	pthread_cond_destroy(&pool->look);
}
