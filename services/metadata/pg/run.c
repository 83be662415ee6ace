/* Statements and transactions, each in one round trip: libpq's pipeline mode under a deadline. */
#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "services/metadata/pg/internal.h"

static const struct pg_statement begin_statement = { "begin", "BEGIN" };
static const struct pg_statement commit_statement = { "commit", "COMMIT" };
static const struct pg_statement rollback_statement = { "rollback", "ROLLBACK" };

/* What is left of a call's time when its statement is ended, for the answer's way back. */
enum { ANSWER_MS = 50 };

/* One thing sent, whose result is to be read. */
struct sent {
	const struct pg_statement *statement;
	bool is_prepare;
	struct arena *arena;   /* of the rows; NULL: no one wants them */
	struct pg_rows *rows;
};

struct batch {
	struct pg *pg;
	int64_t deadline_ms;
	struct arena *arena;
	struct sent *sent;
	size_t count, max;
	struct pg_failure *failure;
};

static void
clear_result(void *value)
{
	PQclear(value);
}

/* The connection is of no use any more. */
static enum err
lost(struct batch *b)
{
	b->pg->is_broken = true;
	b->failure->sqlstate[0] = '\0';
	b->failure->text = str_trim(arena_copy(b->arena, str_c(PQerrorMessage(b->pg->conn))));
	if (b->failure->text.len == 0)
		b->failure->text = STR("no answer in time");
	return ERR_UNAVAILABLE;
}

static bool
is_prepared(const struct pg *pg, const struct pg_statement *statement)
{
	for (size_t i = 0; i < pg->prepared_count; i++)
		if (pg->prepared[i] == statement)
			return true;
	return false;
}

static bool
is_in_batch(const struct batch *b, const struct pg_statement *statement)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->sent[i].is_prepare && b->sent[i].statement == statement)
			return true;
	return false;
}

static void
note(struct batch *b, struct sent sent)
{
	assert(b->count < b->max);
	b->sent[b->count++] = sent;
}

static bool
send_statement(struct batch *b, const struct pg_statement *statement, struct pg_args *args, struct arena *arena, struct pg_rows *rows)
{
	static const int binary[PG_ARGS_MAX] = { [0 ... PG_ARGS_MAX - 1] = 1 };
	struct pg *pg = b->pg;
	int count = args ? args->count : 0;

	if (!is_prepared(pg, statement) && !is_in_batch(b, statement)) {
		if (!PQsendPrepare(pg->conn, statement->name, statement->sql, count, args ? args->types : NULL))
			return false;
		note(b, (struct sent){ .statement = statement, .is_prepare = true });
	}
	if (args && args->timeline_at > 0) {
		char *timeline = arena_alloc(args->arena, 8);

		pg_put64(timeline, (uint64_t)pg->timeline);
		args->values[args->timeline_at - 1] = timeline;
	}
	if (!PQsendQueryPrepared(pg->conn, statement->name, count, args ? args->values : NULL, args ? args->lengths : NULL, binary, 1))
		return false;
	note(b, (struct sent){ .statement = statement, .arena = arena, .rows = rows });
	return true;
}

/*
 * A call that has less time than the session gives has it enforced by the server too: what nobody waits for any more must not hold
 * a lock there. Within the transaction, so that the next one has the session's own limits again.
 */
static bool
send_limits(struct batch *b)
{
	static const struct pg_statement limits = { "limits",
		"SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true)" };
	int64_t left_ms = clock_left_ms(b->deadline_ms) - ANSWER_MS, lock_ms = b->pg->timeout_ms / 2;
	struct pg_args args = { .arena = b->arena };

	if (left_ms + ANSWER_MS >= b->pg->timeout_ms / 5 * 4)
		return true;
	if (left_ms < 1)
		left_ms = 1;
	if (lock_ms > left_ms)
		lock_ms = left_ms;
	pg_arg_text(&args, arena_printf(b->arena, "%lld", (long long)left_ms));
	pg_arg_text(&args, arena_printf(b->arena, "%lld", (long long)lock_ms));
	return send_statement(b, &limits, &args, NULL, NULL);
}

