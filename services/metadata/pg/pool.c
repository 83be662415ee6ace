/* A bounded pool of connections, which are made when they are needed and made anew when they are lost. */
#include <sys/socket.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/log.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/random.h"
#include "services/metadata/pg/internal.h"

enum { BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 2000, HURRY_MS = 100 };

static const struct log pool_log = { .service = "metadata" };

size_t
pg_writers(const struct config *config)
{
	int64_t connections = config->database_connections;

	return connections < 4 ? 1 : (size_t)(connections - connections / 4);
}

struct pg_pool *
pg_pool_new(const struct config *config, void (*settled)(void *, uint64_t), void *context)
{
	struct pg_pool *pool = MEM_NEW(struct pg_pool);

	pool->config = config;
	pool->hosts = pg_host_count(config);
	pool->max = config->database_connections > 1 ? (size_t)config->database_connections : 2;
	pool->writers_max = pg_writers(config);
	pool->settled = settled;
	pool->context = context;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->given, NULL);
	pg_lookout_start(pool);
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
	pg_lookout_stop(pool);
	close_all(pool->idle);
	close_all(pool->pending);
	pthread_cond_destroy(&pool->given);
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
}

/* With the mutex: a new connection is one of the pool's. */
static void
add(struct pg_pool *pool, struct pg *pg)
{
	pg->next_open = pool->all;
	pg->at_open = &pool->all;
	if (pool->all)
		pool->all->at_open = &pg->next_open;
	pool->all = pg;
}

void
pg_pool_remove(struct pg_pool *pool, struct pg *pg)
{
	*pg->at_open = pg->next_open;
	if (pg->next_open)
		pg->next_open->at_open = pg->at_open;
	pool->open--;
	pool->writers -= pg->is_writer;
	pthread_cond_broadcast(&pool->given);
}

bool
pg_pool_learn(struct pg_pool *pool, const struct pg *pg)
{
	if (pg->history.system == pool->history.system && pg->history.number < pool->history.number)
		return false;
	pool->place = pg->place;
	if (pg->history.system == pool->history.system && pg->history.number == pool->history.number)
		return true;
	if (pool->history.system != 0)
		log_warn(&pool_log, "pg.failover", KV_INT("timeline", pg->history.number), KV_INT("before", pool->history.number));
	pool->has_moved = pool->history.system != 0;
	pthread_cond_signal(&pool->look);
	pool->history = pg->history;
	/* Who waits for the old primary is told so at once. */
	for (struct pg *old = pool->all; old; old = old->next_open)
		(void)shutdown(PQsocket(old->conn), SHUT_RDWR);
	return true;
}

/* To the host that was the primary last, or else to the next that is one. */
static enum err
connect_any(struct pg_pool *pool, int64_t deadline_ms, struct arena *arena, struct pg **ret, struct str *reterr_text)
{
	size_t first;
	bool has_looked;

	pthread_mutex_lock(&pool->mutex);
	has_looked = pool->has_looked;
	pthread_mutex_unlock(&pool->mutex);
	/* Several may say that they are: the newest is known only when all have been asked. Who comes meanwhile does not go by what half of them said. */
	if (!has_looked && pool->hosts > 1)
		pg_look_around(pool, deadline_ms);
	pthread_mutex_lock(&pool->mutex);
	pool->has_looked = pool->history.system != 0;
	first = pool->place;
	pthread_mutex_unlock(&pool->mutex);
	for (size_t i = 0; i < pool->hosts; i++) {
		bool is_primary;

		if (pg_connect(pool->config, (first + i) % pool->hosts, true, deadline_ms, arena, ret, reterr_text) != ERR_OK)
			continue;
		pthread_mutex_lock(&pool->mutex);
		is_primary = pg_pool_learn(pool, *ret);
		if (is_primary)
			add(pool, *ret);
		pthread_mutex_unlock(&pool->mutex);
		if (is_primary)
			return ERR_OK;
		pg_close(*ret);
		*reterr_text = STR("a primary that another has replaced still takes connections: shut it down");
	}
	return ERR_UNAVAILABLE;
}

/* Twice as long as before, and a part of it by chance: processes that lost the same server do not come back as one. */
static void
back_off(struct pg_pool *pool)
{
	pool->backoff_ms = pool->backoff_ms ? pool->backoff_ms * 2 : BACKOFF_MIN_MS;
	if (pool->backoff_ms > BACKOFF_MAX_MS)
		pool->backoff_ms = BACKOFF_MAX_MS;
	pool->next_try_ms = clock_mono_ms() + pool->backoff_ms / 2 + (int64_t)(random_u64() % (uint64_t)(pool->backoff_ms / 2 + 1));
}

