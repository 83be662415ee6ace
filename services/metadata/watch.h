/*
 * Events on their way to the frontends that poll for them (rpc/watch.c). A watcher is a frontend's poll at this replica: its accounts,
 * the events that it has not acknowledged (at most 4096 or 4 MiB: past that it is told LOST), and the call that waits, if any. One that
 * has not been heard of for 60 s is forgotten.
 *
 * An account is added with a token. When that is no longer good, at the latest when there is something to tell, the watcher is told so
 * instead, and nothing more until it adds the account with another.
 */
#ifndef SORA_METADATA_WATCH_H
#define SORA_METADATA_WATCH_H

#include "services/metadata/authorise.h"
#include "services/metadata/rows.h"

struct watch *watch_new(void);
/* Answers who waits with GOING_AWAY. */
void watch_drain(struct watch *watch);
void watch_free(struct watch *watch);

/* After the commit: tell those who watch the account. */
void watch_publish(struct watch *watch, uint64_t account, const struct effect *effect);
/* Something may have been committed that nobody can tell: those who watch the account are told LOST. */
void watch_lose(struct watch *watch, uint64_t account);
void watch_lose_all(struct watch *watch);

/* The credential of the account is now of this version (-1: it may do nothing): who watches with a token of another one is refused. */
void watch_refuse(struct watch *watch, uint64_t account, int64_t version);

/* A handler's work: answers at once, or defers the call. `claims`: what it adds, judged. ERR_BUSY: too many watchers. */
enum err watch_poll(struct watch *watch, struct rpc *rpc, const MetadataWatchRequest *req, const struct claim *claims,
    MetadataWatchReply *reply);

#endif
