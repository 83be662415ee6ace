/* Limits of time, of locks and of connections: what they end is one call, with an error that says that it may be tried again. */
#include <pthread.h>

#include "tests/services/metadata/world.h"

TestSuite(metadata_limits, .init = world_begin, .fini = world_end);

static void
pause_ms(int ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
}

static void
await(const char *what, int64_t many)
{
	for (int i = 0; i < 500; i++) {
		if (sql_int("%s", what) >= many)
			return;
		pause_ms(10);
	}
	cr_assert_fail("not within 5 s: %s", what);
}

#define WAITING "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

/* ---- SQLSTATEs, raised where a call does not expect them */

static const struct {
	const char *state;
	enum err err;
} states[] = {
	{ "40001", ERR_UNAVAILABLE },
	{ "40P01", ERR_UNAVAILABLE },
	{ "55P03", ERR_UNAVAILABLE },
	{ "57014", ERR_UNAVAILABLE },
	{ "25006", ERR_UNAVAILABLE },
	{ "25P03", ERR_UNAVAILABLE },
	{ "57P01", ERR_UNAVAILABLE },
	{ "57P02", ERR_UNAVAILABLE },
	{ "57P03", ERR_UNAVAILABLE },
	{ "08006", ERR_UNAVAILABLE },
	{ "53000", ERR_UNAVAILABLE },
	{ "53100", ERR_UNAVAILABLE }, /* disk full */
	{ "53200", ERR_UNAVAILABLE }, /* out of memory */
	{ "53300", ERR_UNAVAILABLE }, /* too many connections */
	{ "58030", ERR_UNAVAILABLE },
	{ "55000", ERR_UNAVAILABLE },
	{ "0A000", ERR_UNAVAILABLE },
	{ "26000", ERR_UNAVAILABLE },
	{ "P0001", ERR_INTERNAL },
	{ "22012", ERR_INTERNAL },
	{ "XX000", ERR_INTERNAL },
};

/* The function that every one of these calls goes through raises; the call after that finds a service that is well. */
Test(metadata_limits, each_sqlstate_is_the_error_of_its_row_and_ends_one_call_only, .timeout = 100)
{
	uint64_t account = make_account("a", 0);

	sql("CREATE TABLE raising (state text, times integer); INSERT INTO raising VALUES ('', 0); CREATE SEQUENCE raised;"
	    " ALTER FUNCTION mailbox_named RENAME TO named; CREATE FUNCTION mailbox_named(p_account bigint, p_name bytea) RETURNS integer"
	    " LANGUAGE plpgsql AS $$ DECLARE r raising; BEGIN SELECT * INTO r FROM raising; IF nextval('raised') <= r.times THEN"
	    " RAISE EXCEPTION 'of the test' USING ERRCODE = r.state; END IF; RETURN named(p_account, p_name); END $$");
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		enum err err;

		sql("UPDATE raising SET state = '%s', times = 100; SELECT setval('raised', 1)", states[i].state);
		err = deliver(0, account, "No such", 10);
		cr_expect_eq(err, states[i].err, "%s: %s", states[i].state, err_row(err)->name);
		sql("UPDATE raising SET times = 0");
		for (int n = 0; (err = deliver(0, account, "No such", 10)) != ERR_OK && n < 100; n++)
			pause_ms(20);
		cr_assert_eq(err, ERR_OK, "after %s: %s", states[i].state, err_row(err)->name);
	}
	cr_expect_eq(status_of(1, account, "INBOX")->messages, sizeof(states) / sizeof(states[0]));
	check_counts();
}

