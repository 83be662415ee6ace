/* The long polls, and who wants to hear what. */
#include "services/imap/watch.h"

#include <pthread.h>
#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "proto/metadata.client.h"
#include "services/imap/views.h"
#include "services/imap/wire.h"

enum {
	REPLICAS_MAX = 64,
	POLL_MS = 25000,         /* the replica answers after 20 s with nothing */
	NUDGE_MS = 500,
	JITTER_MS = 300,
	RETRY_MIN_MS = 100,
	RETRY_MAX_MS = 2000,
	REGISTER_MS = 2000,      /* the longest that a SELECT waits for a replica to note its interest */
	REGISTER_MAX = 10000,    /* accounts in one call */
	LOOK_MS = 1000,          /* how often the list of replicas is read */
	RECHECK_MS = 3000,       /* views ask by themselves so often while a replica is silent */
	KEEP_INTEREST_MS = 60000, /* accounts stay registered for so long after their last mailbox was left */
	BUCKETS = 1024,
};

struct interest {
	struct interest *next;
	uint64_t account;
	struct str token; /* with which it is added; empty: that was refused, and the next login that holds gives its own */
	unsigned users;
	bool is_acknowledged, is_leaving;
	int64_t unused_since_ms;
};

struct replica {
	struct imap_watch *watch;
	struct replica *next;
	pthread_t thread;
	uint64_t id, watcher;
	/* Under the watch's lock: */
	uint64_t incarnation, after;
	bool is_listed;  /* the bus still knows it */
	bool is_hearing; /* it has every interest, and its last poll was answered */
	bool is_done;    /* its thread has ended */
	unsigned users;  /* who holds a pointer to it outside of the lock */
};

struct imap_watch {
	struct bus *bus;
	struct imap_views *views;
	pthread_t manager;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_stopping;
	int64_t catch_up_ms; /* when the manager asks for all views; 0: nothing was missed */
	struct replica *replicas;
	struct interest *interests[BUCKETS];
	struct log log;
};

/* ---- one call */

static enum err
call_watch(struct replica *r, MetadataWatchRequest *request, int64_t timeout_ms, struct arena *arena, MetadataWatchReply **ret_reply)
{
	struct bus_call call = {
		.bus = r->watch->bus,
		.arena = arena,
		.role = BUS_ROLE_IMAP,
		.log = r->watch->log,
		.deadline_ms = clock_mono_ms() + timeout_ms,
		.is_pinned = true,
		.replica = r->id,
	};

	request->watcher = r->watcher;
	pthread_mutex_lock(&r->watch->lock);
	request->incarnation = r->incarnation;
	request->after = r->after;
	pthread_mutex_unlock(&r->watch->lock);
	return metadata_watch(&call, request, ret_reply);
}

/* ---- interests; under the lock */

static struct interest **
find(struct imap_watch *watch, uint64_t account)
{
	struct interest **at = &watch->interests[(account ^ account >> 17) % BUCKETS];

	while (*at && (*at)->account != account)
		at = &(*at)->next;
	return at;
}

static void
interest_free(struct interest *in)
{
	free((char *)in->token.ptr);
	free(in);
}

/* The token's memory is the interest's. */
static void
set_token(struct interest *in, struct str token)
{
	char *copy = mem_alloc(token.len + 1);

	if (token.len > 0)
		memcpy(copy, token.ptr, token.len);
	free((char *)in->token.ptr);
	in->token = str_from(copy, token.len);
}

/* Every account of interest, in `arena`. */
static uint64_t *
all_accounts(struct imap_watch *watch, struct arena *arena, size_t *ret_count)
{
	size_t count = 0;
	uint64_t *accounts;

	for (size_t i = 0; i < BUCKETS; i++)
		for (struct interest *in = watch->interests[i]; in; in = in->next)
			count++;
	accounts = ARENA_ARRAY(arena, uint64_t, count + 1);
	count = 0;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct interest *in = watch->interests[i]; in; in = in->next)
			accounts[count++] = in->account;
	*ret_count = count;
	return accounts;
}

/* The replicas that hear now, held: their threads see to the others. Returns how many. */
static size_t
hold_hearing(struct imap_watch *watch, struct replica **ret)
{
	size_t count = 0;

	for (struct replica *r = watch->replicas; r && count < REPLICAS_MAX; r = r->next) {
		if (!r->is_hearing)
			continue;
		r->users++;
		ret[count++] = r;
	}
	return count;
}

static void
release(struct replica **replicas, size_t count)
{
	for (size_t i = 0; i < count; i++)
		replicas[i]->users--;
}

