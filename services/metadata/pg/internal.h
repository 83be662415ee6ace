/* What the files of this directory share. */
#ifndef SORA_METADATA_PG_INTERNAL_H
#define SORA_METADATA_PG_INTERNAL_H

#include <assert.h>
#include <endian.h>
#include <limits.h>
#include <pthread.h>

#include <libpq-fe.h>

#include "services/metadata/pg/pg.h"

enum { PG_STATEMENTS_MAX = 128 };

/* A place of database.host. */
struct pg_host {
	const char *name, *port;
};

size_t pg_host_count(const struct config *config);
/* The one at `place`, from 0; lives in `arena`. */
struct pg_host pg_host_at(const struct config *config, size_t place, struct arena *arena);

/* Which history a server writes: its PostgreSQL's timeline goes up with each failover. */
struct pg_history {
	int64_t system;      /* PostgreSQL's identifier; 0: not known */
	int64_t number;      /* of the timeline */
};

/* A connection. */
struct pg {
	struct pg *next;         /* among those that idle, or those whose COMMIT has no answer */
	struct pg *next_open, **at_open; /* among all of the pool */
	PGconn *conn;
	size_t place;            /* of its host */
	int64_t timeline;        /* the history and the count of restores, hashed: what cursors are made of */
	struct pg_history history;
	int64_t timeout_ms;      /* the session's limit of a statement */
	uint64_t account;        /* for whom it writes */
	bool is_writer;          /* counts among those that write */
	bool is_broken;
	bool is_pending;         /* broken only in that its COMMIT has no answer yet */
	bool has_warned;         /* since it was last looked at */
	const struct pg_statement *prepared[PG_STATEMENTS_MAX];
	size_t prepared_count;
};

void pg_put32(char *out, uint32_t value);
void pg_put64(char *out, uint64_t value);

/* Connect to the host at `place`, and know the history if `has_schema`. */
enum err pg_connect(const struct config *config, size_t place, bool has_schema, int64_t deadline_ms, struct arena *arena, struct pg **ret,
    struct str *reterr_text);
/* Wait until the connection can be read, or written if `is_write`. False: the deadline has passed. */
bool pg_wait(struct pg *pg, bool is_write, int64_t deadline_ms);
/* Has the COMMIT of one that is_pending been answered, or its connection ended? Does not wait. */
bool pg_is_settled(struct pg *pg);

/* What an SQLSTATE means. */
struct pg_state {
	const char *prefix;
	enum err err;
	bool is_run_again;       /* the same transaction may succeed when it is run again */
	bool leaves;             /* the connection, or its server, is of no use any more */
};
const struct pg_state *pg_state_of(const char *sqlstate);

struct pg_pool {
	const struct config *config;
	size_t hosts;
	pthread_mutex_t mutex;
	pthread_cond_t given;
	struct pg *idle, *pending;
	size_t pending_count;
	struct pg *all;          /* but those that are being made */
	size_t open, max;
	size_t writers, writers_max; /* of them: those that write, or wait for the answer of a COMMIT */
	size_t place;            /* of the host that was a primary last */
	struct pg_history history; /* the newest that was seen */
	bool has_looked;         /* at all hosts: before that it may be the newest of some */
	bool has_moved;          /* to it from another, and nobody has been told */
	int64_t backoff_ms;      /* 0: the last attempt to connect succeeded */
	int64_t next_try_ms;
	void (*settled)(void *context, uint64_t account);
	void *context;
	pthread_t lookout;
	pthread_cond_t look;
	bool is_ending;
};

/* With the mutex: it is none of the pool's any more. */
void pg_pool_remove(struct pg_pool *pool, struct pg *pg);
/* With the mutex: what was learned from a new connection. False: its server has been replaced by another. */
bool pg_pool_learn(struct pg_pool *pool, const struct pg *pg);

/* lookout.c: a thread that asks other hosts whether they are the primary now, and waits for late answers of COMMITs. */
void pg_look_around(struct pg_pool *pool, int64_t deadline_ms);
void pg_lookout_start(struct pg_pool *pool);
void pg_lookout_stop(struct pg_pool *pool);

#endif
