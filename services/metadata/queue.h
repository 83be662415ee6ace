/*
 * Changes wait here, in a queue for each account. A writer takes what waits for one account (at most 64) as one transaction
 * with one commit: first all its mailboxes are locked in ascending order, then each call is one statement. A refusal is a value; a batch
 * that raises an error is run again call by call. An outcome that is unknown is settled by asking again with the same key.
 */
#ifndef SORA_METADATA_QUEUE_H
#define SORA_METADATA_QUEUE_H

#include "services/metadata/rows.h"

enum { WRITE_LOCKS_MAX = 4 };

/* One call's change. Zero it, fill in the first part, submit; it must stay until `done` has been called. */
struct write {
	struct arena *arena;       /* its own: no one else uses it until `done` */
	uint64_t account;          /* 0: the operator's */
	int64_t deadline_ms;       /* monotonic */
	const struct pg_statement *statement; /* returns SETOF effect */
	struct pg_args args;
	bool is_alone;             /* locks other things than mailboxes: shares no transaction */
	int32_t mailboxes[WRITE_LOCKS_MAX]; /* that it changes, by number */
	size_t mailbox_count;
	struct str names[WRITE_LOCKS_MAX];  /* and by name */
	size_t name_count;
	/*
	 * Called once, on a writer's thread, after the events have been published. `err` other than ERR_OK: nothing was done, or
	 * (ERR_UNKNOWN_OUTCOME) perhaps. ERR_OK: effects->status is the answer. May submit the next.
	 */
	void (*done)(struct write *write, enum err err, const struct effects *effects);
	void *context;

	struct write *next; /* the queue's */
	struct pg_rows rows;
};

struct queue *queue_new(struct metadata *metadata);
/* Finishes what waits, then ends the writers. */
void queue_free(struct queue *queue);
/* ERR_BUSY: too many wait; `done` will not be called. */
enum err queue_submit(struct queue *queue, struct write *write);

/* A key for the nth part of what `key` stands for; the 0th is the key itself. */
struct uuid key_part(struct uuid key, uint64_t n);
/* The parameters that every function with a key begins with behind the account: the key, and for how long it is kept. */
void key_args(struct pg_args *args, struct uuid key);
/* ERR_STALE: so old that its answer may have been forgotten. */
enum err key_check(struct uuid key);

/*
 * A call that is one write: deferred, then answered by `answer`, which fills rpc->reply; a refusal is its error. Returns what the
 * handler has to return.
 */
struct refusal {
	enum err err; /* ERR_OK ends a list of them */
	const char *detail;
};

struct change_call {
	struct write write;
	struct rpc *rpc;
	const struct refusal *refusals; /* what to say about some; NULL: nothing */
	enum err (*answer)(struct change_call *call, const struct effects *effects);
	const void *request;
	void *context;
};
/* In rpc->arena; sets arena, account, deadline, statement and who is called back. ERR_STALE as key_check. */
enum err change_call_new(struct rpc *rpc, uint64_t account, const struct pg_statement *statement, const void *request,
    enum err (*answer)(struct change_call *, const struct effects *), struct change_call **ret);
enum err change_call_submit(struct change_call *call);
/* From `answer`, which then returns ERR_AGAIN: there is more of it to be done. */
enum err change_call_again(struct change_call *call);

#endif