/* Everything is handed to the kernel; what comes back meanwhile is taken, or both sides could wait for each other. */
static bool
flush(struct batch *b)
{
	int left;

	while ((left = PQflush(b->pg->conn)) > 0)
		if (!pg_wait(b->pg, true, b->deadline_ms) || !PQconsumeInput(b->pg->conn))
			return false;
	return left == 0;
}

/* False: the deadline has passed or the connection is lost. */
static bool
next_result(struct batch *b, PGresult **ret)
{
	while (PQisBusy(b->pg->conn))
		if (!pg_wait(b->pg, false, b->deadline_ms) || !PQconsumeInput(b->pg->conn))
			return false;
	*ret = PQgetResult(b->pg->conn);
	return true;
}

static void
failed(struct batch *b, const struct sent *sent, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);

	for (size_t i = 0; i < 5; i++)
		b->failure->sqlstate[i] = sqlstate && sqlstate[0] ? sqlstate[i] : 'X';
	b->failure->text = arena_printf(b->arena, "%s (%s)", text ? text : PQresultErrorMessage(result), context ? context : "");
	b->failure->where = str_c(sent->statement->name);
	if (pg_state_of(b->failure->sqlstate)->leaves)
		b->pg->is_broken = true;
}

static enum err
take_result(struct batch *b, const struct sent *sent, PGresult *result, enum err err)
{
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_TUPLES_OK && sent->rows) {
		*sent->rows = (struct pg_rows){ result, (size_t)PQntuples(result) };
		arena_defer(sent->arena, clear_result, result);
		return err;
	}
	if (status == PGRES_FATAL_ERROR && err == ERR_OK) {
		failed(b, sent, result);
		err = pg_state_of(b->failure->sqlstate)->err;
	}
	if (status == PGRES_COMMAND_OK && sent->is_prepare && b->pg->prepared_count < PG_STATEMENTS_MAX)
		b->pg->prepared[b->pg->prepared_count++] = sent->statement;
	if (status == PGRES_COMMAND_OK && sent->statement == &commit_statement && !sent->is_prepare &&
	    !str_equal(str_c(PQcmdStatus(result)), STR("COMMIT")))
		err = ERR_INTERNAL;
	PQclear(result);
	return err;
}

/* Read what was sent for, to the sync at the end. A first error stays; what follows it was not run. */
static enum err
read_results(struct batch *b)
{
	enum err err = ERR_OK;
	PGresult *result = NULL;

	for (size_t i = 0; i < b->count; i++) {
		if (b->sent[i].statement == &commit_statement)
			b->pg->has_warned = false;
		for (;;) {
			if (!next_result(b, &result))
				return lost(b);
			if (!result)
				break;
			err = take_result(b, &b->sent[i], result, err);
			if (PQstatus(b->pg->conn) == CONNECTION_BAD)
				return lost(b);
		}
	}
	if (!next_result(b, &result) || PQresultStatus(result) != PGRES_PIPELINE_SYNC) {
		PQclear(result);
		return lost(b);
	}
	PQclear(result);
	return err;
}

static enum err
finish(struct batch *b)
{
	enum err err;

	if (!PQpipelineSync(b->pg->conn) || !flush(b))
		return lost(b);
	err = read_results(b);
	if (!b->pg->is_broken && !PQexitPipelineMode(b->pg->conn))
		b->pg->is_broken = true;
	return err;
}

static struct batch
batch_begin(struct pg *pg, struct arena *arena, size_t statements, int64_t deadline_ms, struct pg_failure *failure)
{
	struct batch b = { .pg = pg, .deadline_ms = deadline_ms, .arena = arena, .failure = failure, .max = statements * 2 };

	*failure = (struct pg_failure){ .text = STR_NONE };
	b.sent = ARENA_ARRAY(arena, struct sent, b.max);
	return b;
}

enum err
pg_run(struct pg *pg, const struct pg_statement *statement, struct pg_args *args, int64_t deadline_ms, struct arena *arena,
    struct pg_rows *ret, struct pg_failure *reterr)
{
	struct batch b = batch_begin(pg, arena, 2, deadline_ms, reterr);

	if (!PQenterPipelineMode(pg->conn) || !send_limits(&b) || !send_statement(&b, statement, args, arena, ret))
		return lost(&b);
	return finish(&b);
}

