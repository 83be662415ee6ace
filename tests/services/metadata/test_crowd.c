/* Many at a time, and much of everything: counts stay exact, nobody deadlocks, and no call costs what its table has grown to. */
#include <pthread.h>

#include "services/metadata/migrate.h"
#include "tests/services/metadata/world.h"

static void
begin(void)
{
	world_begin_with("expunge: {keep: 0ms}\njournal: {keep: 0ms}\naccount: {keep: 0ms}\nblob: {keep: 0ms}\n");
}

TestSuite(metadata_crowd, .init = begin, .fini = world_end);

/* What a session has counted is in the statistics when it has ended. */
static void
end_sessions(void)
{
	for (int i = 0; i < REPLICAS; i++)
		replica_stop(i);
	for (int i = 0; sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sora-metadata'") > 2; i++) {
		cr_assert_lt(i, 500, "sessions stay");
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
}

static void
start_again(void)
{
	for (int i = 0; i < REPLICAS; i++)
		replica_start(i);
}

/* ---- clients */

enum { CLIENTS = 16, ROUNDS = 15 };

static const char *const boxes[] = { "INBOX", "Archive", "Junk", "Trash" };

struct client {
	pthread_t thread;
	int number;
	uint64_t account, mailboxes[4];
	struct bus_call call, delivery;
	struct arena arena;
	enum err err;
};

static enum err
client_round(struct client *c, int round)
{
	MetadataUidRange range = METADATA_UID_RANGE__INIT, *ranges = &range;
	MetadataStoreRequest store = METADATA_STORE_REQUEST__INIT;
	MetadataCopyRequest copy = METADATA_COPY_REQUEST__INIT;
	MetadataExpungeRequest expunge = METADATA_EXPUNGE_REQUEST__INIT;
	int from = (c->number + round) % 4, to = (c->number / 4 + round * 3 + 1) % 4;

	range.first = (uint32_t)(1 + (c->number * 7 + round * 3) % 20);
	range.last = range.first + 2;
	store.account = copy.account = expunge.account = c->account;
	store.mailbox = copy.mailbox = expunge.mailbox = c->mailboxes[from];
	store.n_uids = copy.n_uids = 1;
	store.uids = copy.uids = &ranges;
	store.mode = (MetadataStoreRequest__Mode)(round % 2);
	store.flags = 9;
	copy.to = bin(boxes[to]);
	TRY(metadata_store(&c->call, &store, NULL));
	TRY(metadata_copy(&c->call, &copy, NULL));
	TRY(metadata_move(&c->call, &copy, NULL));
	return metadata_expunge(&c->call, &expunge, NULL);
}

static void *
client_run(void *arg)
{
	struct client *c = arg;

	for (int round = 0; round < ROUNDS && c->err == ERR_OK; round++)
		c->err = client_round(c, round);
	return NULL;
}

static void
clients_start(struct client *clients, uint64_t account)
{
	for (int i = 0; i < CLIENTS; i++) {
		clients[i].number = i;
		clients[i].account = account;
		for (int n = 0; n < 4; n++)
			clients[i].mailboxes[n] = mailbox_of(account, boxes[n]);
		clients[i].call = *user(i % 2, account);
		clients[i].call.arena = &clients[i].arena;
	}
	for (int i = 0; i < CLIENTS; i++)
		cr_assert_eq(pthread_create(&clients[i].thread, NULL, client_run, &clients[i]), 0);
}

Test(metadata_crowd, sixteen_clients_over_four_mailboxes_keep_the_counts_and_never_deadlock, .timeout = 100)
{
	static struct client clients[CLIENTS];
	uint64_t account = make_account("a", 0);

	for (int i = 0; i < 40; i++)
		(void)append(i % 2, account, boxes[i % 4], i % 3 ? 0 : 1);
	clients_start(clients, account);
	for (int i = 0; i < 60; i++)
		cr_assert_eq(deliver(i % 2, account, boxes[i % 4], 10), ERR_OK);
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i].thread, NULL);
		cr_expect_eq(clients[i].err, ERR_OK, "%s", err_row(clients[i].err)->name);
		arena_clear(&clients[i].arena);
	}
	check_counts();
	end_sessions();
	cr_expect_eq(sql_int("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"), 0);
	start_again();
}

/* ---- what a change of flags writes */

