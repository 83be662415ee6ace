/*
 * PostgreSQL, as the metadata service uses it (the only includer of libpq): a pool of connections, statements prepared once for each
 * connection, binary parameters and results, transactions in one round trip. Every wait has a deadline.
 */
#ifndef SORA_METADATA_PG_PG_H
#define SORA_METADATA_PG_PG_H

#include "libcommon/config/config.h"
#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

/* ---- parameters */

enum { PG_ARGS_MAX = 40 };

/* Zero it, set the arena, then add the parameters in their order; what is given must live as long as the arena. */
struct pg_args {
	struct arena *arena;
	int count;
	unsigned types[PG_ARGS_MAX];
	const char *values[PG_ARGS_MAX];
	int lengths[PG_ARGS_MAX];
	int timeline_at; /* 1 + place of the connection's timeline; 0: none */
};

void pg_arg_int(struct pg_args *args, int64_t value);   /* bigint */
void pg_arg_int4(struct pg_args *args, int32_t value);
void pg_arg_bool(struct pg_args *args, bool value);
void pg_arg_bytes(struct pg_args *args, struct str value);
void pg_arg_text(struct pg_args *args, struct str value); /* no NUL within */
void pg_arg_ints(struct pg_args *args, const int64_t *values, size_t count);   /* bigint[] */
void pg_arg_int4s(struct pg_args *args, const int32_t *values, size_t count);
void pg_arg_bools(struct pg_args *args, const bool *values, size_t count);
void pg_arg_byteses(struct pg_args *args, const struct str *values, size_t count); /* bytea[] */
/* NULL when the text is empty, or the number is not there. */
void pg_arg_text_or_null(struct pg_args *args, struct str value);
void pg_arg_int_or_null(struct pg_args *args, int64_t value, bool is_there);
/* The timeline of the connection that will send this: known only then. */
void pg_arg_timeline(struct pg_args *args);

/* ---- results */

/* Rows live as long as the arena that was given for them. */
struct pg_rows {
	const void *result;
	size_t count;
};

struct pg_ints {
	int64_t *items;
	size_t count;
};

bool pg_is_null(const struct pg_rows *rows, size_t row, int column);
/* smallint, integer, bigint, boolean; 0 for NULL. */
int64_t pg_int(const struct pg_rows *rows, size_t row, int column);
/* bytea and text; empty for NULL. A view into the result. */
struct str pg_bytes(const struct pg_rows *rows, size_t row, int column);
/* Arrays, in `arena`; empty for NULL. */
struct pg_ints pg_ints(const struct pg_rows *rows, size_t row, int column, struct arena *arena);
struct str_list pg_byteses(const struct pg_rows *rows, size_t row, int column, struct arena *arena);

/* ---- connections */

struct pg;
struct pg_pool;

/*
 * Does not connect yet. `config` must outlive it. database.host may name several servers, one of which is the primary: connections are made
 * to the one that can be written to, and of several that say so to the one with the newest timeline of PostgreSQL; those to the others end.
 *
 * A COMMIT that is not answered in time keeps its connection, which counts, until the answer comes or the connection is lost; then
 * `settled` is called, on a thread of the pool's, with the account that it was taken for: something may have been committed. With 0 for all of
 * them: another server is the primary, which may not have all that the old one told.
 */
struct pg_pool *pg_pool_new(const struct config *config, void (*settled)(void *context, uint64_t account), void *context);
/* How many connections may write at a time: a quarter is left to those who read. */
size_t pg_writers(const struct config *config);
void pg_pool_free(struct pg_pool *pool);

/*
 * Take a connection, waiting for one until the deadline (monotonic), or at most as long as one takes to be made.
 * ERR_UNAVAILABLE at once while PostgreSQL is known to be away; it is tried again after 25 ms to 2 s, partly by chance.
 */
enum err pg_take(struct pg_pool *pool, int64_t deadline_ms, struct pg **ret);
/* For a pg_transaction of that account. ERR_UNAVAILABLE at once also while all that may write wait for the answer of a COMMIT. */
enum err pg_take_to_write(struct pg_pool *pool, uint64_t account, int64_t deadline_ms, struct pg **ret);
/* Give it back; one that is broken is closed, and those that idle are tried before they are used again. */
void pg_give(struct pg_pool *pool, struct pg *pg);
/* One without a pool or a timeline, for migrations: to the first host that can be written to. *reterr_text lives in `arena`. */
enum err pg_open(const struct config *config, struct arena *arena, struct pg **ret, struct str *reterr_text);
void pg_close(struct pg *pg);

/* ---- statements */

/* A constant; its address is its identity. */
struct pg_statement {
	const char *name;
	const char *sql;
};

/* What went wrong. */
struct pg_failure {
	char sqlstate[6];    /* "": the connection was lost or the deadline passed */
	bool is_unknown;     /* a transaction that may have been committed */
	struct str text;
	struct str where;    /* the name of the statement */
};

/*
 * Every statement ends, on the server too, when `deadline_ms` has come (57014, or 55P03 when it waits for a lock), or the session's own
 * limit before: database.timeout, half of it for locks.
 */

/* One statement, which is its own transaction. ERR_UNAVAILABLE, ERR_INTERNAL: *reterr says more. */
enum err pg_run(struct pg *pg, const struct pg_statement *statement, struct pg_args *args, int64_t deadline_ms, struct arena *arena,
    struct pg_rows *ret, struct pg_failure *reterr);
/* The same on a connection of the pool, for what may be done twice: it is tried again on another when the connection was lost. */
enum err pg_read(struct pg_pool *pool, const struct pg_statement *statement, struct pg_args *args, int64_t deadline_ms,
    struct arena *arena, struct pg_rows *ret, struct pg_failure *reterr);

struct pg_step {
	const struct pg_statement *statement;
	struct pg_args *args;
	struct arena *arena; /* of its rows */
	struct pg_rows rows; /* out */
};

/*
 * BEGIN, the steps, COMMIT: sent at once, answered at once. A failed one was rolled back, unless reterr->is_unknown. The COMMIT is never
 * cancelled: past the deadline the connection is given up.
 */
enum err pg_transaction(struct pg *pg, struct pg_step *steps, size_t count, int64_t deadline_ms, struct pg_failure *reterr);

/* SQL that may hold several statements, without parameters (migrations). */
enum err pg_script(struct pg *pg, const char *sql, int64_t deadline_ms, struct arena *arena, struct pg_failure *reterr);

/* Might the same transaction succeed when it is run again (states.c): deadlock, lock timeout, a server that is read only now. */
bool pg_is_retryable(const struct pg_failure *failure);

#endif
