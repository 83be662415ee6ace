/* The mailboxes of this process, shared by their sessions. */
#include "services/imap/views.h"

#include <pthread.h>
#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "libcommon/net/net.h"
#include "proto/metadata.client.h"
#include "services/imap/load.h"
#include "services/imap/wire.h"

enum { BUCKETS = 4096 };

struct imap_mailbox {
	struct imap_mailbox *next;              /* in its bucket */
	struct imap_mailbox *newer, *older;     /* in the cache of those that nobody has selected */
	unsigned users;                         /* views, and those who are about to make one; under the registry's lock */
	size_t cached_bytes;
	uint64_t account, number;
	char *name;                             /* what it was last selected as */

	pthread_mutex_t lock;                   /* of what follows */
	uint32_t uidvalidity;
	struct imap_image *latest;
	bool is_stale, is_gone;
	struct imap_view *views;
};

/* Lock order: the registry's, then a mailbox's. */
struct imap_views {
	pthread_mutex_t lock;
	struct imap_mailbox *buckets[BUCKETS];
	uint64_t events[BUCKETS]; /* how many there were: did one come while there was no mailbox to take it? */
	struct imap_mailbox *newest, *oldest;
	size_t cached_bytes, cache_max;
};

static size_t
bucket_of(uint64_t account)
{
	return (account ^ account >> 23) % BUCKETS;
}

struct imap_views *
imap_views_new(size_t cache_bytes)
{
	struct imap_views *views = MEM_NEW(struct imap_views);

	pthread_mutex_init(&views->lock, NULL);
	views->cache_max = cache_bytes;
	return views;
}

static void
mailbox_free(struct imap_mailbox *mailbox)
{
	imap_image_unref(mailbox->latest);
	pthread_mutex_destroy(&mailbox->lock);
	free(mailbox->name);
	free(mailbox);
}

void
imap_views_free(struct imap_views *views)
{
	if (!views)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct imap_mailbox *next;

		for (struct imap_mailbox *m = views->buckets[i]; m; m = next) {
			next = m->next;
			mailbox_free(m);
		}
	}
	pthread_mutex_destroy(&views->lock);
	free(views);
}

/* ---- the cache; under the registry's lock */

static void
cache_take_out(struct imap_views *views, struct imap_mailbox *m)
{
	*(m->newer ? &m->newer->older : &views->newest) = m->older;
	*(m->older ? &m->older->newer : &views->oldest) = m->newer;
	m->newer = m->older = NULL;
	views->cached_bytes -= m->cached_bytes;
}

static void
cache_forget(struct imap_views *views, struct imap_mailbox *m)
{
	struct imap_mailbox **at = &views->buckets[bucket_of(m->account)];

	cache_take_out(views, m);
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	mailbox_free(m);
}

static void
cache_put(struct imap_views *views, struct imap_mailbox *m)
{
	m->cached_bytes = sizeof(*m) + (m->latest ? imap_image_bytes(m->latest) : 0);
	m->older = views->newest;
	*(m->older ? &m->older->newer : &views->oldest) = m;
	views->newest = m;
	views->cached_bytes += m->cached_bytes;
	if (m->is_gone)
		cache_forget(views, m);
	while (views->cached_bytes > views->cache_max && views->oldest)
		cache_forget(views, views->oldest);
}

/* ---- finding */

static struct imap_mailbox *
find(struct imap_views *views, uint64_t account, uint64_t number)
{
	for (struct imap_mailbox *m = views->buckets[bucket_of(account)]; m; m = m->next)
		if (m->account == account && m->number == number)
			return m;
	return NULL;
}

static struct imap_mailbox *
find_name(struct imap_views *views, uint64_t account, struct str name)
{
	for (struct imap_mailbox *m = views->buckets[bucket_of(account)]; m; m = m->next)
		if (m->account == account && str_equal(str_c(m->name), name))
			return m;
	return NULL;
}

/* One more user; the registry is locked. */
static struct imap_mailbox *
hold(struct imap_views *views, struct imap_mailbox *m)
{
	if (m->users++ == 0)
		cache_take_out(views, m);
	return m;
}

