/* Bodies that wait for their pack, and who writes it. */
#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "services/blob/pack.h"

enum {
	GATHER_US = 5000,
	/* Where sessions are few, all of them are soon waiting: nobody comes any more, and another wait would be for nothing. */
	QUIET_US = 1500,
	WRITERS_MAX = 4, /* threads that write packs, of those that run calls */
};

/* A pack, and those who wait for it. */
struct gathering {
	struct gathering *next;
	struct pack pack;
	struct packed *bodies, **bodies_end;
	int64_t last_us;     /* when the last one came */
	int64_t until_us;    /* it gathers no longer */
	int64_t deadline_ms; /* the latest of its bodies' */
	bool has_writer;
};

struct packer {
	struct blob *blob;
	pthread_mutex_t lock;
	pthread_cond_t changed;          /* a pack is full, or one was written */
	struct gathering *first, **end;  /* packs that nobody writes yet; bodies are added to the last */
	size_t writers, under_way;       /* threads that have a pack, or write one; packs that are being written */
};

struct packer *
packer_new(struct blob *blob)
{
	struct packer *packer = MEM_NEW(struct packer);

	packer->blob = blob;
	packer->end = &packer->first;
	pthread_mutex_init(&packer->lock, NULL);
	pthread_cond_init(&packer->changed, NULL);
	return packer;
}

void
packer_free(struct packer *packer)
{
	pthread_mutex_lock(&packer->lock);
	while (packer->writers > 0)
		pthread_cond_wait(&packer->changed, &packer->lock);
	pthread_mutex_unlock(&packer->lock);
	pthread_mutex_destroy(&packer->lock);
	pthread_cond_destroy(&packer->changed);
	free(packer);
}

/* ---- gathering; all of it under the lock */

static struct gathering *
gathering_last(struct packer *packer)
{
	struct gathering *last = packer->first;

	while (last != NULL && last->next != NULL)
		last = last->next;
	return last;
}

static struct gathering *
gathering_new(struct packer *packer)
{
	struct gathering *g = MEM_NEW(struct gathering);
	bool is_alone = packer->first == NULL && packer->under_way == 0;

	pack_init(&g->pack);
	g->bodies_end = &g->bodies;
	g->until_us = clock_mono_us() + (is_alone ? 0 : GATHER_US);
	*packer->end = g;
	packer->end = &g->next;
	return g;
}

static void
gathering_add(struct packer *packer, struct gathering *g, struct str body, int64_t deadline_ms, struct packed *packed)
{
	pack_add(&g->pack, seal_keys_first(&packer->blob->seal_keys), body, &packed->ref);
	g->last_us = clock_mono_us();
	packed->next = NULL;
	*g->bodies_end = packed;
	g->bodies_end = &packed->next;
	if (deadline_ms > g->deadline_ms)
		g->deadline_ms = deadline_ms;
}

static void
gathering_unlink(struct packer *packer, struct gathering *g)
{
	struct gathering **at = &packer->first;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	if (packer->end == &g->next)
		packer->end = at;
}

/* ---- writing */

/* When the pack is to be written, as things are; 0: at once. */
static int64_t
gather_until(const struct packer *packer, const struct gathering *g)
{
	/* It had no room for another one. */
	if (g->next != NULL)
		return 0;
	return packer->under_way == 0 && g->last_us + QUIET_US < g->until_us ? g->last_us + QUIET_US : g->until_us;
}

static void
gather(struct packer *packer, struct gathering *g)
{
	int64_t until_us;

	while ((until_us = gather_until(packer, g)) > clock_mono_us()) {
		struct timespec until = { until_us / 1000000, until_us % 1000000 * 1000 };

		pthread_cond_clockwait(&packer->changed, &packer->lock, CLOCK_MONOTONIC, &until);
	}
	gathering_unlink(packer, g);
}

/* Store it, and tell those who wait; not before. */
static void
gathering_write(struct packer *packer, struct gathering *g)
{
	struct blob *blob = packer->blob;
	enum err err = pack_store(blob, &g->pack, g->deadline_ms);
	struct packed *next;

	for (struct packed *packed = g->bodies; packed != NULL; packed = next) {
		const struct blob_ref *ref = &packed->ref;

		next = packed->next;
		if (err == ERR_OK)
			cache_keep(blob->cache, &ref->object, ref->offset, str_sub(buffer_str(&g->pack.bytes), (size_t)ref->offset, (size_t)ref->stored));
		packed->done(packed, err);
	}
	pack_clear(&g->pack);
	free(g);
}

/* The first pack that no thread has taken; NULL: there is none. */
static struct gathering *
gathering_free(struct packer *packer)
{
	struct gathering *g = packer->first;

	while (g != NULL && g->has_writer)
		g = g->next;
	return g;
}

/* Write this pack, then those that found no writer meanwhile. Holds the lock but while it writes. */
static void
writer_run(struct packer *packer, struct gathering *g)
{
	packer->writers++;
	for (; g != NULL; g = gathering_free(packer)) {
		g->has_writer = true;
		gather(packer, g);
		packer->under_way++;
		pthread_mutex_unlock(&packer->lock);
		gathering_write(packer, g);
		pthread_mutex_lock(&packer->lock);
		packer->under_way--;
		pthread_cond_broadcast(&packer->changed);
	}
	packer->writers--;
	pthread_cond_broadcast(&packer->changed);
}

void
packer_put(struct packer *packer, struct str body, int64_t deadline_ms, struct packed *packed)
{
	struct gathering *g;
	bool is_new;

	pthread_mutex_lock(&packer->lock);
	g = gathering_last(packer);
	is_new = g == NULL || !pack_has_room(&g->pack, body.len);
	if (is_new) {
		g = gathering_new(packer);
		pthread_cond_broadcast(&packer->changed);
	}
	gathering_add(packer, g, body, deadline_ms, packed);
	if (is_new && packer->writers < WRITERS_MAX)
		writer_run(packer, g);
	pthread_mutex_unlock(&packer->lock);
}
