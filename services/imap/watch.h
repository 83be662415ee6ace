/*
 * Events from metadata: one thread for each of its replicas, with a long poll open for all accounts that have a mailbox selected here.
 *
 * What it hears goes to views.h. When a replica is lost, or says that events were, every view asks for itself.
 */
#ifndef SORA_IMAP_WATCH_H
#define SORA_IMAP_WATCH_H

#include "libcommon/bus/bus.h"

struct imap_views;
struct imap_watch;

/* Starts the threads. */
struct imap_watch *imap_watch_new(struct bus *bus, struct imap_views *views);
/* Ends them. */
void imap_watch_free(struct imap_watch *watch);

/*
 * Events of this account are wanted, by a login with this token: when this returns, every replica that can be reached knows. To be called
 * before Select takes its snapshot. Each must be ended by imap_watch_remove.
 */
void imap_watch_add(struct imap_watch *watch, uint64_t account, struct str token);
/*
 * Between the two, for a login that holds: the token with which the account was added may have been another's, which does not. True: nothing
 * was missed. False: it is added again, with this one, and what was said meanwhile is to be asked for.
 */
bool imap_watch_keep(struct imap_watch *watch, uint64_t account, struct str token);
void imap_watch_remove(struct imap_watch *watch, uint64_t account);

#endif