Test(metadata_crowd, a_change_of_flags_touches_no_index, .timeout = 60)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");

	for (int i = 0; i < 50; i++)
		(void)append(0, account, "INBOX", 0);
	for (uint32_t i = 0; i < 1500; i++)
		(void)store((int)i % 2, account, inbox, i % 50 + 1, i % 50 + 1, i / 50 % 2, 1);
	end_sessions();
	cr_expect_eq(sql_int("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'entries'"), 1500);
	/* All but those that found their page full, which is a matter of when PostgreSQL gets to prune it; with an index none would be. */
	cr_expect_gt(sql_int("SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'entries'"), 750);
	start_again();
}

/* ---- tables that have grown */

/* Others have 20,000 of everything. */
static const char fill[] =
	"INSERT INTO accounts SELECT n, 'active', 0 FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO addresses SELECT n, ('o' || n || '@example.net')::bytea, 'o', true FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO credentials SELECT n, '', 1 FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO namespace SELECT n, 1, 1, 2, 1 FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO mailboxes SELECT n, 1, 'INBOX', 0, 1 FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO subscriptions SELECT n, 'INBOX' FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO mailbox_state SELECT n, 1, 2, 1, 1, 1, 0, 1, 1, 0, 10 FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO usage SELECT n, 10, 1, 0 FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO messages SELECT n, 1, 1, ('\\x01' || lpad(n::text, 56, '0'))::text::bytea, 0, 10, 10, 1, true, '', '', '', '', '', ''"
	" FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO entries SELECT n, 1, 1, 1, 10, 0, 0, 1, 0 FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO changes SELECT n, 1, 2, 9223372036854775807, 2, true FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO calls SELECT n, 'k', 9223372036854775807, 'OK', '{}' FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO purge SELECT n, 2, 1, 2, 9223372036854775807, 0, 0 FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO deletions SELECT ('\\x02' || lpad(n::text, 56, '0'))::text::bytea, 9223372036854775807, 9223372036854775807"
	" FROM generate_series(1000000, 1020000) n;"
	" INSERT INTO uidls SELECT n, 1, 1, 'u' FROM generate_series(1000000, 1020000) n;"
	" ANALYZE";

static const char *const grown[] = { "accounts", "addresses", "credentials", "namespace", "mailboxes", "subscriptions", "mailbox_state", "usage",
	"messages", "entries", "changes", "calls", "purge", "deletions", "uidls" };
enum { GROWN = sizeof(grown) / sizeof(grown[0]) };

static void
read_everything(uint64_t account, uint64_t inbox)
{
	MetadataListRequest list = METADATA_LIST_REQUEST__INIT;
	MetadataFetchRequest fetch = METADATA_FETCH_REQUEST__INIT;
	MetadataSyncRequest__Item item = METADATA_SYNC_REQUEST__ITEM__INIT, *items = &item;
	MetadataSyncRequest sync = METADATA_SYNC_REQUEST__INIT;
	MetadataLoadRequest load = METADATA_LOAD_REQUEST__INIT;
	MetadataResolveRequest resolve = METADATA_RESOLVE_REQUEST__INIT;
	MetadataAccountName name = METADATA_ACCOUNT_NAME__INIT;
	MetadataListAccountsRequest accounts = METADATA_LIST_ACCOUNTS_REQUEST__INIT;
	ProtobufCBinaryData address = BIN("a@example.org");

	item.have = select_all(0, account, "INBOX")->state->cursor;
	(void)status_of(0, account, "INBOX");
	list.account = fetch.account = item.account = load.account = account;
	fetch.mailbox = item.mailbox = load.mailbox = inbox;
	fetch.n_uids = 1;
	fetch.uids = range(1, UINT32_MAX);
	fetch.parts = true;
	sync.n_item = 1;
	sync.item = &items;
	resolve.n_address = 1;
	resolve.address = &address;
	name.address = address;
	accounts.limit = 10;
	cr_assert_eq(metadata_list(user(0, account), &list, NULL), ERR_OK);
	cr_assert_eq(metadata_fetch(user(0, account), &fetch, NULL), ERR_OK);
	cr_assert_eq(metadata_sync(user(0, account), &sync, NULL), ERR_OK);
	cr_assert_eq(metadata_load(user(0, account), &load, NULL), ERR_OK);
	cr_assert_eq(metadata_resolve(as(0, BUS_ROLE_LMTP), &resolve, NULL), ERR_OK);
	cr_assert_eq(metadata_show_account(as(0, BUS_ROLE_ADMIN), &name, NULL), ERR_OK);
	cr_assert_eq(metadata_list_accounts(as(0, BUS_ROLE_ADMIN), &accounts, NULL), ERR_OK);
}

