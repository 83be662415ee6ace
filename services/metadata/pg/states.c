/* SQLSTATEs: what each means to a call, whether the same transaction may be run again, and whether its connection is of use any more. */
#include "services/metadata/pg/internal.h"

/* A row counts for all that begin with it; the first that fits counts. What is not here is a fault of ours: ERR_INTERNAL. */
static const struct pg_state states[] = {
	/* begins with  err                again   leave */
	{ "25006",      ERR_UNAVAILABLE,   true,   true  }, /* read only: a standby, or a primary that was made one */
	{ "25P03",      ERR_UNAVAILABLE,   true,   true  }, /* idle in transaction for too long: the session was ended */
	{ "40001",      ERR_UNAVAILABLE,   true,   false }, /* lost against another transaction */
	{ "40P01",      ERR_UNAVAILABLE,   true,   false }, /* deadlock */
	{ "55P03",      ERR_UNAVAILABLE,   true,   false }, /* lock timeout */
	{ "23505",      ERR_INTERNAL,      true,   false }, /* a row that a twin made first */
	{ "57014",      ERR_UNAVAILABLE,   false,  false }, /* statement timeout, or cancelled by the operator */
	{ "57P",        ERR_UNAVAILABLE,   true,   true  }, /* shut down, crashed, starting, idle for too long, database dropped */
	{ "08",         ERR_UNAVAILABLE,   true,   true  }, /* the connection */
	{ "53",         ERR_UNAVAILABLE,   false,  false }, /* out of disk, memory, connections */
	{ "58030",      ERR_UNAVAILABLE,   false,  false }, /* an error of the server's disk */
	{ "55000",      ERR_UNAVAILABLE,   false,  true  }, /* recovery is in progress */
	{ "26000",      ERR_UNAVAILABLE,   true,   true  }, /* a prepared statement has gone */
	{ "0A000",      ERR_UNAVAILABLE,   true,   true  }, /* a plan's result has changed: the schema was brought up meanwhile */
};

const struct pg_state *
pg_state_of(const char *sqlstate)
{
	static const struct pg_state other = { "", ERR_INTERNAL, false, false };

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (str_starts_with(str_c(sqlstate), str_c(states[i].prefix)))
			return &states[i];
	return &other;
}

bool
pg_is_retryable(const struct pg_failure *failure)
{
	return pg_state_of(failure->sqlstate)->is_run_again;
}
