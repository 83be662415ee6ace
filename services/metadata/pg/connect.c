/* Opening and closing a connection. */
#include <errno.h>
#include <poll.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "services/metadata/pg/internal.h"

/* With a host to try after it, one that does not answer is given less time. */
enum { CONNECT_MS = 5000, CONNECT_MANY_MS = 2000 };

bool
pg_wait(struct pg *pg, bool is_write, int64_t deadline_ms)
{
	struct pollfd fd = { .fd = PQsocket(pg->conn), .events = POLLIN | (is_write ? POLLOUT : 0) };
	int64_t left;
	int n;

	do {
		left = clock_left_ms(deadline_ms);
		n = poll(&fd, 1, left > INT_MAX ? INT_MAX : (int)left);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

static void
warned(void *arg, const PGresult *result)
{
	struct pg *pg = arg;
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity && str_equal(str_c(severity), STR("WARNING")))
		pg->has_warned = true;
}

/*
 * Plans are made once and kept: all are walks along an index, whatever the parameters. Tables are small at first and large later, so those
 * plans are ruled out that are only good while they are small. Who waits for a lock gives up well before his call does.
 */
static const char *
session_options(const struct config *config, struct arena *arena)
{
	long long timeout = (long long)config->database_timeout;

	return arena_printf(arena, "-c timezone=UTC -c statement_timeout=%lld -c lock_timeout=%lld"
		" -c idle_in_transaction_session_timeout=%lld -c enable_seqscan=off"
		" -c plan_cache_mode=force_generic_plan -c jit=off -c client_min_messages=warning", timeout, timeout / 2, timeout).ptr;
}

static PGconn *
connect_start(const struct config *config, size_t place, struct arena *arena)
{
	struct pg_host host = pg_host_at(config, place, arena);
	const char *keywords[] = { "host", "port", "dbname", "user", "password", "sslmode", "application_name",
		"target_session_attrs", "client_encoding", "keepalives_idle", "keepalives_interval", "keepalives_count",
		"tcp_user_timeout", "options", NULL };
	const char *values[] = { host.name, host.port, arena_cstr(arena, config->database_name),
		arena_cstr(arena, config->database_user), arena_cstr(arena, config->database_password),
		arena_cstr(arena, config->database_tls), "sora-metadata", "read-write", "UTF8", "10", "5", "3", "15000",
		session_options(config, arena), NULL };

	return PQconnectStartParams(keywords, values, 0);
}

static bool
connect_finish(struct pg *pg, int64_t deadline_ms)
{
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;

	while (state != PGRES_POLLING_OK) {
		if (state == PGRES_POLLING_FAILED)
			return false;
		if (!pg_wait(pg, state == PGRES_POLLING_WRITING, deadline_ms))
			return false;
		state = PQconnectPoll(pg->conn);
	}
	return PQsetnonblocking(pg->conn, 1) == 0;
}

static enum err
read_history(struct pg *pg, int64_t deadline_ms, struct arena *arena, struct str *reterr_text)
{
	static const struct pg_statement history = { "history", "SELECT current_timeline(), system_identifier,"
		" ('x' || substring(pg_walfile_name(pg_current_wal_insert_lsn()) FROM 1 FOR 8))::bit(32)::integer FROM pg_control_system()" };
	struct pg_args none = { .arena = arena };
	struct pg_failure failure;
	struct pg_rows rows;
	enum err err = pg_run(pg, &history, &none, deadline_ms, arena, &rows, &failure);

	if (err != ERR_OK) {
		*reterr_text = failure.text;
		return err;
	}
	pg->timeline = pg_int(&rows, 0, 0);
	pg->history = (struct pg_history){ pg_int(&rows, 0, 1), pg_int(&rows, 0, 2) };
	return ERR_OK;
}

/* What to do about it, as far as the words say so: libpq has no SQLSTATE of a connection that was refused. */
static struct str
remedy(const struct config *config, struct str text, struct arena *arena)
{
	if (str_find(text, STR("FATAL")) == text.len)
		return STR("see database.host, database.port and database.tls");
	if (str_find(text, STR("password authentication failed")) < text.len)
		return STR("see database.user and database.password");
	if (str_find(text, STR("database \"")) < text.len && str_ends_with(text, STR("does not exist")))
		return arena_printf(arena, "`createdb -O %.*s %.*s` makes it", STR_ARG(config->database_user), STR_ARG(config->database_name));
	return STR_NONE;
}

/* In one line, where libpq makes more of them. */
static struct str
complaint(const struct pg *pg, const struct config *config, struct arena *arena)
{
	char *line = arena_cstr(arena, str_trim(str_c(PQerrorMessage(pg->conn))));
	struct str said = str_c(line), todo;

	for (char *at = line; *at != '\0'; at++)
		if (*at == '\n' || *at == '\t')
			*at = ' ';
	if (said.len == 0)
		said = arena_printf(arena, "%s: no answer in time", pg_host_at(config, pg->place, arena).name);
	todo = remedy(config, said, arena);
	return todo.len > 0 ? arena_printf(arena, "%.*s (%.*s)", STR_ARG(said), STR_ARG(todo)) : said;
}

enum err
pg_connect(const struct config *config, size_t place, bool has_schema, int64_t deadline_ms, struct arena *arena, struct pg **ret,
    struct str *reterr_text)
{
	struct pg *pg = MEM_NEW(struct pg);
	int64_t until_ms = clock_mono_ms() + (pg_host_count(config) > 1 ? CONNECT_MANY_MS : CONNECT_MS);
	enum err err = ERR_OK;

	if (until_ms > deadline_ms)
		until_ms = deadline_ms;
	pg->place = place;
	pg->timeout_ms = config->database_timeout;
	pg->conn = connect_start(config, place, arena);
	PQsetNoticeReceiver(pg->conn, warned, pg);
	if (PQstatus(pg->conn) == CONNECTION_BAD || !connect_finish(pg, until_ms)) {
		*reterr_text = complaint(pg, config, arena);
		err = ERR_UNAVAILABLE;
	} else if (has_schema) {
		err = read_history(pg, until_ms, arena, reterr_text);
	}
	if (err != ERR_OK) {
		pg_close(pg);
		return err;
	}
	metric_add(METRIC_PG_RECONNECTS, 1);
	*ret = pg;
	return ERR_OK;
}

enum err
pg_open(const struct config *config, struct arena *arena, struct pg **ret, struct str *reterr_text)
{
	struct str text = STR_NONE, texts = STR_NONE;
	enum err err = ERR_UNAVAILABLE;

	for (size_t place = 0; err != ERR_OK && place < pg_host_count(config); place++) {
		err = pg_connect(config, place, false, clock_mono_ms() + CONNECT_MS, arena, ret, &text);
		texts = arena_printf(arena, "%.*s%s%.*s", STR_ARG(texts), texts.len > 0 ? "; " : "", STR_ARG(text));
	}
	if (err != ERR_OK)
		*reterr_text = texts;
	return err;
}

void
pg_close(struct pg *pg)
{
	if (!pg)
		return;
	PQfinish(pg->conn);
	free(pg);
}