static void
change_everything(uint64_t account, uint64_t inbox)
{
	MetadataCopyRequest copy = METADATA_COPY_REQUEST__INIT;
	MetadataExpungeRequest expunge = METADATA_EXPUNGE_REQUEST__INIT;
	MetadataCreateRequest create = METADATA_CREATE_REQUEST__INIT;
	MetadataRenameRequest rename = METADATA_RENAME_REQUEST__INIT;
	MetadataDeleteRequest drop = METADATA_DELETE_REQUEST__INIT;

	copy.account = expunge.account = create.account = rename.account = drop.account = account;
	copy.mailbox = expunge.mailbox = inbox;
	copy.n_uids = 1;
	copy.uids = range(1, 2);
	create.name = rename.from = BIN("box/a");
	copy.to = rename.to = drop.name = BIN("box/b");
	(void)append(0, account, "INBOX", 8);
	(void)append(0, account, "INBOX", 0);
	cr_assert_eq(deliver(0, account, NULL, 10), ERR_OK);
	(void)store(0, account, inbox, 1, UINT32_MAX, 0, 1);
	cr_assert_eq(metadata_create(user(0, account), &create, NULL), ERR_OK);
	cr_assert_eq(metadata_rename(user(0, account), &rename, NULL), ERR_OK);
	cr_assert_eq(metadata_copy(user(0, account), &copy, NULL), ERR_OK);
	cr_assert_eq(metadata_move(user(0, account), &copy, NULL), ERR_OK);
	cr_assert_eq(metadata_expunge(user(0, account), &expunge, NULL), ERR_OK);
	cr_assert_eq(metadata_delete(user(0, account), &drop, NULL), ERR_OK);
}

static void
purge_everything(void)
{
	MetadataPurgeRequest purge = METADATA_PURGE_REQUEST__INIT;
	MetadataPurgeReply *reply;
	MetadataDueDeletionsRequest due = METADATA_DUE_DELETIONS_REQUEST__INIT;
	MetadataReferencedRequest referenced = METADATA_REFERENCED_REQUEST__INIT;
	ProtobufCBinaryData object = BIN("12345678901234567");

	do
		cr_assert_eq(metadata_purge(as(0, BUS_ROLE_WORKER), &purge, &reply), ERR_OK);
	while (reply->more);
	referenced.n_object = 1;
	referenced.object = &object;
	cr_assert_eq(metadata_due_deletions(as(0, BUS_ROLE_WORKER), &due, NULL), ERR_OK);
	cr_assert_eq(metadata_referenced(as(0, BUS_ROLE_WORKER), &referenced, NULL), ERR_OK);
}

Test(metadata_crowd, no_call_walks_a_table_that_grows, .timeout = 100)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	int64_t before[GROWN];

	(void)user(0, account);
	sql("%s", fill);
	end_sessions();
	pg_close(world.pg);
	world.pg = NULL;
	for (int i = 0; i < GROWN; i++)
		before[i] = sql_int("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = '%s'", grown[i]);
	start_again();
	/* As often as it takes until PostgreSQL keeps a plan. */
	for (int i = 0; i < 8; i++) {
		read_everything(account, inbox);
		change_everything(account, inbox);
		purge_everything();
	}
	end_sessions();
	for (int i = 0; i < GROWN; i++)
		cr_expect_eq(sql_int("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = '%s'", grown[i]), before[i], "%s was walked", grown[i]);
	start_again();
}

/* ---- large mailboxes, large sets */

