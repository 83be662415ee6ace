/* What callers can make the metadata service hold, and how long they can make it wait. */
#include <pthread.h>

#include "services/metadata/login.h"
#include "tests/services/metadata/world.h"

TestSuite(metadata_bounds, .init = world_begin, .fini = world_end, .timeout = 60);

/* ---- watchers */

static enum err
watch(uint64_t watcher, struct arena *arena, uint64_t *add, size_t add_count, bool wait, MetadataWatchReply **ret)
{
	MetadataWatchRequest req = METADATA_WATCH_REQUEST__INIT;
	struct bus_call call = *as(0, BUS_ROLE_IMAP);

	req.n_token = add_count;
	req.token = ARENA_ARRAY(arena, ProtobufCBinaryData, add_count + 1);
	for (size_t i = 0; i < add_count; i++) {
		struct str token = mint("secret", add[i], clock_wall_ms() + 60000, 1);

		req.token[i] = (ProtobufCBinaryData){ token.len, (uint8_t *)token.ptr };
	}
	call.arena = arena;
	req.watcher = watcher;
	req.add = add;
	req.n_add = add_count;
	req.wait = wait;
	return metadata_watch(&call, &req, ret);
}

Test(metadata_bounds, a_watcher_has_a_bounded_number_of_accounts)
{
	enum { PART = 25000, PARTS = 4, MOST = PART * PARTS };
	uint64_t *accounts = ARENA_ARRAY(&world.arena, uint64_t, MOST), mine = make_account("a", 0);
	MetadataWatchRequest less = METADATA_WATCH_REQUEST__INIT;
	MetadataWatchReply *reply;

	for (size_t i = 0; i < MOST; i++)
		accounts[i] = i + 1;
	sql("INSERT INTO accounts SELECT n, 'active', 0 FROM generate_series(1, %d) n", MOST);
	sql("INSERT INTO credentials SELECT n, '', 1 FROM generate_series(1, %d) n", MOST);
	for (int i = 0; i < PARTS; i++)
		cr_assert_eq(watch(1, &world.arena, accounts + i * PART, PART, false, &reply), ERR_OK);
	cr_assert_eq(watch(1, &world.arena, accounts, PART, false, &reply), ERR_OK, "those that it has do not count twice");
	cr_assert_eq(watch(1, &world.arena, &mine, 1, false, &reply), ERR_LIMIT);
	less.watcher = 1;
	less.remove = accounts;
	less.n_remove = 1;
	cr_assert_eq(metadata_watch(as(0, BUS_ROLE_IMAP), &less, &reply), ERR_OK);
	cr_assert_eq(watch(1, &world.arena, &mine, 1, false, &reply), ERR_OK);
	cr_assert_eq(watch(2, &world.arena, accounts, PART, false, &reply), ERR_OK, "each has its own");
}

/* Each holds less than it may, all together more: those who would go past it have lost, and look for themselves. */
Test(metadata_bounds, the_events_of_all_watchers_are_bounded)
{
	enum { WATCHERS = 60, STORES = 70 };
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	MetadataCopyRequest copy = METADATA_COPY_REQUEST__INIT;
	struct arena arena = { 0 };
	MetadataWatchReply *reply;
	size_t lost = 0;

	(void)append(0, account, "INBOX", 0);
	copy.account = account;
	copy.mailbox = inbox;
	copy.n_uids = 1;
	copy.uids = range(1, 100000);
	copy.to = BIN("INBOX");
	for (int i = 0; i < 11; i++)
		cr_assert_eq(metadata_copy(user(0, account), &copy, NULL), ERR_OK);
	for (uint64_t i = 1; i <= WATCHERS; i++)
		cr_assert_eq(watch(i, &world.arena, &account, 1, false, &reply), ERR_OK);
	for (int i = 0; i < STORES; i++)
		(void)store(0, account, inbox, 1, 2000, i % 2, METADATA_FLAG__METADATA_FLAGGED);
	for (uint64_t i = 1; i <= WATCHERS; i++, arena_reset(&arena)) {
		cr_assert_eq(watch(i, &arena, NULL, 0, true, &reply), ERR_OK);
		lost += reply->lost;
	}
	cr_assert(lost > 0 && lost < WATCHERS, "%zu have lost", lost);
	arena_clear(&arena);
}

/* ---- changes that wait */

