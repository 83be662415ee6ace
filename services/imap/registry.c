/* The table of mailboxes and its cache. */
#include "services/imap/registry.h"

#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "libcommon/net/net.h"
#include "services/imap/load.h"

size_t
imap_bucket_of(uint64_t account)
{
	return (account ^ account >> 23) % IMAP_BUCKETS;
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
	free((char *)mailbox->token.ptr);
	free(mailbox);
}

void
imap_views_free(struct imap_views *views)
{
	if (!views)
		return;
	for (size_t i = 0; i < IMAP_BUCKETS; i++) {
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
	struct imap_mailbox **at = &views->buckets[imap_bucket_of(m->account)];

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
	for (struct imap_mailbox *m = views->buckets[imap_bucket_of(account)]; m; m = m->next)
		if (m->account == account && m->number == number)
			return m;
	return NULL;
}

struct imap_mailbox *
imap_registry_find_name(struct imap_views *views, uint64_t account, struct str name)
{
	for (struct imap_mailbox *m = views->buckets[imap_bucket_of(account)]; m; m = m->next)
		if (m->account == account && str_equal(str_c(m->name), name))
			return m;
	return NULL;
}

struct imap_mailbox *
imap_registry_hold(struct imap_views *views, struct imap_mailbox *m)
{
	if (m->users++ == 0)
		cache_take_out(views, m);
	return m;
}

void
imap_registry_release(struct imap_views *views, struct imap_mailbox *m)
{
	pthread_mutex_lock(&views->lock);
	if (--m->users == 0)
		cache_put(views, m);
	pthread_mutex_unlock(&views->lock);
}

/* A copy on the heap, NUL-terminated. */
static char *
copy(struct str s)
{
	char *bytes = mem_alloc(s.len + 1);

	if (s.len > 0)
		memcpy(bytes, s.ptr, s.len);
	bytes[s.len] = '\0';
	return bytes;
}

struct imap_mailbox *
imap_registry_get(struct imap_views *views, uint64_t account, uint64_t number, struct str name, struct str token)
{
	struct imap_mailbox *m;

	pthread_mutex_lock(&views->lock);
	m = find(views, account, number);
	if (m) {
		imap_registry_hold(views, m);
		free(m->name);
		free((char *)m->token.ptr);
	} else {
		m = MEM_NEW(struct imap_mailbox);
		pthread_mutex_init(&m->lock, NULL);
		m->account = account;
		m->number = number;
		m->users = 1;
		m->next = views->buckets[imap_bucket_of(account)];
		views->buckets[imap_bucket_of(account)] = m;
	}
	m->name = copy(name);
	m->token = str_from(copy(token), token.len);
	pthread_mutex_unlock(&views->lock);
	return m;
}

/* ---- going forward; under the mailbox's lock */

void
imap_mailbox_advance(struct imap_mailbox *m, struct imap_image *image)
{
	struct imap_image *old = m->latest;

	if (old && old->cursor.timeline == image->cursor.timeline && old->cursor.modseq >= image->cursor.modseq) {
		imap_image_unref(image);
		return;
	}
	m->latest = image;
	imap_image_unref(old);
}

void
imap_mailbox_replace(struct imap_mailbox *m, struct imap_cursor_at have, struct imap_image *image)
{
	if (m->latest && m->latest->cursor.timeline == have.timeline && m->latest->cursor.modseq == have.modseq) {
		imap_image_unref(m->latest);
		m->latest = NULL;
		m->losses++;
	}
	imap_mailbox_advance(m, image);
}

bool
imap_mailbox_forward(struct imap_mailbox *m, struct imap_cursor_at have, const MetadataSync *sync)
{
	struct imap_image *now;

	if (sync->is_lost || !sync->cursor || sync->cursor->timeline != have.timeline || m->latest->cursor.timeline != have.timeline
	    || imap_load_sync(m->latest, sync, &now) != ERR_OK)
		return false;
	imap_mailbox_advance(m, now);
	return true;
}

void
imap_mailbox_wake(struct imap_mailbox *m, const struct imap_view *self)
{
	for (struct imap_view *v = m->views; v; v = v->next)
		if (v != self && v->is_idling)
			net_conn_wake(v->conn);
}
