/* The mailboxes of this process, as its sessions use them. */
#include "services/imap/views.h"

#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "proto/metadata.client.h"
#include "services/imap/load.h"
#include "services/imap/registry.h"
#include "services/imap/wire.h"

/* ---- selecting */

static struct imap_view *
enter(struct imap_mailbox *m, struct imap_cursor_at have, struct imap_image *image, const MetadataState *state, bool is_read_only,
    bool is_doubtful, struct net_conn *conn)
{
	struct imap_view *view = MEM_NEW(struct imap_view);

	pthread_mutex_lock(&m->lock);
	if (m->uidvalidity != state->uidvalidity) {
		imap_image_unref(m->latest);
		m->latest = NULL;
		m->uidvalidity = state->uidvalidity;
	}
	imap_mailbox_replace(m, have, image);
	m->is_gone = false;
	m->is_stale |= is_doubtful;
	view->mailbox = m;
	view->told = imap_image_ref(m->latest);
	view->conn = conn;
	view->is_read_only = is_read_only;
	view->recent_uid = state->recent_uid;
	view->told_keywords = view->told->keywords ? view->told->keywords->count : 0;
	view->losses = m->losses;
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
	*ret_events = views->events[imap_bucket_of(account)];
	m = imap_registry_find_name(views, account, name);
	if (m)
		imap_registry_hold(views, m);
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
	struct imap_cursor_at had = { 0 };
	struct imap_image *image;
	uint64_t events, events_now;
	struct imap_mailbox *cached = hold_cached(views, account, name, &have, &events), *m;
	enum err err = imap_load(call, account, name, is_read_only, &have, &image, ret_state);

	if (have.image)
		had = have.image->cursor;
	imap_image_unref(have.image);
	if (err == ERR_OK) {
		m = imap_registry_get(views, account, (*ret_state)->mailbox, name, call->token);
		pthread_mutex_lock(&views->lock);
		events_now = views->events[imap_bucket_of(account)];
		pthread_mutex_unlock(&views->lock);
		*ret_view = enter(m, had, image, *ret_state, is_read_only, events_now != events, conn);
	}
	if (cached)
		imap_registry_release(views, cached);
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
	imap_registry_release(views, m);
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
reload(struct imap_mailbox *m, struct bus_call *call, struct imap_cursor_at have)
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
		imap_mailbox_replace(m, have, image);
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
		return reload(m, call, have);
	imap_view_sync(view, have, reply->sync[0]);
	return ERR_OK;
}

/*
 * After a failover that lost an expunge, a message is there again that this session was told gone. New messages come behind all others (RFC
 * 9051 s. 2.3.1.1), so there is no way to say that.
 */
static bool
has_come_back(const struct imap_view *view, const struct imap_image *now)
{
	uint32_t end = imap_image_lower_bound(now, imap_image_last_uid(view->told));

	for (uint32_t seq = 1; seq < end; seq++)
		if (!imap_image_find(view->told, imap_image_row(now, seq, NULL)->uid))
			return true;
	return false;
}

enum err
imap_view_latest(struct imap_view *view, struct bus_call *call, struct imap_image **ret_image)
{
	struct imap_mailbox *m = view->mailbox;
	struct imap_cursor_at have;
	bool is_stale, is_gone, has_lost;
	enum err err = ERR_OK;

	pthread_mutex_lock(&m->lock);
	is_stale = (m->is_stale || view->is_doubtful) && !m->is_gone;
	m->is_stale = m->is_left = false;
	have = m->latest->cursor;
	pthread_mutex_unlock(&m->lock);
	if (is_stale)
		err = ask(view, call, have);
	pthread_mutex_lock(&m->lock);
	if (err == ERR_NO_MAILBOX)
		m->is_gone = true;
	else if (err != ERR_OK)
		m->is_stale = true;
	else
		view->is_doubtful = false;
	is_gone = m->is_gone;
	has_lost = !is_gone && view->losses != m->losses && has_come_back(view, m->latest);
	view->losses = m->losses;
	if (!is_gone && !has_lost && !imap_login_is_over(err))
		*ret_image = imap_image_ref(m->latest);
	pthread_mutex_unlock(&m->lock);
	if (is_gone)
		return ERR_NO_MAILBOX;
	if (has_lost)
		return ERR_LOST;
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

	if (!sync)
		return;
	pthread_mutex_lock(&m->lock);
	if (imap_mailbox_forward(m, have, sync))
		imap_mailbox_wake(m, view);
	else
		m->is_stale = view->is_doubtful = true;
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
		view->is_doubtful |= m->latest->cursor.timeline != after.timeline || m->latest->cursor.modseq < after.modseq;
		m->is_stale |= view->is_doubtful;
	} else {
		now->cursor = after;
		imap_mailbox_advance(m, now);
		imap_mailbox_wake(m, view);
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
	view->mailbox->is_stale = view->is_doubtful = true;
	pthread_mutex_unlock(&view->mailbox->lock);
}

bool
imap_view_is_doubtful(struct imap_view *view)
{
	bool is_doubtful;

	pthread_mutex_lock(&view->mailbox->lock);
	is_doubtful = view->is_doubtful;
	pthread_mutex_unlock(&view->mailbox->lock);
	return is_doubtful;
}