/* The place is taken already: make a connection for it. */
static enum err
pool_connect(struct pg_pool *pool, bool is_writer, int64_t deadline_ms, struct pg **ret)
{
	struct arena arena = { 0 };
	struct str text = STR_NONE;
	enum err err = connect_any(pool, deadline_ms, &arena, ret, &text);

	pthread_mutex_lock(&pool->mutex);
	if (err != ERR_OK) {
		/* A call that had no more time says nothing about the server. */
		bool is_away = clock_left_ms(deadline_ms) > HURRY_MS;

		if (is_away && pool->backoff_ms == 0)
			log_error(&pool_log, "pg.connect", KV_ERR(err), KV_STR("detail", text));
		pool->open--;
		pool->writers -= is_writer;
		if (is_away)
			back_off(pool);
		pthread_cond_broadcast(&pool->given);
	} else {
		if (pool->backoff_ms > 0)
			log_info(&pool_log, "pg.back");
		pool->backoff_ms = 0;
	}
	pthread_mutex_unlock(&pool->mutex);
	arena_clear(&arena);
	return err;
}

/* With the mutex: an idle one, the right to make one (*ret stays NULL), or ERR_AGAIN. */
static enum err
pool_choose(struct pg_pool *pool, bool is_writer, struct pg **ret)
{
	if (is_writer && pool->pending_count >= pool->writers_max)
		return ERR_UNAVAILABLE;
	if (is_writer && pool->writers >= pool->writers_max)
		return ERR_AGAIN;
	if (pool->idle) {
		*ret = pool->idle;
		pool->idle = (*ret)->next;
	} else if (pool->open >= pool->max) {
		return ERR_AGAIN;
	} else if (pool->backoff_ms > 0 && clock_mono_ms() < pool->next_try_ms) {
		return ERR_UNAVAILABLE;
	} else {
		/* After a failure one tries, the others go on being told. */
		pool->next_try_ms = clock_mono_ms() + BACKOFF_MAX_MS;
		pool->open++;
	}
	pool->writers += is_writer;
	return ERR_OK;
}

/* One that idles has nothing to say, unless it is its end. */
static bool
has_ended(struct pg *pg)
{
	return pg_wait(pg, false, 0);
}

static enum err
take_any(struct pg_pool *pool, bool is_writer, int64_t deadline_ms, struct pg **ret)
{
	struct timespec until = clock_timespec(deadline_ms);
	struct pg *pg = NULL;
	enum err err;

	pthread_mutex_lock(&pool->mutex);
	while ((err = pool_choose(pool, is_writer, &pg)) == ERR_AGAIN) {
		if (pthread_cond_clockwait(&pool->given, &pool->mutex, CLOCK_MONOTONIC, &until) != 0) {
			err = ERR_UNAVAILABLE;
			break;
		}
	}
	pthread_mutex_unlock(&pool->mutex);
	if (err == ERR_OK && !pg)
		err = pool_connect(pool, is_writer, deadline_ms, &pg);
	if (err != ERR_OK)
		return err;
	pg->is_writer = is_writer;
	*ret = pg;
	return ERR_OK;
}

static enum err
take(struct pg_pool *pool, bool is_writer, int64_t deadline_ms, struct pg **ret)
{
	for (;;) {
		TRY(take_any(pool, is_writer, deadline_ms, ret));
		if (!has_ended(*ret))
			return ERR_OK;
		(*ret)->is_broken = true;
		pg_give(pool, *ret);
	}
}

enum err
pg_take(struct pg_pool *pool, int64_t deadline_ms, struct pg **ret)
{
	return take(pool, false, deadline_ms, ret);
}

enum err
pg_take_to_write(struct pg_pool *pool, uint64_t account, int64_t deadline_ms, struct pg **ret)
{
	TRY(take(pool, true, deadline_ms, ret));
	(*ret)->account = account;
	return ERR_OK;
}

void
pg_give(struct pg_pool *pool, struct pg *pg)
{
	struct pg *dead = NULL;

	if (!pg)
		return;
	pthread_mutex_lock(&pool->mutex);
	if (pg->is_pending) {
		pg->next = pool->pending;
		pool->pending = pg;
		pool->pending_count++;
		pthread_cond_signal(&pool->look);
	} else if (pg->is_broken) {
		/* What broke one has most likely broken all that idle. */
		pg->next = pool->idle;
		dead = pg;
		pool->idle = NULL;
		for (; pg; pg = pg->next)
			pg_pool_remove(pool, pg);
	} else {
		pool->writers -= pg->is_writer;
		pg->is_writer = false;
		pg->next = pool->idle;
		pool->idle = pg;
		/* All: one that waits to write may not have this one, while one that reads may. */
		pthread_cond_broadcast(&pool->given);
	}
	pthread_mutex_unlock(&pool->mutex);
	close_all(dead);
}
