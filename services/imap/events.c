/* Events for the mailboxes of this process, and what to do when some were missed. */
#include "libcommon/core/arena.h"
#include "proto/metadata.client.h"
#include "services/imap/registry.h"
#include "services/imap/wire.h"

enum { BATCH_MAX = 200 /* mailboxes in one Sync */ };

/* An event that follows what is here is all there is to know; an old one is known; any other means that something was missed. */
static void
take_event(struct imap_mailbox *m, const MetadataEvent *event)
{
	struct imap_cursor_at old = wire_cursor_at(event->old), new = wire_cursor_at(event->new_), at = m->latest->cursor;
	struct imap_image *image;

	if (event->refused.len > 0) {
		m->is_stale = true;
		for (struct imap_view *v = m->views; v; v = v->next)
			v->is_doubtful = true;
	} else if (event->gone) {
		m->is_gone = true;
	} else if (new.timeline == at.timeline && new.modseq <= at.modseq) {
		return;
	} else if (old.timeline != at.timeline || new.timeline != at.timeline || old.modseq != at.modseq || !event->change
	    || imap_image_apply(m->latest, event->change, &image) != ERR_OK) {
		m->is_stale = true;
	} else {
		image->cursor = new;
		imap_mailbox_advance(m, image);
	}
	imap_mailbox_wake(m, NULL);
}

void
imap_views_event(struct imap_views *views, const MetadataEvent *event)
{
	pthread_mutex_lock(&views->lock);
	views->events[imap_bucket_of(event->account)]++;
	for (struct imap_mailbox *m = views->buckets[imap_bucket_of(event->account)]; m; m = m->next) {
		/* Mailbox 0 is the account itself: when it is gone, or is not told of, so are all its mailboxes. */
		bool is_for_all = event->mailbox == 0 && (event->gone || event->refused.len > 0);

		if (m->account != event->account || (m->number != event->mailbox && !is_for_all))
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
	for (size_t i = 0; i < IMAP_BUCKETS; i++) {
		views->events[i]++;
		for (struct imap_mailbox *m = views->buckets[i]; m; m = m->next) {
			pthread_mutex_lock(&m->lock);
			m->is_stale = true;
			pthread_mutex_unlock(&m->lock);
		}
	}
	pthread_mutex_unlock(&views->lock);
}

/* ---- many at once */

struct batch {
	size_t bucket; /* where to look on */
	size_t count;
	struct imap_mailbox *mailboxes[BATCH_MAX];
	struct imap_cursor_at have[BATCH_MAX];
	MetadataSyncRequest__Item *items[BATCH_MAX];
};

/* Take the mailbox into the batch, held, if somebody has it selected and it is stale. The registry is locked. */
static void
batch_add(struct imap_views *views, struct batch *batch, struct imap_mailbox *m, struct arena *arena)
{
	MetadataSyncRequest__Item *item;

	pthread_mutex_lock(&m->lock);
	if (m->is_stale && !m->is_left && !m->is_gone && m->views && m->round != views->round) {
		m->is_stale = false;
		m->round = views->round;
		batch->items[batch->count] = item = ARENA_NEW(arena, MetadataSyncRequest__Item);
		batch->have[batch->count] = m->latest->cursor;
		batch->mailboxes[batch->count++] = imap_registry_hold(views, m);
		metadata_sync_request__item__init(item);
		item->account = m->account;
		item->mailbox = m->number;
		item->have = wire_cursor(m->latest->cursor, arena);
		item->token = wire_bytes(arena_copy(arena, m->token));
	}
	pthread_mutex_unlock(&m->lock);
}

/* When it is full its last bucket is looked at again. */
static void
batch_fill(struct imap_views *views, struct batch *batch, struct arena *arena)
{
	batch->count = 0;
	pthread_mutex_lock(&views->lock);
	for (; batch->bucket < IMAP_BUCKETS; batch->bucket++) {
		for (struct imap_mailbox *m = views->buckets[batch->bucket]; m && batch->count < BATCH_MAX; m = m->next)
			batch_add(views, batch, m, arena);
		if (batch->count == BATCH_MAX)
			break;
	}
	pthread_mutex_unlock(&views->lock);
}

static void
batch_apply(struct imap_mailbox *m, struct imap_cursor_at have, const MetadataSync *sync)
{
	pthread_mutex_lock(&m->lock);
	/* One mailbox's failure is its sessions' to find out: they ask for themselves, and end if they must. */
	m->is_left = sync && (err_from_wire(sync->status) != ERR_OK || !imap_mailbox_forward(m, have, sync));
	m->is_stale |= !sync || m->is_left;
	if (sync)
		imap_mailbox_wake(m, NULL);
	pthread_mutex_unlock(&m->lock);
}

/* Ask for them. False: nobody answers now. */
static bool
batch_ask(struct imap_views *views, struct batch *batch, struct bus_call *call)
{
	MetadataSyncRequest request = METADATA_SYNC_REQUEST__INIT;
	MetadataSyncReply *reply = NULL;

	request.n_item = batch->count;
	request.item = batch->items;
	/* Of many accounts, and from many frontends at the same time: any replica will do. */
	call->route = random_u64();
	if (metadata_sync(call, &request, &reply) != ERR_OK || reply->n_sync != batch->count)
		reply = NULL;
	for (size_t i = 0; i < batch->count; i++) {
		batch_apply(batch->mailboxes[i], batch->have[i], reply ? reply->sync[i] : NULL);
		imap_registry_release(views, batch->mailboxes[i]);
	}
	return reply != NULL;
}

void
imap_views_catch_up(struct imap_views *views, struct bus_call *call)
{
	struct batch batch = { 0 };
	size_t mailboxes = 0, calls = 0;
	bool is_answered = true;

	pthread_mutex_lock(&views->lock);
	views->round++;
	pthread_mutex_unlock(&views->lock);
	while (is_answered) {
		batch_fill(views, &batch, call->arena);
		if (batch.count == 0)
			break;
		is_answered = batch_ask(views, &batch, call);
		mailboxes += batch.count;
		calls++;
		arena_reset(call->arena);
	}
	if (calls > 0)
		log_info(&call->log, "imap.views.caught_up", KV_INT("mailboxes", mailboxes), KV_INT("calls", calls), KV_BOOL("answered", is_answered));
}