static void
release(struct imap_views *views, struct imap_mailbox *m)
{
	pthread_mutex_lock(&views->lock);
	if (--m->users == 0)
		cache_put(views, m);
	pthread_mutex_unlock(&views->lock);
}

/* The mailbox with this number, made when it is not there; held. */
static struct imap_mailbox *
find_or_make(struct imap_views *views, uint64_t account, uint64_t number, struct str name)
{
	struct imap_mailbox *m;

	pthread_mutex_lock(&views->lock);
	m = find(views, account, number);
	if (m) {
		hold(views, m);
		free(m->name);
	} else {
		m = MEM_NEW(struct imap_mailbox);
		pthread_mutex_init(&m->lock, NULL);
		m->account = account;
		m->number = number;
		m->users = 1;
		m->next = views->buckets[bucket_of(account)];
		views->buckets[bucket_of(account)] = m;
	}
	m->name = mem_alloc(name.len + 1);
	memcpy(m->name, name.ptr, name.len);
	m->name[name.len] = '\0';
	pthread_mutex_unlock(&views->lock);
	return m;
}

/* ---- going forward; under the mailbox's lock */

/* Take `image` (and its reference) as the latest, if it is newer. */
static void
advance(struct imap_mailbox *m, struct imap_image *image)
{
	struct imap_image *old = m->latest;

	if (old && old->cursor.timeline == image->cursor.timeline && old->cursor.modseq >= image->cursor.modseq) {
		imap_image_unref(image);
		return;
	}
	m->latest = image;
	imap_image_unref(old);
}

static void
wake_others(struct imap_mailbox *m, const struct imap_view *self)
{
	for (struct imap_view *v = m->views; v; v = v->next)
		if (v != self && v->is_idling)
			net_conn_wake(v->conn);
}

/* ---- selecting */

static struct imap_view *
enter(struct imap_mailbox *m, struct imap_image *image, const MetadataState *state, bool is_read_only, bool is_doubtful,
    struct net_conn *conn)
{
	struct imap_view *view = MEM_NEW(struct imap_view);

	pthread_mutex_lock(&m->lock);
	if (m->uidvalidity != state->uidvalidity) {
		imap_image_unref(m->latest);
		m->latest = NULL;
		m->uidvalidity = state->uidvalidity;
	}
	advance(m, image);
	m->is_gone = false;
	m->is_stale |= is_doubtful;
	view->mailbox = m;
	view->told = imap_image_ref(m->latest);
	view->conn = conn;
	view->is_read_only = is_read_only;
	view->recent_uid = state->recent_uid;
	view->told_keywords = view->told->keywords ? view->told->keywords->count : 0;
	view->next = m->views;
	m->views = view;
	pthread_mutex_unlock(&m->lock);
	return view;
}

/* What the cache has of a mailbox of this name, held; NULL: nothing. */
static struct imap_mailbox *
hold_cached(struct imap_views *views, uint64_t account, struct str name, struct imap_have *ret_have, uint64_t *ret_events)
{
	struct imap_mailbox *m;

	pthread_mutex_lock(&views->lock);
	*ret_events = views->events[bucket_of(account)];
	m = find_name(views, account, name);
	if (m)
		hold(views, m);
	pthread_mutex_unlock(&views->lock);
	if (!m)
		return NULL;
	pthread_mutex_lock(&m->lock);
	*ret_have = (struct imap_have){ imap_image_ref(m->latest), m->number, m->uidvalidity };
	pthread_mutex_unlock(&m->lock);
	return m;
}

enum err
imap_views_select(struct imap_views *views, struct bus_call *call, uint64_t account, struct str name, bool is_read_only,
    struct net_conn *conn, struct imap_view **ret_view, MetadataState **ret_state)
{
	struct imap_have have = { 0 };
	struct imap_image *image;
	uint64_t events, events_now;
	struct imap_mailbox *cached = hold_cached(views, account, name, &have, &events), *m;
	enum err err = imap_load(call, account, name, is_read_only, &have, &image, ret_state);