/* What is lost by chance is run again, and nobody hears of it. */
Test(metadata_limits, what_may_succeed_the_second_time_is_run_again, .timeout = 60)
{
	static const char *const again[] = { "40001", "40P01", "55P03", "25006", "57P01", "0A000" };
	uint64_t account = make_account("a", 0);

	sql("CREATE TABLE raising (state text); INSERT INTO raising VALUES (''); CREATE SEQUENCE raised;"
	    " ALTER FUNCTION mailbox_named RENAME TO named; CREATE FUNCTION mailbox_named(p_account bigint, p_name bytea) RETURNS integer"
	    " LANGUAGE plpgsql AS $$ DECLARE r raising; BEGIN SELECT * INTO r FROM raising; IF nextval('raised') <= 2 THEN"
	    " RAISE EXCEPTION 'of the test' USING ERRCODE = r.state; END IF; RETURN named(p_account, p_name); END $$");
	for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++) {
		enum err err;

		sql("UPDATE raising SET state = '%s'; ALTER SEQUENCE raised RESTART", again[i]);
		err = deliver(0, account, "No such", 10);
		cr_expect_eq(err, ERR_OK, "%s: %s", again[i], err_row(err)->name);
		cr_expect_eq(sql_int("SELECT last_value FROM raised"), 3);
	}
	cr_expect_eq(status_of(0, account, "INBOX")->messages, sizeof(again) / sizeof(again[0]));
	check_counts();
}

/* ---- connections */

static void
server_limit(int limit)
{
	struct arena arena = { 0 };
	struct pg_failure failure = { .text = STR_NONE };
	struct pg *pg = NULL;

	cr_assert_eq(pg_open(world.server, &arena, &pg, &failure.text), ERR_OK);
	cr_assert_eq(pg_script(pg, arena_printf(&arena, "ALTER DATABASE %s CONNECTION LIMIT %d", world.database, limit).ptr,
	    clock_mono_ms() + 5000, &arena, &failure), ERR_OK);
	pg_close(pg);
	arena_clear(&arena);
}

Test(metadata_limits, too_many_connections_is_temporary_and_the_pool_keeps_to_its_size, .timeout = 60)
{
	uint64_t account = make_account("a", 0);
	int refused = 0;
	enum err err;

	(void)append(0, account, "INBOX", 0);
	(void)sql_int("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
		      " AND usename = current_user AND application_name = 'sora-metadata' AND state = 'idle' AND query <> ''");
	pg_close(world.pg);
	world.pg = NULL;
	server_limit(1);
	for (int i = 0; i < 20; i++) {
		err = deliver(i % 2, account, NULL, 10);
		cr_assert(err == ERR_OK || err == ERR_UNAVAILABLE, "%s", err_row(err)->name);
		refused += err == ERR_UNAVAILABLE;
	}
	cr_expect_gt(refused, 0);
	server_limit(-1);
	for (int i = 0; i < 40; i++)
		for (int n = 0; (err = deliver(i % 2, account, NULL, 10)) != ERR_OK; n++) {
			cr_assert_lt(n, 100, "%s", err_row(err)->name);
			pause_ms(50);
		}
	cr_expect_leq(sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sora-metadata'"),
	    REPLICAS * 8 + 1);
	check_counts();
}

struct delivery {
	pthread_t thread;
	uint64_t account;
	int replica;
	int64_t took_ms;
	enum err err;
	struct arena arena;
	struct bus_call call;
	MetadataDeliverRequest req;
};

static void *
run_delivery(void *arg)
{
	struct delivery *d = arg;
	MetadataDeliverReply *reply;
	int64_t begun = clock_mono_ms();

	d->err = metadata_deliver(&d->call, &d->req, &reply);
	if (d->err == ERR_OK)
		d->err = reply->result[0]->status;
	d->took_ms = clock_mono_ms() - begun;
	return NULL;
}

static void
start_delivery(struct delivery *d, int replica, uint64_t account, int64_t deadline_ms)
{
	MetadataDeliverRequest__Recipient *to = ARENA_NEW(&world.arena, MetadataDeliverRequest__Recipient);

	metadata_deliver_request__init(&d->req);
	metadata_deliver_request__recipient__init(to);
	d->req.mail = make_mail(10);
	d->req.n_recipient = 1;
	d->req.recipient = ARENA_ARRAY(&world.arena, MetadataDeliverRequest__Recipient *, 1);
	d->req.recipient[0] = to;
	to->account = account;
	to->n_action = 1;
	to->action = ARENA_ARRAY(&world.arena, MetadataAction *, 1);
	to->action[0] = ARENA_NEW(&world.arena, MetadataAction);
	metadata_action__init(to->action[0]);
	d->call = *as(replica, BUS_ROLE_LMTP);
	d->call.arena = &d->arena;
	d->call.deadline_ms = clock_mono_ms() + deadline_ms;
	pthread_create(&d->thread, NULL, run_delivery, d);
}