Test(metadata_crowd, deleting_a_mailbox_of_20000_leaves_the_work_to_small_batches, .timeout = 100)
{
	enum { BATCH = 1000 };
	uint64_t account = make_account("a", 0);
	MetadataDeleteRequest drop = METADATA_DELETE_REQUEST__INIT;
	MetadataPurgeRequest purge = METADATA_PURGE_REQUEST__INIT;
	MetadataPurgeReply *reply;
	int64_t left = 40000;

	(void)append(0, account, "Junk", 0);
	sql("INSERT INTO entries SELECT account, n, message, modseq, size, date, saved_ms, mailbox, flags FROM entries, generate_series(2, 20000) n;"
	    " UPDATE mailbox_state SET uidnext = 20001, messages = 20000, unseen = 20000, bytes = bytes * 20000 WHERE messages = 1;"
	    " UPDATE usage SET messages = 20000, bytes = bytes * 20000;"
	    " INSERT INTO uidls SELECT account, mailbox, uid, uid::text::bytea FROM entries");
	check_counts();
	drop.account = account;
	drop.name = BIN("Junk");
	cr_assert_eq(metadata_delete(user(0, account), &drop, NULL), ERR_OK);
	cr_expect_eq(sql_int("SELECT count(*) FROM entries"), 20000, "the call did the worker's work");
	cr_expect_eq(sql_int("SELECT messages FROM usage"), 0);
	purge.limit = BATCH;
	do {
		int64_t before = left;

		cr_assert_eq(metadata_purge(as(0, BUS_ROLE_WORKER), &purge, &reply), ERR_OK);
		left = sql_int("SELECT count(*) FROM entries") + sql_int("SELECT count(*) FROM uidls");
		cr_assert_leq(before - left, BATCH, "%d rows at once", (int)(before - left));
	} while (reply->more);
	cr_expect_eq(left, 0);
	cr_expect_eq(sql_int("SELECT count(*) FROM doomed"), 0);
}

/* The ends of all that can be named: what lies between costs nothing. */
Test(metadata_crowd, a_set_to_the_last_number_costs_what_is_there, .timeout = 30)
{
	uint64_t account = make_account("a", 0);
	MetadataCopyRequest copy = METADATA_COPY_REQUEST__INIT;
	MetadataCopyReply *reply;

	(void)append(0, account, "INBOX", 0);
	sql("UPDATE mailbox_state SET uidnext = 4294967000 WHERE messages = 1");
	(void)append(1, account, "INBOX", 0);
	copy.account = account;
	copy.mailbox = mailbox_of(account, "INBOX");
	copy.n_uids = 1;
	copy.uids = range(1, UINT32_MAX);
	copy.to = BIN("Archive");
	cr_assert_eq(metadata_copy(user(0, account), &copy, &reply), ERR_OK);
	cr_expect_eq(reply->n_to_uid, 2);
	cr_expect_eq(status_of(1, account, "Archive")->messages, 2);
	check_counts();
}

/* ---- numbers, and the schema */

/* However the clock goes: what a name's mailbox was known by is never another's. */
Test(metadata_crowd, uidvalidity_grows_though_the_clock_goes_back)
{
	uint64_t account = make_account("a", 0);
	uint32_t last = 0;

	for (int i = 0; i < 4; i++) {
		MetadataCreateRequest create = METADATA_CREATE_REQUEST__INIT;
		MetadataDeleteRequest drop = METADATA_DELETE_REQUEST__INIT;
		MetadataState *state;

		create.account = drop.account = account;
		create.name = drop.name = BIN("again");
		cr_assert_eq(metadata_create(user(i % 2, account), &create, NULL), ERR_OK);
		state = status_of(1 - i % 2, account, "again");
		cr_assert_gt(state->uidvalidity, last);
		last = state->uidvalidity;
		cr_assert_eq(metadata_delete(user(i % 2, account), &drop, NULL), ERR_OK);
		/* As if it had been made by a clock that was an hour ahead. */
		if (i == 1) {
			sql("UPDATE namespace SET last_uidvalidity = last_uidvalidity + 3600");
			last += 3600;
		}
	}
}

static void *
run_migrate(void *arg)
{
	return migrate(arg) == ERR_OK ? arg : NULL;
}

Test(metadata_crowd, replicas_that_migrate_an_empty_database_at_once_all_end_well, .timeout = 100)
{
	enum { MANY = 8 };
	pthread_t threads[MANY];
	int64_t steps = sql_int("SELECT count(*) FROM schema_version");

	end_sessions();
	sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, run_migrate, world.config[i % 2]), 0);
	for (int i = 0; i < MANY; i++) {
		void *well;

		pthread_join(threads[i], &well);
		cr_expect_not_null(well);
	}
	cr_expect_eq(sql_int("SELECT count(*) FROM schema_version"), steps);
	start_again();
	cr_expect_eq(deliver(0, make_account("a", 0), NULL, 10), ERR_OK);
}

