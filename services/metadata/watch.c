/* Watchers, what they are interested in, and the events that they have not seen. */
#include <pthread.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "services/metadata/watch.h"

enum { BUCKETS = 4096, EVENTS_MAX = 4096, EVENT_BYTES_MAX = 4 << 20, REPLY_BYTES_MAX = 2 << 20, CHANGE_BYTES_MAX = 64 << 10,
	BYTES_MAX = 64 << 20 /* of all watchers' events */, INTERESTS_MAX = 100000 /* of one watcher */, WAIT_MS = 20000, FORGET_MS = 60000,
	WATCHERS_MAX = 1000 };

/* A packed MetadataEvent. */
struct event {
	struct event *next;
	uint64_t number;
	size_t len;
	uint8_t bytes[];
};

struct watcher {
	struct watcher *next;
	uint64_t id;
	uint64_t last;          /* number of the newest event */
	struct event *first, **end;
	size_t count, bytes, interests;
	bool is_lost;
	int64_t heard_ms, answer_by_ms;
	struct rpc *rpc;        /* waits; NULL: none does */
	MetadataWatchReply *reply;
};

struct interest {
	struct interest *next;
	uint64_t account;
	struct watcher *watcher;
	int64_t ends_ms, version; /* of the token that it was added with */
	char token[TOKEN_BYTES];
};

struct watch {
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	pthread_t timer;
	bool is_ending;
	uint64_t incarnation;
	struct watcher *watchers;
	size_t watcher_count, bytes;
	struct interest *interests[BUCKETS];
};

/* An answer to be given without the mutex. */
struct answers {
	struct {
		struct rpc *rpc;
		enum err err;
	} items[WATCHERS_MAX];
	size_t count;
};