enum err
pg_read(struct pg_pool *pool, const struct pg_statement *statement, struct pg_args *args, int64_t deadline_ms,
    struct arena *arena, struct pg_rows *ret, struct pg_failure *reterr)
{
	enum err err;
	struct pg *pg;
	bool was_lost;

	/* A connection that idled through a restart of PostgreSQL fails once; its fellows are closed with it. */
	for (int attempt = 0;; attempt++) {
		*reterr = (struct pg_failure){ .text = STR_NONE };
		TRY(pg_take(pool, deadline_ms, &pg));
		err = pg_run(pg, statement, args, deadline_ms, arena, ret, reterr);
		was_lost = pg->is_broken;
		pg_give(pool, pg);
		if (err == ERR_OK || !was_lost || attempt == 2 || clock_left_ms(deadline_ms) == 0)
			return err;
	}
}

static enum err
roll_back(struct pg *pg, struct arena *arena, int64_t deadline_ms)
{
	struct pg_failure failure;
	struct pg_rows rows;

	if (pg->is_broken)
		return ERR_OK;
	if (PQtransactionStatus(pg->conn) == PQTRANS_IDLE)
		return ERR_OK;
	return pg_run(pg, &rollback_statement, NULL, deadline_ms, arena, &rows, &failure);
}

enum err
pg_transaction(struct pg *pg, struct pg_step *steps, size_t count, int64_t deadline_ms, struct pg_failure *reterr)
{
	struct arena *arena = steps[0].arena;
	struct batch b = batch_begin(pg, arena, count + 3, deadline_ms, reterr);
	enum err err;
	bool is_sent = PQenterPipelineMode(pg->conn) && send_statement(&b, &begin_statement, NULL, NULL, NULL) &&
	    send_limits(&b);

	for (size_t i = 0; is_sent && i < count; i++)
		is_sent = send_statement(&b, steps[i].statement, steps[i].args, steps[i].arena, &steps[i].rows);
	is_sent = is_sent && send_statement(&b, &commit_statement, NULL, NULL, NULL);
	err = is_sent ? finish(&b) : lost(&b);
	if (err == ERR_OK && !pg->has_warned) {
		metric_add(METRIC_PG_TRANSACTIONS, 1);
		return ERR_OK;
	}
	if (err == ERR_OK) {
		reterr->text = STR("a warning at COMMIT");
		reterr->is_unknown = true;
		return ERR_UNAVAILABLE;
	}
	reterr->is_unknown = reterr->sqlstate[0] == '\0' && is_sent;
	pg->is_pending = reterr->is_unknown && PQstatus(pg->conn) == CONNECTION_OK && PQflush(pg->conn) == 0;
	if (roll_back(pg, arena, deadline_ms) != ERR_OK)
		pg->is_broken = true;
	return err;
}

bool
pg_is_settled(struct pg *pg)
{
	ExecStatusType status = PGRES_EMPTY_QUERY, before;
	PGresult *result;

	if (!PQconsumeInput(pg->conn))
		return true;
	while (!PQisBusy(pg->conn)) {
		before = status;
		result = PQgetResult(pg->conn);
		status = result ? PQresultStatus(result) : PGRES_EMPTY_QUERY;
		PQclear(result);
		/* Nothing ends each result; twice nothing, and there are no more. */
		if (status == PGRES_PIPELINE_SYNC || PQstatus(pg->conn) == CONNECTION_BAD || (!result && before == PGRES_EMPTY_QUERY))
			return true;
	}
	return false;
}

enum err
pg_script(struct pg *pg, const char *sql, int64_t deadline_ms, struct arena *arena, struct pg_failure *reterr)
{
	static const struct pg_statement script = { "script", "" };
	struct batch b = batch_begin(pg, arena, 1, deadline_ms, reterr);
	struct sent sent = { .statement = &script };
	enum err err = ERR_OK;
	PGresult *result = NULL;

	if (!PQsendQuery(pg->conn, sql) || !flush(&b))
		return lost(&b);
	for (;;) {
		if (!next_result(&b, &result))
			return lost(&b);
		if (!result)
			return err;
		err = take_result(&b, &sent, result, err);
	}
}
