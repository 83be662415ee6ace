/*
 * The mailboxes that sessions of this process have selected, each once, kept up to date by events and by what commands bring.
 *
 * Thread safe. A mailbox's latest image only goes forward. Mailboxes that no one has selected stay in a cache of imap.view_cache bytes, so
 * that selecting them again costs what has changed since.
 */
#ifndef SORA_IMAP_VIEWS_H
#define SORA_IMAP_VIEWS_H

#include "libcommon/bus/bus.h"
#include "services/imap/view.h"

struct imap_server;
struct imap_views;

struct imap_views *imap_views_new(size_t cache_bytes);
void imap_views_free(struct imap_views *views);

/*
 * Select a mailbox: its state and all its messages, from the cache and what has changed since, or anew. *ret_view is told everything
 * (the caller prints it). ERR_NO_MAILBOX, ERR_UNAVAILABLE, ...; the caller has seen to the account's being watched.
 */
enum err imap_views_select(struct imap_views *views, struct bus_call *call, uint64_t account, struct str name, bool is_read_only,
    struct net_conn *conn, struct imap_view **ret_view, MetadataState **ret_state);
/* Does the error say that the login no longer holds? The session must end then. */
static inline bool
imap_login_is_over(enum err err)
{
	return err == ERR_AUTH_EXPIRED || err == ERR_DISABLED || err == ERR_NO_ACCOUNT;
}

/* Give the view up; may be NULL. */
void imap_views_leave(struct imap_views *views, struct imap_view *view);

uint64_t imap_mailbox_account(const struct imap_view *view);
uint64_t imap_mailbox_number(const struct imap_view *view);
uint32_t imap_mailbox_uidvalidity(const struct imap_view *view);

/*
 * The latest image, with a reference: asks metadata when events were missed. A passing failure is no error here: what is known is
 * answered, and the question stays. ERR_NO_MAILBOX: it is no more, or another has its name. ERR_LOST: it has what this session cannot be
 * told of. Errors of imap_login_is_over.
 */
enum err imap_view_latest(struct imap_view *view, struct bus_call *call, struct imap_image **ret_image);
/* The cursor of the latest image, for `have` of a call. */
struct imap_cursor_at imap_view_cursor(struct imap_view *view);
/* Apply what a change's answer brought, which was a Sync from `have`. */
void imap_view_sync(struct imap_view *view, struct imap_cursor_at have, const MetadataSync *sync);
/*
 * One change that the session made, after which the cursor is `after`. If it is not known to be the next one (changes count by one), what
 * lies between is asked for when the client is next told.
 */
void imap_view_changed(struct imap_view *view, struct imap_cursor_at after, const MetadataChange *change);
/* From now on, or no more, wake the view's connection when something changes. */
void imap_view_set_idling(struct imap_view *view, bool is_idling);
/* Next time, ask (CHECK). */
void imap_view_recheck(struct imap_view *view);
/* It has a question of its own that was not answered yet: what the session did itself may not be in the latest image. */
bool imap_view_is_doubtful(struct imap_view *view);

/* An event of Watch. */
void imap_views_event(struct imap_views *views, const MetadataEvent *event);
/* Events may have been missed: every mailbox asks before it is next looked at. */
void imap_views_missed(struct imap_views *views);
/*
 * Ask for all that somebody has selected and that have not been asked for yet: many in one call, each with the token of a login that selected
 * it. What is more than a Sync can tell is left to the sessions; those that idle are woken.
 */
void imap_views_catch_up(struct imap_views *views, struct bus_call *call);

#endif