static void *
arena_allocate(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void
arena_ignore(void *arena, void *ptr)
{
	(void)arena;
	(void)ptr;
}

/* ---- with the mutex */

static void
drop_event(struct watch *watch, struct watcher *w)
{
	struct event *event = w->first;

	w->first = event->next;
	if (!w->first)
		w->end = &w->first;
	w->count--;
	w->bytes -= event->len;
	watch->bytes -= event->len;
	free(event);
}

static struct interest **
bucket_of(struct watch *watch, uint64_t account)
{
	return &watch->interests[(account * 0x9e3779b97f4a7c15ULL) >> 52];
}

static struct interest **
interest_of(struct watch *watch, uint64_t account, const struct watcher *w)
{
	struct interest **at = bucket_of(watch, account);

	while (*at && !((*at)->account == account && (*at)->watcher == w))
		at = &(*at)->next;
	return at;
}

static void
forget(struct watch *watch, struct watcher **at)
{
	struct watcher *w = *at;

	for (size_t i = 0; i < BUCKETS; i++)
		for (struct interest **in = &watch->interests[i]; *in;) {
			struct interest *interest = *in;

			if (interest->watcher != w) {
				in = &interest->next;
				continue;
			}
			*in = interest->next;
			free(interest);
		}
	while (w->first)
		drop_event(watch, w);
	*at = w->next;
	watch->watcher_count--;
	free(w);
}

static struct watcher *
find(struct watch *watch, uint64_t id)
{
	struct watcher *w = watch->watchers;

	while (w && w->id != id)
		w = w->next;
	return w;
}

static struct watcher *
introduce(struct watch *watch, uint64_t id)
{
	struct watcher *w = MEM_NEW(struct watcher);

	w->id = id;
	w->end = &w->first;
	w->next = watch->watchers;
	watch->watchers = w;
	watch->watcher_count++;
	return w;
}

static void
fill_reply(struct watch *watch, struct watcher *w, struct arena *arena, MetadataWatchReply *reply, uint64_t after)
{
	ProtobufCAllocator allocator = { arena_allocate, arena_ignore, arena };
	size_t bytes = 0;

	reply->incarnation = watch->incarnation;
	reply->last = after;
	reply->lost = w->is_lost;
	if (w->is_lost)
		reply->last = w->last;
	w->is_lost = false;
	reply->event = w->count > 0 ? ARENA_ARRAY(arena, MetadataEvent *, w->count) : NULL;
	for (struct event *e = w->first; e && bytes < REPLY_BYTES_MAX; e = e->next) {
		reply->event[reply->n_event++] = metadata_event__unpack(&allocator, e->len, e->bytes);
		reply->last = e->number;
		bytes += e->len;
	}
}

static void
answer(struct watch *watch, struct watcher *w, enum err err, struct answers *answers)
{
	if (err == ERR_OK)
		fill_reply(watch, w, w->rpc->arena, w->reply, w->last - w->count);
	answers->items[answers->count].rpc = w->rpc;
	answers->items[answers->count++].err = err;
	w->rpc = NULL;
	w->heard_ms = clock_mono_ms();
}

/* Its events are of no use without one that it is not told: it has to look for itself. */
static void
lose(struct watch *watch, struct watcher *w)
{
	while (w->first)
		drop_event(watch, w);
	w->is_lost = true;
}

static void
add_event(struct watch *watch, struct watcher *w, const MetadataEvent *event, size_t len)
{
	struct event *e;

	w->last++;
	if (w->is_lost)
		return;
	if (w->count == EVENTS_MAX || w->bytes + len > EVENT_BYTES_MAX || watch->bytes + len > BYTES_MAX) {
		lose(watch, w);
		return;
	}
	e = mem_alloc(sizeof(*e) + len);
	e->next = NULL;
	e->number = w->last;
	e->len = metadata_event__pack(event, e->bytes);
	*w->end = e;
	w->end = &e->next;
	w->count++;
	w->bytes += len;
	watch->bytes += len;
}

/* Instead of an event: that there will be none. */
static void
tell_refused(struct watch *watch, struct watcher *w, uint64_t account, struct str token)
{
	MetadataEvent event = METADATA_EVENT__INIT;

	event.account = account;
	event.refused = data_of(token);
	add_event(watch, w, &event, metadata_event__get_packed_size(&event));
}

/* Take the interest away, and say so. */
static void
refuse(struct watch *watch, struct interest **at)
{
	struct interest *in = *at;

	*at = in->next;
	in->watcher->interests--;
	tell_refused(watch, in->watcher, in->account, str_from(in->token, TOKEN_BYTES));
	free(in);
}

/* ERR_LIMIT: what is added is more than one may have. */
static enum err
update_interests(struct watch *watch, struct watcher *w, const MetadataWatchRequest *req, const struct claim *claims)
{
	for (size_t i = 0; i < req->n_add; i++) {
		struct interest **at = interest_of(watch, req->add[i], w);

		if (claims[i].err != ERR_OK) {
			tell_refused(watch, w, req->add[i], claims[i].token);
			continue;
		}
		if (!*at) {
			if (w->interests == INTERESTS_MAX)
				return ERR_LIMIT;
			w->interests++;
			*at = MEM_NEW(struct interest);
			(*at)->account = req->add[i];
			(*at)->watcher = w;
		}
		(*at)->ends_ms = claims[i].ends_ms;
		(*at)->version = claims[i].version;
		memcpy((*at)->token, claims[i].token.ptr, TOKEN_BYTES);
	}
	for (size_t i = 0; i < req->n_remove; i++) {
		struct interest **at = interest_of(watch, req->remove[i], w), *gone = *at;

		if (!gone)
			continue;
		*at = gone->next;
		w->interests--;
		free(gone);
	}
	return ERR_OK;
}

/* ---- from outside */

static void
give(const struct answers *answers)
{
	for (size_t i = 0; i < answers->count; i++)
		rpc_finish(answers->items[i].rpc, answers->items[i].err);
}

void
watch_publish(struct watch *watch, uint64_t account, const struct effect *effect)
{
	MetadataEvent event = METADATA_EVENT__INIT;
	struct answers answers = { .count = 0 };
	int64_t now = clock_wall_ms();
	size_t len = 0;

	event.account = account;
	event.mailbox = effect->mailbox;
	event.gone = effect->is_gone;
	if (effect->change) {
		event.old = (MetadataCursor *)&effect->old;
		event.new_ = (MetadataCursor *)&effect->new;
		event.change = effect->change;
	}
	pthread_mutex_lock(&watch->mutex);
	for (struct interest **at = bucket_of(watch, account), *in; (in = *at);) {
		struct watcher *w = in->watcher;
		bool is_over = in->ends_ms < now;

		if (in->account != account) {
			at = &in->next;
			continue;
		}
		if (len == 0 && (len = metadata_event__get_packed_size(&event)) > CHANGE_BYTES_MAX) {
			event.change = NULL;
			len = metadata_event__get_packed_size(&event);
		}
		if (is_over) {
			refuse(watch, at);
		} else {
			add_event(watch, w, &event, len);
			at = &in->next;
		}
		if (w->rpc)
			answer(watch, w, ERR_OK, &answers);
	}
	pthread_mutex_unlock(&watch->mutex);
	give(&answers);
}

void
watch_refuse(struct watch *watch, uint64_t account, int64_t version)
{
	struct answers answers = { .count = 0 };

	pthread_mutex_lock(&watch->mutex);
	for (struct interest **at = bucket_of(watch, account), *in; (in = *at);) {
		struct watcher *w = in->watcher;

		if (in->account != account || in->version == version) {
			at = &in->next;
			continue;
		}
		refuse(watch, at);
		if (w->rpc)
			answer(watch, w, ERR_OK, &answers);
	}
	pthread_mutex_unlock(&watch->mutex);
	give(&answers);
}

void
watch_lose(struct watch *watch, uint64_t account)
{
	struct answers answers = { .count = 0 };

	pthread_mutex_lock(&watch->mutex);
	for (struct interest *in = *bucket_of(watch, account); in; in = in->next) {
		if (in->account != account)
			continue;
		lose(watch, in->watcher);
		if (in->watcher->rpc)
			answer(watch, in->watcher, ERR_OK, &answers);
	}
	pthread_mutex_unlock(&watch->mutex);
	give(&answers);
}

void
watch_lose_all(struct watch *watch)
{
	struct answers answers = { .count = 0 };

	pthread_mutex_lock(&watch->mutex);
	for (struct watcher *w = watch->watchers; w; w = w->next) {
		lose(watch, w);
		if (w->rpc)
			answer(watch, w, ERR_OK, &answers);
	}
	pthread_mutex_unlock(&watch->mutex);
	give(&answers);
}

enum err
watch_poll(struct watch *watch, struct rpc *rpc, const MetadataWatchRequest *req, const struct claim *claims, MetadataWatchReply *reply)
{
	struct answers answers = { .count = 0 };
	bool is_waiting = false;
	struct watcher *w;
	enum err err;

	pthread_mutex_lock(&watch->mutex);
	w = find(watch, req->watcher);
	if (watch->is_ending || (!w && watch->watcher_count == WATCHERS_MAX)) {
		pthread_mutex_unlock(&watch->mutex);
		return watch->is_ending ? ERR_GOING_AWAY : ERR_BUSY;
	}
	if (!w) {
		w = introduce(watch, req->watcher);
		/* It had been here before, or believes so. */
		w->is_lost = req->incarnation != 0;
		w->last = req->after;
	} else if (req->incarnation != 0 && req->incarnation != watch->incarnation) {
		w->is_lost = true;
	}
	w->heard_ms = clock_mono_ms();
	err = update_interests(watch, w, req, claims);
	if (err != ERR_OK) {
		pthread_mutex_unlock(&watch->mutex);
		return err;
	}
	if (req->wait) {
		while (w->first && w->first->number <= req->after)
			drop_event(watch, w);
		if (w->rpc)
			answer(watch, w, ERR_OK, &answers);
		is_waiting = w->count == 0 && !w->is_lost;
	}
	if (is_waiting) {
		rpc_defer(rpc);
		w->rpc = rpc;
		w->reply = reply;
		w->answer_by_ms = clock_mono_ms() + WAIT_MS;
	} else if (req->wait) {
		fill_reply(watch, w, rpc->arena, reply, w->last - w->count);
	} else {
		/* Only the poll takes events, so that none is seen twice or passed over. */
		reply->incarnation = watch->incarnation;
		reply->last = req->after;
	}
	pthread_mutex_unlock(&watch->mutex);
	give(&answers);
	return ERR_OK;
}

static void *
answer_in_time(void *arg)
{
	struct watch *watch = arg;

	pthread_mutex_lock(&watch->mutex);
	while (!watch->is_ending) {
		struct timespec second = clock_timespec(clock_mono_ms() + 1000);
		struct answers answers = { .count = 0 };

		pthread_cond_clockwait(&watch->wake, &watch->mutex, CLOCK_MONOTONIC, &second);
		for (struct watcher **at = &watch->watchers; *at;) {
			struct watcher *w = *at;

			if (w->rpc && clock_left_ms(w->answer_by_ms) == 0)
				answer(watch, w, ERR_OK, &answers);
			if (!w->rpc && clock_left_ms(w->heard_ms + FORGET_MS) == 0)
				forget(watch, at);
			else
				at = &w->next;
		}
		pthread_mutex_unlock(&watch->mutex);
		give(&answers);
		pthread_mutex_lock(&watch->mutex);
	}
	pthread_mutex_unlock(&watch->mutex);
	return NULL;
}

struct watch *
watch_new(void)
{
	struct watch *watch = MEM_NEW(struct watch);

	watch->incarnation = random_u64() | 1;
	pthread_mutex_init(&watch->mutex, NULL);
	pthread_cond_init(&watch->wake, NULL);
	if (pthread_create(&watch->timer, NULL, answer_in_time, watch) != 0)
		abort();
	return watch;
}

void
watch_drain(struct watch *watch)
{
	struct answers answers = { .count = 0 };

	pthread_mutex_lock(&watch->mutex);
	watch->is_ending = true;
	pthread_cond_broadcast(&watch->wake);
	for (struct watcher *w = watch->watchers; w; w = w->next)
		if (w->rpc)
			answer(watch, w, ERR_GOING_AWAY, &answers);
	pthread_mutex_unlock(&watch->mutex);
	give(&answers);
}

void
watch_free(struct watch *watch)
{
	if (!watch)
		return;
	watch_drain(watch);
	pthread_join(watch->timer, NULL);
	while (watch->watchers)
		forget(watch, &watch->watchers);
	pthread_cond_destroy(&watch->wake);
	pthread_mutex_destroy(&watch->mutex);
	free(watch);
}