Test(metadata_bounds, an_account_that_is_held_up_leaves_room_for_the_others)
{
	enum { MANY = 2200, MOST = 2000 + 64 };
	uint64_t busy = make_account("a", 0), other = make_account("b", 0);
	struct bus_future **futures = ARENA_ARRAY(&world.arena, struct bus_future *, MANY);
	struct bus_call *calls = ARENA_ARRAY(&world.arena, struct bus_call, MANY);
	struct arena *arenas = ARENA_ARRAY(&world.arena, struct arena, MANY);
	MetadataDeliverRequest req = METADATA_DELIVER_REQUEST__INIT;
	MetadataDeliverRequest__Recipient to = METADATA_DELIVER_REQUEST__RECIPIENT__INIT, *tos = &to;
	MetadataAction action = METADATA_ACTION__INIT, *actions = &action;
	int done = 0, refused = 0;

	req.mail = make_mail(100);
	req.n_recipient = 1;
	req.recipient = &tos;
	to.account = busy;
	to.n_action = 1;
	to.action = &actions;
	sql("BEGIN; SELECT 1 FROM mailbox_state WHERE account = %lld FOR UPDATE", (long long)busy);
	for (int i = 0; i < MANY; i++) {
		calls[i] = *as(0, BUS_ROLE_LMTP);
		calls[i].arena = &arenas[i];
		futures[i] = metadata_deliver_start(&calls[i], &req);
	}
	cr_assert_eq(deliver(0, other, NULL, 10), ERR_OK, "while all of them wait");
	sql("COMMIT");
	for (int i = 0; i < MANY; i++) {
		MetadataDeliverReply *reply;
		enum err err = metadata_deliver_wait(futures[i], &reply);

		if (err == ERR_OK)
			err = (enum err)reply->result[0]->status;
		cr_assert(err == ERR_OK || err == ERR_BUSY, "%s", err_row(err)->name);
		done += err == ERR_OK;
		refused += err == ERR_BUSY;
		arena_clear(&arenas[i]);
	}
	cr_assert(done <= MOST && refused >= MANY - MOST, "%d done, %d refused", done, refused);
	cr_assert_eq(status_of(0, busy, "INBOX")->messages, (uint32_t)done);
}

/* ---- passwords that wait for a thread */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_open;
	int done;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void
at_gate(struct login *login, bool is_right)
{
	(void)login;
	(void)is_right;
	pthread_mutex_lock(&gate.lock);
	while (!gate.is_open)
		pthread_cond_wait(&gate.changed, &gate.lock);
	gate.done++;
	pthread_mutex_unlock(&gate.lock);
}

Test(metadata_bounds, passwords_that_wait_are_bounded)
{
	enum { MOST = 256 + 8, MANY = 300 };
	struct logins *logins = logins_new(world.config[0]);
	struct login *login = ARENA_ARRAY(&world.arena, struct login, MANY);
	int taken = 0;

	for (int i = 0; i < MANY; i++) {
		enum err err;

		login[i] = (struct login){ .stored = STR("{SSHA512}AAAA"), .password = STR("x"), .done = at_gate };
		err = login_check(logins, &login[i]);
		cr_assert(err == ERR_OK || err == ERR_BUSY);
		taken += err == ERR_OK;
	}
	cr_assert(taken >= 256 && taken <= MOST, "%d", taken);
	pthread_mutex_lock(&gate.lock);
	gate.is_open = true;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
	logins_free(logins);
	cr_assert_eq(gate.done, taken, "whoever was taken is answered");
}

/* ---- connections to PostgreSQL */

Test(metadata_bounds, a_connection_is_waited_for_until_the_deadline_and_no_longer)
{
	struct pg_pool *pool = pg_pool_new(world.config[0], NULL, NULL);
	struct pg *held[8], *more = NULL;
	int64_t begun_ms;

	for (int i = 0; i < 8; i++)
		cr_assert_eq(pg_take(pool, clock_mono_ms() + 10000, &held[i]), ERR_OK);
	begun_ms = clock_mono_ms();
	cr_assert_neq(pg_take(pool, begun_ms + 200, &more), ERR_OK, "database.connections is 8");
	cr_assert_geq(clock_mono_ms() - begun_ms, 190);
	pg_give(pool, held[0]);
	cr_assert_eq(pg_take(pool, clock_mono_ms() + 10000, &held[0]), ERR_OK);
	for (int i = 0; i < 8; i++)
		pg_give(pool, held[i]);
	pg_pool_free(pool);
}

/* By the server, which knows database.timeout, when the call has more time; else by us. */
Test(metadata_bounds, a_statement_ends_with_its_deadline)
{
	static const struct pg_statement sleep = { "sleep", "SELECT pg_sleep(30) IS NULL" };
	struct pg_pool *pool = pg_pool_new(world.config[0], NULL, NULL);
	struct pg_args none = { .arena = &world.arena };
	struct pg_failure failure;
	struct pg_rows rows;
	int64_t begun_ms = clock_mono_ms();

	cr_assert_neq(pg_read(pool, &sleep, &none, begun_ms + 300, &world.arena, &rows, &failure), ERR_OK);
	cr_assert_lt(clock_mono_ms() - begun_ms, 20000);
	world.config[0]->database_timeout = 300;
	pg_pool_free(pool);
	pool = pg_pool_new(world.config[0], NULL, NULL);
	cr_assert_neq(pg_read(pool, &sleep, &none, clock_mono_ms() + 25000, &world.arena, &rows, &failure), ERR_OK);
	cr_assert_str_eq(failure.sqlstate, "57014", "statement_timeout");
	pg_pool_free(pool);
}