/* ---- one row that somebody holds */

static void *
run_selects(void *arg)
{
	uint64_t account = *(uint64_t *)arg;
	struct arena arena = { 0 };
	struct bus_call call = *user(0, account);

	call.arena = &arena;
	for (int i = 0; i < 3; i++) {
		MetadataSelectRequest req = METADATA_SELECT_REQUEST__INIT;
		MetadataSelectReply *reply;

		req.account = account;
		req.name = BIN("INBOX");
		if (metadata_select(&call, &req, &reply) != ERR_OK)
			cr_assert_fail("a SELECT fails while the row is held");
	}
	arena_clear(&arena);
	return NULL;
}

Test(metadata_limits, a_hot_mailboxs_waiters_do_not_fill_the_pool, .timeout = 100)
{
	enum { WRITERS = 40, READERS = 16 };
	uint64_t hot = make_account("hot", 0), cool = make_account("cool", 0);
	struct delivery *held = ARENA_ARRAY(&world.arena, struct delivery, WRITERS);
	pthread_t readers[READERS];
	int64_t begun;

	(void)deliver(0, hot, NULL, 10);
	(void)append(0, cool, "INBOX", 0);
	(void)user(0, hot);
	sql("BEGIN; SELECT FROM mailbox_state WHERE account = %lld FOR UPDATE", (long long)hot);
	for (int i = 0; i < WRITERS; i++)
		start_delivery(&held[i], 0, hot, 4000);
	await(WAITING, 1);
	for (int i = 0; i < READERS; i++)
		pthread_create(&readers[i], NULL, run_selects, &hot);
	/* Others go on, with one connection, or the few of the SELECTs, taken. */
	begun = clock_mono_ms();
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(deliver(0, cool, NULL, 10), ERR_OK);
		cr_assert_eq(status_of(0, cool, "INBOX")->messages, i + 2);
	}
	cr_expect_lt(clock_mono_ms() - begun, 20000);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(held[i].thread, NULL);
		cr_expect(held[i].err == ERR_UNAVAILABLE || held[i].err == ERR_DEADLINE, "%s", err_row(held[i].err)->name);
		cr_expect_lt(held[i].took_ms, 8000);
		arena_clear(&held[i].arena);
	}
	/* Nobody waits at the server for those who have given up. */
	for (int i = 0; sql_int(WAITING) > 0; i++) {
		cr_assert_lt(i, 200, "somebody still waits for the row");
		pause_ms(10);
	}
	sql("COMMIT");
	cr_assert_eq(deliver(0, hot, NULL, 10), ERR_OK);
	cr_expect_eq(status_of(0, hot, "INBOX")->messages, 2);
	cr_expect_leq(sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sora-metadata'"),
	    REPLICAS * 8 + 2);
	check_counts();
}

/* ---- a deadline is the server's too */

Test(metadata_limits, a_calls_own_deadline_ends_its_statement_at_the_server, .timeout = 60)
{
	uint64_t account = make_account("a", 0);
	struct delivery d = { 0 };

	(void)deliver(0, account, NULL, 10);
	sql("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(8); RETURN NEW; END $$;"
	    " CREATE TRIGGER slow BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION slow()");
	start_delivery(&d, 0, account, 700);
	pthread_join(d.thread, NULL);
	cr_assert(d.err == ERR_UNAVAILABLE || d.err == ERR_DEADLINE, "%s", err_row(d.err)->name);
	for (int i = 0; sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'") > 0; i++) {
		cr_assert_lt(i, 150, "the server still sleeps for a call that has ended");
		pause_ms(10);
	}
	sql("DROP TRIGGER slow ON entries");
	cr_assert_eq(deliver(0, account, NULL, 10), ERR_OK);
	/* The session has its own limits again. */
	cr_expect_eq(sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%%'"), 0);
	arena_clear(&d.arena);
	check_counts();
}