	imap_image_unref(have.image);
	if (err == ERR_OK) {
		m = find_or_make(views, account, (*ret_state)->mailbox, name);
		pthread_mutex_lock(&views->lock);
		events_now = views->events[bucket_of(account)];
		pthread_mutex_unlock(&views->lock);
		*ret_view = enter(m, image, *ret_state, is_read_only, events_now != events, conn);
	}
	if (cached)
		release(views, cached);
	return err;
}

void
imap_views_leave(struct imap_views *views, struct imap_view *view)
{
	struct imap_mailbox *m;
	struct imap_view **at;

	if (!view)
		return;
	m = view->mailbox;
	pthread_mutex_lock(&m->lock);
	for (at = &m->views; *at != view; at = &(*at)->next)
		;
	*at = view->next;
	pthread_mutex_unlock(&m->lock);
	imap_image_unref(view->told);
	free(view);
	release(views, m);
}

uint64_t
imap_mailbox_account(const struct imap_view *view)
{
	return view->mailbox->account;
}

uint64_t
imap_mailbox_number(const struct imap_view *view)
{
	return view->mailbox->number;
}

uint32_t
imap_mailbox_uidvalidity(const struct imap_view *view)
{
	return view->mailbox->uidvalidity;
}

/* ---- staying up to date */

/* The journal does not reach back: load it again, by whatever name it has now. */
static enum err
reload(struct imap_mailbox *m, struct bus_call *call)
{
	struct imap_image *image;
	MetadataState *state;
	struct str name;

	TRY(imap_load_name(call, m->account, m->number, &name));
	TRY(imap_load(call, m->account, name, true, NULL, &image, &state));
	pthread_mutex_lock(&m->lock);
	if (state->mailbox != m->number || state->uidvalidity != m->uidvalidity) {
		imap_image_unref(image);
		m->is_gone = true;
	} else {
		advance(m, image);
	}
	pthread_mutex_unlock(&m->lock);
	return ERR_OK;
}

static enum err
ask(struct imap_view *view, struct bus_call *call, struct imap_cursor_at have)
{
	struct imap_mailbox *m = view->mailbox;
	MetadataSyncRequest request = METADATA_SYNC_REQUEST__INIT;
	MetadataSyncRequest__Item item = METADATA_SYNC_REQUEST__ITEM__INIT, *items[] = { &item };
	MetadataSyncReply *reply;

	item.account = m->account;
	item.mailbox = m->number;
	item.have = wire_cursor(have, call->arena);
	request.n_item = 1;
	request.item = items;
	TRY(metadata_sync(call, &request, &reply));
	if (reply->n_sync != 1)
		return ERR_INTERNAL;
	TRY(err_from_wire(reply->sync[0]->status));
	if (reply->sync[0]->is_lost)
		return reload(m, call);
	imap_view_sync(view, have, reply->sync[0]);
	return ERR_OK;
}

enum err
imap_view_latest(struct imap_view *view, struct bus_call *call, struct imap_image **ret_image)
{
	struct imap_mailbox *m = view->mailbox;
	struct imap_cursor_at have;
	bool is_stale, is_gone;
	enum err err = ERR_OK;

	pthread_mutex_lock(&m->lock);
	is_stale = m->is_stale && !m->is_gone;
	m->is_stale = false;
	have = m->latest->cursor;
	pthread_mutex_unlock(&m->lock);
	if (is_stale)
		err = ask(view, call, have);
	pthread_mutex_lock(&m->lock);
	if (err == ERR_NO_MAILBOX)
		m->is_gone = true;
	else if (err != ERR_OK)
		m->is_stale = true;
	is_gone = m->is_gone;
	if (!is_gone && !imap_login_is_over(err))
		*ret_image = imap_image_ref(m->latest);
	pthread_mutex_unlock(&m->lock);
	if (is_gone)
		return ERR_NO_MAILBOX;
	return imap_login_is_over(err) ? err : ERR_OK;
}

