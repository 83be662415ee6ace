/* PostgreSQL goes away, or takes a connection with it: nothing is lost, nothing is done twice, and it comes back by itself. */
#include <pthread.h>

#include "tests/services/metadata/world.h"

TestSuite(metadata_faults, .init = world_begin, .fini = world_end);

/* SQL around the name of our database, on a connection to another: ours is the one that is shut. */
static void
outside(const char *before, const char *after)
{
	struct arena arena = { 0 };
	struct pg_failure failure = { .text = STR_NONE };
	struct pg *pg;
	struct str text = STR_NONE;

	cr_assert_eq(pg_open(world.server, &arena, &pg, &text), ERR_OK);
	cr_assert_eq(pg_script(pg, arena_printf(&arena, "%s%s%s", before, world.database, after).ptr, clock_mono_ms() + 5000, &arena, &failure), ERR_OK, "%.*s",
	    STR_ARG(failure.text));
	pg_close(pg);
	arena_clear(&arena);
}

static void
shut_database(void)
{
	outside("ALTER DATABASE ", " ALLOW_CONNECTIONS false");
	outside("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND datname = '", "'");
}

static void
open_database(void)
{
	outside("ALTER DATABASE ", " ALLOW_CONNECTIONS true");
}

Test(metadata_faults, an_outage_is_said_quickly_and_ends_by_itself, .timeout = 60)
{
	uint64_t account = make_account("a", 0);
	MetadataListRequest list = METADATA_LIST_REQUEST__INIT;
	struct bus_call *call;
	int64_t begun;
	enum err err;

	(void)append(0, account, "INBOX", 0);
	list.account = account;
	shut_database();
	for (int i = 0; i < 5; i++) {
		begun = clock_mono_ms();
		err = deliver(0, account, NULL, 10);
		cr_assert(err == ERR_UNAVAILABLE || err == ERR_UNKNOWN_OUTCOME, "%s", err_row(err)->name);
		call = user(0, account);
		cr_assert_eq(metadata_list(call, &list, NULL), ERR_UNAVAILABLE);
		cr_assert_lt(clock_mono_ms() - begun, 6000);
	}
	open_database();
	for (int i = 0; (err = deliver(0, account, NULL, 10)) != ERR_OK && i < 100; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	cr_assert_eq(err, ERR_OK);
	pg_close(world.pg);
	world.pg = NULL;
	cr_assert_eq(status_of(0, account, "INBOX")->messages, 2);
}

Test(metadata_faults, a_restart_between_two_calls_is_not_noticed, .timeout = 60)
{
	uint64_t account = make_account("a", 0);

	for (int i = 0; i < 5; i++) {
		(void)append(0, account, "INBOX", 0);
		outside("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND datname = '", "'");
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		cr_assert_eq(deliver(0, account, NULL, 10), ERR_OK);
	}
	pg_close(world.pg);
	world.pg = NULL;
	cr_assert_eq(status_of(1, account, "INBOX")->messages, 10);
	check_counts();
}

/* The clock is there with the first steps of the schema, accounts with the last. */
static enum err
try_account(int i)
{
	MetadataCreateAccountRequest req = METADATA_CREATE_ACCOUNT_REQUEST__INIT;

	req.address = bin(i == 0 ? "a@example.org" : "b@example.org");
	req.password = BIN("secret");
	req.hash = BIN("sha512");
	return metadata_create_account(as(i, BUS_ROLE_ADMIN), &req, NULL);
}

Test(metadata_faults, a_service_that_starts_before_its_database_makes_its_schema_later, .timeout = 60)
{
	MetadataPingReply *reply;
	enum err err = ERR_OK;

	replica_stop(0);
	replica_stop(1);
	sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
	shut_database();
	pg_close(world.pg);
	world.pg = NULL;
	replica_start(0);
	replica_start(1);
	cr_assert_eq(metadata_ping(as(0, BUS_ROLE_ADMIN), &(MetadataEmpty)METADATA_EMPTY__INIT, &reply), ERR_UNAVAILABLE);
	open_database();
	for (int i = 0; i < REPLICAS; i++) {
		for (int n = 0; n < 100 && (n == 0 || err != ERR_OK); n++) {
			err = try_account(i);
			if (err != ERR_OK)
				nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
		}
		cr_assert_eq(err, ERR_OK);
	}
	cr_assert_eq(metadata_ping(as(0, BUS_ROLE_ADMIN), &(MetadataEmpty)METADATA_EMPTY__INIT, &reply), ERR_OK);
	cr_assert_gt(reply->database_ms, 0);
}

struct appender {
	pthread_t thread;
	struct bus_call call;
	struct arena arena;
	const MetadataAppendRequest *request;
	MetadataAppendReply *reply;
	enum err err;
};

static void *
run_append(void *arg)
{
	struct appender *appender = arg;

	appender->err = metadata_append(&appender->call, appender->request, &appender->reply);
	return NULL;
}

static void
await_waiters(int64_t many)
{
	for (int i = 0; i < 300; i++) {
		if (sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") >= many)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	cr_assert_fail("no one waits for the lock");
}

Test(metadata_faults, a_connection_lost_in_the_middle_is_settled_by_asking_again, .timeout = 60)
{
	uint64_t account = make_account("a", 0);
	struct appender appender = { .request = append_request(account, "INBOX", make_mail(10)) };

	appender.call = *user(0, account);
	appender.call.arena = &appender.arena;
	sql("BEGIN; SELECT FROM mailbox_state WHERE account = %lld FOR UPDATE", (long long)account);
	pthread_create(&appender.thread, NULL, run_append, &appender);
	for (int i = 0; i < 3; i++) {
		await_waiters(1);
		(void)sql_int("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND"
			      " wait_event_type = 'Lock'");
	}
	await_waiters(1);
	sql("COMMIT");
	pthread_join(appender.thread, NULL);
	cr_assert_eq(appender.err, ERR_OK, "%s", err_row(appender.err)->name);
	cr_assert_eq(appender.reply->n_uid, 1);
	cr_assert_eq(status_of(1, account, "INBOX")->messages, 1);
	arena_clear(&appender.arena);
	check_counts();
}

Test(metadata_faults, one_call_that_raises_does_not_fail_its_batch, .timeout = 60)
{
	enum { MANY = 40 };
	uint64_t account = make_account("a", 0), other = make_account("b", 0);
	struct bus_call *calls = ARENA_ARRAY(&world.arena, struct bus_call, MANY);
	struct bus_future *futures[MANY];
	int raised = 0, done = 0;

	/* Something that no code expects: an error out of the middle of a delivery. */
	sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.size = 666 THEN RAISE 'no beasts'; END IF;"
	    " RETURN NEW; END $$; CREATE TRIGGER refuse BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION refuse()");
	sql("BEGIN; SELECT FROM mailbox_state FOR UPDATE");
	for (int i = 0; i < MANY; i++) {
		MetadataDeliverRequest *req = ARENA_NEW(&world.arena, MetadataDeliverRequest);
		MetadataDeliverRequest__Recipient *to = ARENA_NEW(&world.arena, MetadataDeliverRequest__Recipient);

		metadata_deliver_request__init(req);
		metadata_deliver_request__recipient__init(to);
		req->mail = make_mail(i % 10 == 3 ? 666 : 10);
		req->n_recipient = 1;
		req->recipient = ARENA_ARRAY(&world.arena, MetadataDeliverRequest__Recipient *, 1);
		req->recipient[0] = to;
		to->account = i % 2 ? account : other;
		to->n_action = 1;
		to->action = ARENA_ARRAY(&world.arena, MetadataAction *, 1);
		to->action[0] = ARENA_NEW(&world.arena, MetadataAction);
		metadata_action__init(to->action[0]);
		calls[i] = *as(i % 2, BUS_ROLE_LMTP);
		futures[i] = metadata_deliver_start(&calls[i], req);
	}
	await_waiters(2);
	sql("COMMIT");
	for (int i = 0; i < MANY; i++) {
		MetadataDeliverReply *reply;

		cr_assert_eq(metadata_deliver_wait(futures[i], &reply), ERR_OK);
		raised += reply->result[0]->status == ERR_INTERNAL;
		done += reply->result[0]->status == ERR_OK;
	}
	cr_assert_eq(raised, MANY / 10);
	cr_assert_eq(done, MANY - MANY / 10);
	check_counts();
}