/* ---- what stays after a long transaction */

enum { AT_ONCE = 50 };

static MetadataDeliverRequest *
delivery_of(uint64_t account)
{
	MetadataDeliverRequest *req = ARENA_NEW(&world.arena, MetadataDeliverRequest);
	MetadataDeliverRequest__Recipient *to = ARENA_NEW(&world.arena, MetadataDeliverRequest__Recipient);

	metadata_deliver_request__init(req);
	metadata_deliver_request__recipient__init(to);
	req->mail = make_mail(10);
	req->n_recipient = to->n_action = 1;
	req->recipient = ARENA_ARRAY(&world.arena, MetadataDeliverRequest__Recipient *, 1);
	req->recipient[0] = to;
	to->account = account;
	to->action = ARENA_ARRAY(&world.arena, MetadataAction *, 1);
	to->action[0] = ARENA_NEW(&world.arena, MetadataAction);
	metadata_action__init(to->action[0]);
	return req;
}

static void
deliver_many(uint64_t account)
{
	struct bus_call calls[AT_ONCE];
	struct bus_future *futures[AT_ONCE];
	MetadataDeliverReply *reply;

	for (int i = 0; i < AT_ONCE; i++) {
		calls[i] = *as(i % 2, BUS_ROLE_LMTP);
		futures[i] = metadata_deliver_start(&calls[i], delivery_of(account));
	}
	for (int i = 0; i < AT_ONCE; i++) {
		cr_assert_eq(metadata_deliver_wait(futures[i], &reply), ERR_OK);
		cr_assert_eq(reply->result[0]->status, ERR_OK);
	}
}

static void
store_many(uint64_t account, uint64_t inbox, uint32_t first, int mode)
{
	struct bus_call calls[AT_ONCE];
	struct bus_future *futures[AT_ONCE];
	MetadataStoreRequest requests[AT_ONCE];

	for (int i = 0; i < AT_ONCE; i++) {
		requests[i] = (MetadataStoreRequest)METADATA_STORE_REQUEST__INIT;
		requests[i].account = account;
		requests[i].mailbox = inbox;
		requests[i].n_uids = 1;
		requests[i].uids = range(first + (uint32_t)i, first + (uint32_t)i);
		requests[i].mode = (MetadataStoreRequest__Mode)mode;
		requests[i].flags = 1;
		calls[i] = *user(i % 2, account);
		futures[i] = metadata_store_start(&calls[i], &requests[i]);
	}
	for (int i = 0; i < AT_ONCE; i++)
		cr_assert_eq(metadata_store_wait(futures[i], NULL), ERR_OK);
}

/* What it may take in the end, indexes and all: calls and changes were three times that before, the others have room for as much again. */
static const struct {
	const char *table;
	int64_t kb;
} small[] = { { "mailbox_state", 1200 }, { "usage", 400 }, { "entries", 1600 }, { "calls", 1200 }, { "changes", 800 }, { "deletions", 64 } };

Test(metadata_crowd, what_grew_under_a_held_snapshot_is_small_again_after_it, .timeout = 100)
{
	enum { DELIVERIES = 2000, STORES = 5000 };
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");

	(void)user(0, account);
	sql("SET idle_in_transaction_session_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
	for (int i = 0; i < DELIVERIES / AT_ONCE; i++)
		deliver_many(account);
	for (uint32_t i = 0; i < STORES; i += AT_ONCE)
		store_many(account, inbox, i % DELIVERIES + 1, i / DELIVERIES % 2);
	check_counts();
	sql("COMMIT; UPDATE calls SET until_ms = 0");
	purge_everything();
	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
		int64_t kb;

		sql("VACUUM %s", small[i].table);
		kb = sql_int("SELECT pg_total_relation_size('%s') / 1024", small[i].table);
		cr_expect_leq(kb, small[i].kb, "%s has %d kB", small[i].table, (int)kb);
	}
	/* What they have is used again. */
	for (int i = 0; i < 10; i++)
		store_many(account, inbox, 1, i % 2);
	cr_expect_leq(sql_int("SELECT pg_total_relation_size('mailbox_state') / 1024"), small[0].kb);
}