struct imap_cursor_at
imap_view_cursor(struct imap_view *view)
{
	struct imap_cursor_at at;

	pthread_mutex_lock(&view->mailbox->lock);
	at = view->mailbox->latest->cursor;
	pthread_mutex_unlock(&view->mailbox->lock);
	return at;
}

void
imap_view_sync(struct imap_view *view, struct imap_cursor_at have, const MetadataSync *sync)
{
	struct imap_mailbox *m = view->mailbox;
	struct imap_image *now;

	if (!sync)
		return;
	pthread_mutex_lock(&m->lock);
	if (sync->is_lost || !sync->cursor || sync->cursor->timeline != have.timeline || m->latest->cursor.timeline != have.timeline
	    || imap_load_sync(m->latest, sync, &now) != ERR_OK) {
		m->is_stale = true;
	} else {
		advance(m, now);
		wake_others(m, view);
	}
	pthread_mutex_unlock(&m->lock);
}

void
imap_view_changed(struct imap_view *view, struct imap_cursor_at after, const MetadataChange *change)
{
	struct imap_mailbox *m = view->mailbox;
	struct imap_image *now;

	pthread_mutex_lock(&m->lock);
	if (!change || m->latest->cursor.timeline != after.timeline || m->latest->cursor.modseq + 1 != after.modseq
	    || imap_image_apply(m->latest, change, &now) != ERR_OK) {
		m->is_stale |= m->latest->cursor.timeline != after.timeline || m->latest->cursor.modseq < after.modseq;
	} else {
		now->cursor = after;
		advance(m, now);
		wake_others(m, view);
	}
	pthread_mutex_unlock(&m->lock);
}

void
imap_view_set_idling(struct imap_view *view, bool is_idling)
{
	pthread_mutex_lock(&view->mailbox->lock);
	view->is_idling = is_idling;
	pthread_mutex_unlock(&view->mailbox->lock);
}

void
imap_view_recheck(struct imap_view *view)
{
	pthread_mutex_lock(&view->mailbox->lock);
	view->mailbox->is_stale = true;
	pthread_mutex_unlock(&view->mailbox->lock);
}

/* ---- events */

/* An event that follows what is here is all there is to know; an old one is known; any other means that something was missed. */
static void
take_event(struct imap_mailbox *m, const MetadataEvent *event)
{
	struct imap_cursor_at old = wire_cursor_at(event->old), new = wire_cursor_at(event->new_), at = m->latest->cursor;
	struct imap_image *image;

	if (event->gone) {
		m->is_gone = true;
	} else if (new.timeline == at.timeline && new.modseq <= at.modseq) {
		return;
	} else if (old.timeline != at.timeline || new.timeline != at.timeline || old.modseq != at.modseq || !event->change
	    || imap_image_apply(m->latest, event->change, &image) != ERR_OK) {
		m->is_stale = true;
	} else {
		image->cursor = new;
		advance(m, image);
	}
	wake_others(m, NULL);
}

void
imap_views_event(struct imap_views *views, const MetadataEvent *event)
{
	pthread_mutex_lock(&views->lock);
	views->events[bucket_of(event->account)]++;
	for (struct imap_mailbox *m = views->buckets[bucket_of(event->account)]; m; m = m->next) {
		/* Mailbox 0 is the account itself: when it is gone, so are all its mailboxes. */
		if (m->account != event->account || (m->number != event->mailbox && !(event->mailbox == 0 && event->gone)))
			continue;
		pthread_mutex_lock(&m->lock);
		if (m->latest)
			take_event(m, event);
		pthread_mutex_unlock(&m->lock);
	}
	pthread_mutex_unlock(&views->lock);
}

void
imap_views_missed(struct imap_views *views)
{
	pthread_mutex_lock(&views->lock);
	for (size_t i = 0; i < BUCKETS; i++) {
		views->events[i]++;
		for (struct imap_mailbox *m = views->buckets[i]; m; m = m->next) {
			pthread_mutex_lock(&m->lock);
			m->is_stale = true;
			wake_others(m, NULL);
			pthread_mutex_unlock(&m->lock);
		}
	}
	pthread_mutex_unlock(&views->lock);
}