/* ---- a replica's thread */

/* Events were missed: what is selected is asked for soon, a little later than by other processes that missed the same. */
static void
miss(struct imap_watch *watch)
{
	imap_views_missed(watch->views);
	pthread_mutex_lock(&watch->lock);
	if (watch->catch_up_ms == 0)
		watch->catch_up_ms = clock_mono_ms() + (int64_t)(random_u64() % JITTER_MS);
	pthread_cond_broadcast(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
}

/* It does not tell us what happens, or no longer. */
static void
stop_hearing(struct replica *r, enum err err)
{
	bool was;

	pthread_mutex_lock(&r->watch->lock);
	was = r->is_hearing;
	r->is_hearing = false;
	pthread_mutex_unlock(&r->watch->lock);
	if (!was)
		return;
	log_info(&r->watch->log, "imap.watch.lost", KV_INT("replica", r->id), KV_ERR(err));
	/* Between the last event and now there may have been others. */
	miss(r->watch);
}

/*
 * The replica tells no more of an account. When another login has given its token since, that one is used; else the next that holds: the
 * views ask for themselves, each with its own, and those that do not hold end.
 */
static void
take_refusal(struct replica *r, const MetadataEvent *event, struct arena *arena)
{
	MetadataWatchRequest request = METADATA_WATCH_REQUEST__INIT;
	MetadataWatchReply *reply;
	uint64_t account = event->account;
	ProtobufCBinaryData token = { 0 };
	struct interest *in;

	pthread_mutex_lock(&r->watch->lock);
	in = *find(r->watch, account);
	if (in && str_equal(in->token, wire_str(event->refused)))
		in->token.len = 0;
	if (in)
		token = wire_bytes(arena_copy(arena, in->token));
	pthread_mutex_unlock(&r->watch->lock);
	log_info(&r->watch->log, "imap.watch.refused", KV_INT("replica", r->id), KV_BOOL("again", token.len > 0));
	request.n_add = request.n_token = token.len > 0;
	request.add = &account;
	request.token = &token;
	if (request.n_add > 0 && call_watch(r, &request, REGISTER_MS, arena, &reply) != ERR_OK)
		stop_hearing(r, ERR_UNAVAILABLE);
}

/* Take the answer's events, then its place. An answer from another life of the replica begins anew. */
static bool
take_reply(struct replica *r, const MetadataWatchReply *reply, struct arena *arena)
{
	bool is_same;

	for (size_t i = 0; i < reply->n_event; i++) {
		if (reply->event[i]->refused.len > 0)
			take_refusal(r, reply->event[i], arena);
		imap_views_event(r->watch->views, reply->event[i]);
	}
	pthread_mutex_lock(&r->watch->lock);
	is_same = r->incarnation == reply->incarnation && !reply->lost;
	r->incarnation = reply->incarnation;
	if (!is_same || reply->last > r->after)
		r->after = reply->last;
	pthread_mutex_unlock(&r->watch->lock);
	return is_same;
}

/* Wait, unless the end comes. */
static void
pause_ms(struct imap_watch *watch, int64_t ms)
{
	struct timespec until = clock_timespec(clock_mono_ms() + ms);

	pthread_mutex_lock(&watch->lock);
	while (!watch->is_stopping && pthread_cond_clockwait(&watch->changed, &watch->lock, CLOCK_MONOTONIC, &until) == 0)
		;
	pthread_mutex_unlock(&watch->lock);
}

/* Ask for what is stale: also for what could not be asked for the last time, as the database was away. */
static void
ask(struct imap_watch *watch)
{
	struct arena arena = { 0 };
	struct bus_call call = { .bus = watch->bus, .arena = &arena, .role = BUS_ROLE_IMAP, .log = watch->log };

	imap_views_catch_up(watch->views, &call);
	arena_clear(&arena);
}

/* Every account of interest, with its token; under the lock. */
static void
add_all(struct imap_watch *watch, struct arena *arena, MetadataWatchRequest *request)
{
	size_t count, kept = 0;
	uint64_t *accounts = all_accounts(watch, arena, &count);

	request->token = ARENA_ARRAY(arena, ProtobufCBinaryData, count + 1);
	for (size_t i = 0; i < count; i++) {
		const struct interest *in = *find(watch, accounts[i]);

		if (in->token.len == 0)
			continue;
		request->token[kept] = wire_bytes(arena_copy(arena, in->token));
		accounts[kept++] = accounts[i];
	}
	request->add = accounts;
	request->n_add = request->n_token = kept;
}

/* Tell the replica all that is of interest; it then hears. */
static enum err
register_all(struct replica *r, struct arena *arena)
{
	MetadataWatchRequest all = METADATA_WATCH_REQUEST__INIT, request = all;
	MetadataWatchReply *reply;
	size_t done = 0;

	pthread_mutex_lock(&r->watch->lock);
	r->incarnation = r->after = 0;
	/* From here on imap_watch_add tells this replica too. */
	r->is_hearing = true;
	add_all(r->watch, arena, &all);
	pthread_mutex_unlock(&r->watch->lock);
	do {
		request.n_add = request.n_token = all.n_add - done < REGISTER_MAX ? all.n_add - done : REGISTER_MAX;
		request.add = all.add + done;
		request.token = all.token + done;
		TRY(call_watch(r, &request, REGISTER_MS, arena, &reply));
		take_reply(r, reply, arena);
		done += request.n_add;
	} while (done < all.n_add);
	/* The list may have been read while this waited for it to come back. */
	pthread_mutex_lock(&r->watch->lock);
	r->is_listed = true;
	pthread_mutex_unlock(&r->watch->lock);
	log_info(&r->watch->log, "imap.watch.hears", KV_INT("replica", r->id), KV_INT("accounts", all.n_add));
	miss(r->watch);
	return ERR_OK;
}

static enum err
poll_once(struct replica *r, struct arena *arena)
{
	MetadataWatchRequest request = METADATA_WATCH_REQUEST__INIT;
	MetadataWatchReply *reply;

	request.wait = true;
	TRY(call_watch(r, &request, POLL_MS, arena, &reply));
	return take_reply(r, reply, arena) ? ERR_OK : ERR_LOST;
}

static bool
is_wanted(struct replica *r, bool *ret_is_hearing)
{
	bool is_wanted;

	pthread_mutex_lock(&r->watch->lock);
	is_wanted = r->is_listed && !r->watch->is_stopping;
	*ret_is_hearing = r->is_hearing;
	pthread_mutex_unlock(&r->watch->lock);
	return is_wanted;
}

static void *
replica_run(void *arg)
{
	struct replica *r = arg;
	struct arena arena = { 0 };
	int64_t retry_ms = RETRY_MIN_MS;
	bool is_hearing;

	while (is_wanted(r, &is_hearing)) {
		enum err err = register_all(r, &arena);

		arena_reset(&arena);
		retry_ms = err == ERR_OK ? RETRY_MIN_MS : retry_ms < RETRY_MAX_MS ? retry_ms * 2 : RETRY_MAX_MS;
		/* A session that could not tell it of its interest takes is_hearing away. */
		while (err == ERR_OK && is_wanted(r, &is_hearing) && is_hearing) {
			err = poll_once(r, &arena);
			arena_reset(&arena);
		}
		stop_hearing(r, err);
		if (err != ERR_LOST)
			pause_ms(r->watch, retry_ms + (int64_t)(random_u64() % (uint64_t)retry_ms));
	}
	arena_clear(&arena);
	pthread_mutex_lock(&r->watch->lock);
	r->is_done = true;
	pthread_mutex_unlock(&r->watch->lock);
	return NULL;
}

/* ---- the manager: which replicas there are, and interests that nobody has any more */

static void
start_replica(struct imap_watch *watch, uint64_t id)
{
	struct replica *r = MEM_NEW(struct replica);

	r->watch = watch;
	r->id = id;
	r->watcher = random_u64();
	r->is_listed = true;
	if (pthread_create(&r->thread, NULL, replica_run, r) != 0) {
		free(r);
		return;
	}
	r->next = watch->replicas;
	watch->replicas = r;
}

/* Threads that have ended are joined; under the lock, which they no longer take. */
static void
reap(struct imap_watch *watch)
{
	for (struct replica **at = &watch->replicas; *at;) {
		struct replica *r = *at;

		if (!r->is_done || r->users > 0) {
			at = &r->next;
			continue;
		}
		pthread_join(r->thread, NULL);
		*at = r->next;
		free(r);
	}
}

/* Returns whether all replicas hear. */
static bool
look(struct imap_watch *watch)
{
	uint64_t ids[REPLICAS_MAX];
	size_t count = bus_replicas(watch->bus, "metadata", ids, REPLICAS_MAX);
	bool all = count > 0;

	if (count > REPLICAS_MAX)
		count = REPLICAS_MAX;
	pthread_mutex_lock(&watch->lock);
	for (struct replica *r = watch->replicas; r; r = r->next)
		r->is_listed = false;
	for (size_t i = 0; i < count; i++) {
		struct replica *r = watch->replicas;

		while (r && r->id != ids[i])
			r = r->next;
		if (r)
			r->is_listed = true;
		else
			start_replica(watch, ids[i]);
	}
	reap(watch);
	for (struct replica *r = watch->replicas; r; r = r->next)
		all &= r->is_hearing;
	pthread_mutex_unlock(&watch->lock);
	return all;
}

/* Mark what nobody has wanted for a while; the marked ones, in `arena`. */
static uint64_t *
collect_unused(struct imap_watch *watch, struct arena *arena, size_t *ret_count)
{
	int64_t before = clock_mono_ms() - KEEP_INTEREST_MS;
	uint64_t *accounts = all_accounts(watch, arena, ret_count);
	size_t kept = 0;

	for (size_t i = 0; i < *ret_count; i++) {
		struct interest *in = *find(watch, accounts[i]);

		if (in->users > 0 || in->unused_since_ms > before)
			continue;
		in->is_leaving = true;
		accounts[kept++] = accounts[i];
	}
	*ret_count = kept;
	return accounts;
}

static void
drop_unused(struct imap_watch *watch)
{
	struct replica *replicas[REPLICAS_MAX];
	struct arena arena = { 0 };
	MetadataWatchRequest request = METADATA_WATCH_REQUEST__INIT;
	MetadataWatchReply *reply;
	size_t n;

	pthread_mutex_lock(&watch->lock);
	request.remove = collect_unused(watch, &arena, &request.n_remove);
	n = hold_hearing(watch, replicas);
	pthread_mutex_unlock(&watch->lock);
	/* A replica that does not answer keeps telling us what we do not want; no harm. */
	for (size_t i = 0; i < n && request.n_remove > 0; i++)
		(void)call_watch(replicas[i], &request, REGISTER_MS, &arena, &reply);
	pthread_mutex_lock(&watch->lock);
	release(replicas, n);
	for (size_t i = 0; i < request.n_remove; i++) {
		struct interest **at = find(watch, request.remove[i]), *in = *at;

		*at = in->next;
		interest_free(in);
	}
	pthread_cond_broadcast(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
	arena_clear(&arena);
}

static bool
is_stopping(struct imap_watch *watch)
{
	bool is_stopping;

	pthread_mutex_lock(&watch->lock);
	is_stopping = watch->is_stopping;
	pthread_mutex_unlock(&watch->lock);
	return is_stopping;
}

/* Wait for LOOK_MS, or until it is time to catch up: then true. */
static bool
wait_for_miss(struct imap_watch *watch)
{
	int64_t until_ms = clock_mono_ms() + LOOK_MS;
	bool is_time = false;

	pthread_mutex_lock(&watch->lock);
	while (!watch->is_stopping && !is_time && clock_left_ms(until_ms) > 0) {
		bool is_soon = watch->catch_up_ms != 0 && watch->catch_up_ms < until_ms;
		struct timespec until = clock_timespec(is_soon ? watch->catch_up_ms : until_ms);

		is_time = is_soon && clock_left_ms(watch->catch_up_ms) == 0;
		if (!is_time)
			pthread_cond_clockwait(&watch->changed, &watch->lock, CLOCK_MONOTONIC, &until);
	}
	if (is_time)
		watch->catch_up_ms = 0;
	pthread_mutex_unlock(&watch->lock);
	return is_time;
}

/* All questions of views that nobody looks at come from this one thread, one after the other. */
static void *
manager_run(void *arg)
{
	struct imap_watch *watch = arg;
	int64_t recheck_at = clock_mono_ms() + RECHECK_MS;

	while (!is_stopping(watch)) {
		bool all_hear = look(watch);

		if (clock_mono_ms() >= recheck_at) {
			if (!all_hear)
				imap_views_missed(watch->views);
			ask(watch);
			drop_unused(watch);
			recheck_at = clock_mono_ms() + RECHECK_MS + (int64_t)(random_u64() % 1000);
		}
		if (wait_for_miss(watch))
			ask(watch);
	}
	return NULL;
}

struct imap_watch *
imap_watch_new(struct bus *bus, struct imap_views *views)
{
	struct imap_watch *watch = MEM_NEW(struct imap_watch);

	watch->bus = bus;
	watch->views = views;
	watch->log.service = "imap";
	pthread_mutex_init(&watch->lock, NULL);
	pthread_cond_init(&watch->changed, NULL);
	if (pthread_create(&watch->manager, NULL, manager_run, watch) != 0)
		abort();
	return watch;
}

/* A second poll of the same watcher makes the replica answer the first, so that its thread need not be waited for. */
static void
nudge(struct imap_watch *watch)
{
	struct arena arena = { 0 };

	for (struct replica *r = watch->replicas; r; r = r->next) {
		MetadataWatchRequest request = METADATA_WATCH_REQUEST__INIT;
		MetadataWatchReply *reply;

		request.wait = true;
		(void)call_watch(r, &request, NUDGE_MS, &arena, &reply);
	}
	arena_clear(&arena);
}

void
imap_watch_free(struct imap_watch *watch)
{
	if (!watch)
		return;
	pthread_mutex_lock(&watch->lock);
	watch->is_stopping = true;
	pthread_cond_broadcast(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
	pthread_join(watch->manager, NULL);
	nudge(watch);
	for (struct replica *r = watch->replicas, *next; r; r = next) {
		next = r->next;
		pthread_join(r->thread, NULL);
		free(r);
	}
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct interest *in = watch->interests[i], *next; in; in = next) {
			next = in->next;
			interest_free(in);
		}
	}
	pthread_mutex_destroy(&watch->lock);
	pthread_cond_destroy(&watch->changed);
	free(watch);
}

/* ---- for sessions */

/*
 * The account's interest with this token, made when it is not there; *ret_must_tell: nobody has told the replicas. Waits while another does,
 * or while it is being dropped. Under the lock.
 */
static void
take_interest(struct imap_watch *watch, uint64_t account, struct str token, bool *ret_must_tell)
{
	struct interest *in;

	while ((in = *find(watch, account)) && in->is_leaving)
		pthread_cond_wait(&watch->changed, &watch->lock);
	if (!in) {
		in = MEM_NEW(struct interest);
		in->account = account;
		*find(watch, account) = in;
	}
	*ret_must_tell = in->token.len == 0;
	/* The last who came is likely to hold longest. */
	set_token(in, token);
	in->users++;
	if (*ret_must_tell)
		in->is_acknowledged = false;
	while (!in->is_acknowledged && !*ret_must_tell)
		pthread_cond_wait(&watch->changed, &watch->lock);
}

/* Tell the replicas. One that does not answer now is registered anew by its thread, and then every view asks. */
static void
tell(struct imap_watch *watch, uint64_t account, struct str token)
{
	struct replica *replicas[REPLICAS_MAX];
	MetadataWatchRequest request = METADATA_WATCH_REQUEST__INIT;
	MetadataWatchReply *reply;
	ProtobufCBinaryData bytes = wire_bytes(token);
	struct arena arena = { 0 };
	size_t n;

	request.n_add = request.n_token = 1;
	request.add = &account;
	request.token = &bytes;
	pthread_mutex_lock(&watch->lock);
	n = hold_hearing(watch, replicas);
	pthread_mutex_unlock(&watch->lock);
	for (size_t i = 0; i < n; i++)
		if (call_watch(replicas[i], &request, REGISTER_MS, &arena, &reply) != ERR_OK)
			stop_hearing(replicas[i], ERR_UNAVAILABLE);
	arena_clear(&arena);
	pthread_mutex_lock(&watch->lock);
	release(replicas, n);
	(*find(watch, account))->is_acknowledged = true;
	pthread_cond_broadcast(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
}

void
imap_watch_add(struct imap_watch *watch, uint64_t account, struct str token)
{
	bool must_tell;

	pthread_mutex_lock(&watch->lock);
	take_interest(watch, account, token, &must_tell);
	pthread_mutex_unlock(&watch->lock);
	if (must_tell)
		tell(watch, account, token);
}

bool
imap_watch_keep(struct imap_watch *watch, uint64_t account, struct str token)
{
	struct interest *in;
	bool must_tell;

	pthread_mutex_lock(&watch->lock);
	in = *find(watch, account);
	must_tell = in && in->token.len == 0;
	if (must_tell) {
		set_token(in, token);
		in->is_acknowledged = false;
	}
	pthread_mutex_unlock(&watch->lock);
	if (must_tell)
		tell(watch, account, token);
	return !must_tell;
}

void
imap_watch_remove(struct imap_watch *watch, uint64_t account)
{
	struct interest *in;

	pthread_mutex_lock(&watch->lock);
	in = *find(watch, account);
	if (in && --in->users == 0)
		in->unused_since_ms = clock_mono_ms();
	pthread_mutex_unlock(&watch->lock);
}
