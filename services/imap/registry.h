/*
 * The table of mailboxes behind views.h, and its cache of those that nobody has selected: for views.c and events.c alone.
 *
 * Lock order: the registry's, then a mailbox's.
 */
#ifndef SORA_IMAP_REGISTRY_H
#define SORA_IMAP_REGISTRY_H

#include <pthread.h>

#include "services/imap/views.h"

enum { IMAP_BUCKETS = 4096 };

struct imap_mailbox {
	struct imap_mailbox *next;              /* in its bucket */
	struct imap_mailbox *newer, *older;     /* in the cache of those that nobody has selected */
	unsigned users;                         /* views, and those who are about to make one; under the registry's lock */
	size_t cached_bytes;
	uint64_t account, number;
	char *name;                             /* what it was last selected as */
	struct str token;                       /* of the login that last selected it */

	pthread_mutex_t lock;                   /* of what follows */
	uint32_t uidvalidity;
	struct imap_image *latest;
	bool is_stale, is_gone;
	bool is_left;                           /* stale, and a Sync cannot tell: a session will load it */
	uint64_t round;                         /* of imap_views_catch_up, that took it last */
	uint64_t losses;                        /* how often it was loaded anew because its history was another */
	struct imap_view *views;
};

struct imap_views {
	pthread_mutex_t lock;
	struct imap_mailbox *buckets[IMAP_BUCKETS];
	uint64_t events[IMAP_BUCKETS]; /* how many there were: did one come while there was no mailbox to take it? */
	struct imap_mailbox *newest, *oldest;
	size_t cached_bytes, cache_max;
	uint64_t round;
};

size_t imap_bucket_of(uint64_t account);

/* ---- under the registry's lock */

struct imap_mailbox *imap_registry_find_name(struct imap_views *views, uint64_t account, struct str name);
/* One more user. */
struct imap_mailbox *imap_registry_hold(struct imap_views *views, struct imap_mailbox *m);

/* ---- without it */

void imap_registry_release(struct imap_views *views, struct imap_mailbox *m);
/* The mailbox with this number, made when it is not there; held. It has this name now, and `token` may see it. */
struct imap_mailbox *imap_registry_get(struct imap_views *views, uint64_t account, uint64_t number, struct str name, struct str token);

/* ---- going forward; under the mailbox's lock */

/* Take `image` (and its reference) as the latest, if it is newer. */
void imap_mailbox_advance(struct imap_mailbox *m, struct imap_image *image);
/*
 * The same with an image that was loaded because `have` is no place in the mailbox's history any more, as after a failover that lost something:
 * if that is still our latest, the image counts though it may be older.
 */
void imap_mailbox_replace(struct imap_mailbox *m, struct imap_cursor_at have, struct imap_image *image);
/* By a Sync from `have`. False: it does not say how to get on from here. */
bool imap_mailbox_forward(struct imap_mailbox *m, struct imap_cursor_at have, const MetadataSync *sync);
/* Wake who idles in it, but `self`. */
void imap_mailbox_wake(struct imap_mailbox *m, const struct imap_view *self);

#endif
