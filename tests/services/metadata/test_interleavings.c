/*
 * What must not go wrong when two things happen at once: each test forces the order in which it would, without the rule that prevents it.
 * docs/interleavings.md is the list; tests/mutants takes the rules away.
 */
#include <pthread.h>

#include "services/metadata/rpc/rpc.h"
#include "tests/services/metadata/world.h"

TestSuite(metadata_interleavings, .init = world_begin, .fini = world_end, .timeout = 60);

struct racer {
	pthread_t thread;
	struct bus_call call;
	struct arena arena;
	const struct bus_method *method;
	const ProtobufCMessage *request;
	ProtobufCMessage *reply;
	struct uuid key;
	bool has_key;
	enum err err;
};

static void *
race(void *arg)
{
	struct racer *racer = arg;

	racer->err = bus_call_method(&racer->call, racer->method, racer->request, STR_NONE, &racer->reply, NULL);
	return NULL;
}

/* A session of PostgreSQL beside the service: what it has locked, others wait for. */
static struct pg *
hold(const char *script)
{
	struct arena arena = { 0 };
	struct pg_failure failure;
	struct str text;
	struct pg *holder;

	cr_assert_eq(pg_open(world.config[0], &arena, &holder, &text), ERR_OK);
	cr_assert_eq(pg_script(holder, script, clock_mono_ms() + 5000, &arena, &failure), ERR_OK,
	    "%.*s", STR_ARG(failure.text));
	arena_clear(&arena);
	return holder;
}

static void
let_go(struct pg *holder)
{
	struct arena arena = { 0 };
	struct pg_failure failure;

	cr_assert_eq(pg_script(holder, "COMMIT", clock_mono_ms() + 5000, &arena, &failure), ERR_OK);
	pg_close(holder);
	arena_clear(&arena);
}

/* Send it by replica `i`, and see that there are `waiting` now who wait for a lock. */
static void
start(uint64_t account, struct racer *racer, int i, int waiting)
{
	int64_t until_ms = clock_mono_ms() + 20000;

	racer->call = *user(i, account);
	racer->call.arena = &racer->arena;
	racer->call.key = racer->key;
	racer->call.has_key = racer->has_key;
	cr_assert_eq(pthread_create(&racer->thread, NULL, race, racer), 0);
	while (sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") < waiting)
		cr_assert_lt(clock_mono_ms(), until_ms, "it does not wait");
}

/* The first is sent and then the second, while someone holds the account's rows of a table; so they go on in that order. */
static void
race_both(const char *table, uint64_t account, struct racer racers[2])
{
	struct pg *holder = hold(arena_printf(&world.arena, "BEGIN; SELECT FROM %s WHERE account = %lld FOR UPDATE", table,
	    (long long)account).ptr);

	for (int i = 0; i < 2; i++)
		start(account, &racers[i], i, i + 1);
	let_go(holder);
	for (int i = 0; i < 2; i++)
		pthread_join(racers[i].thread, NULL);
}

Test(metadata_interleavings, two_moves_of_one_message_move_it_once)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	MetadataCopyRequest req[2] = { METADATA_COPY_REQUEST__INIT, METADATA_COPY_REQUEST__INIT };
	struct racer racers[2] = { 0 };
	size_t moved = 0;

	(void)append(0, account, "INBOX", 0);
	for (int i = 0; i < 2; i++) {
		req[i].account = account;
		req[i].mailbox = inbox;
		req[i].n_uids = 1;
		req[i].uids = range(1, 1);
		req[i].to = i == 0 ? BIN("Archive") : BIN("Trash");
		racers[i].method = &metadata_methods[METADATA_METHOD_MOVE];
		racers[i].request = &req[i].base;
	}
	race_both("mailbox_state", account, racers);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(racers[i].err, ERR_OK);
		moved += ((MetadataCopyReply *)racers[i].reply)->n_to_uid;
		arena_clear(&racers[i].arena);
	}
	cr_assert_eq(moved, 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM entries"), 1);
	check_counts();
}

Test(metadata_interleavings, two_conditional_stores_let_one_through)
{
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");
	MetadataStoreRequest req[2] = { METADATA_STORE_REQUEST__INIT, METADATA_STORE_REQUEST__INIT };
	struct racer racers[2] = { 0 };
	size_t failed = 0;

	(void)append(0, account, "INBOX", 0);
	for (int i = 0; i < 2; i++) {
		req[i].account = account;
		req[i].mailbox = inbox;
		req[i].n_uids = 1;
		req[i].uids = range(1, 1);
		req[i].flags = 1u << i;
		req[i].has_unchanged_since = true;
		req[i].unchanged_since = status_of(0, account, "INBOX")->cursor->modseq;
		racers[i].method = &metadata_methods[METADATA_METHOD_STORE];
		racers[i].request = &req[i].base;
	}
	race_both("mailbox_state", account, racers);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(racers[i].err, ERR_OK);
		failed += ((MetadataStoreReply *)racers[i].reply)->n_modified;
		arena_clear(&racers[i].arena);
	}
	cr_assert_eq(failed, 1);
	check_counts();
}

Test(metadata_interleavings, two_renames_tie_no_knot)
{
	uint64_t account = make_account("a", 0);
	MetadataRenameRequest req[2] = { METADATA_RENAME_REQUEST__INIT, METADATA_RENAME_REQUEST__INIT };
	MetadataCreateRequest create = METADATA_CREATE_REQUEST__INIT;
	struct racer racers[2] = { 0 };

	create.account = account;
	create.name = BIN("p");
	cr_assert_eq(metadata_create(user(0, account), &create, NULL), ERR_OK);
	create.name = BIN("q");
	cr_assert_eq(metadata_create(user(0, account), &create, NULL), ERR_OK);
	for (int i = 0; i < 2; i++) {
		req[i].account = account;
		req[i].from = i == 0 ? BIN("p") : BIN("q");
		req[i].to = i == 0 ? BIN("q/p") : BIN("p/q");
		racers[i].method = &metadata_methods[METADATA_METHOD_RENAME];
		racers[i].request = &req[i].base;
	}
	race_both("namespace", account, racers);
	for (int i = 0; i < 2; i++) {
		cr_assert(racers[i].err == ERR_OK || racers[i].err == ERR_NO_MAILBOX, "%s", err_row(racers[i].err)->name);
		arena_clear(&racers[i].arena);
	}
	/* Every name's parent is a name, and so on up. */
	cr_assert_eq(sql_int("SELECT count(*) FROM mailboxes m WHERE position('/'::bytea IN name) > 0 AND NOT EXISTS (SELECT FROM mailboxes p"
			     " WHERE p.account = m.account AND p.name = substring(m.name FROM 1 FOR length(m.name) - 2))"), 0);
}

/* The parent that is there when a mailbox is asked for has another name when it is made. */
Test(metadata_interleavings, a_rename_leaves_no_child_without_its_parent)
{
	uint64_t account = make_account("a", 0);
	MetadataCreateRequest create = METADATA_CREATE_REQUEST__INIT;
	MetadataRenameRequest rename = METADATA_RENAME_REQUEST__INIT;
	struct racer racers[2] = {
		{ .method = &metadata_methods[METADATA_METHOD_RENAME], .request = &rename.base },
		{ .method = &metadata_methods[METADATA_METHOD_CREATE], .request = &create.base },
	};

	create.account = rename.account = account;
	create.name = rename.from = BIN("p");
	cr_assert_eq(metadata_create(user(0, account), &create, NULL), ERR_OK);
	create.name = BIN("p/x");
	rename.to = BIN("r");
	race_both("namespace", account, racers);
	for (int i = 0; i < 2; i++) {
		cr_expect_eq(racers[i].err, ERR_OK, "%s", err_row(racers[i].err)->name);
		arena_clear(&racers[i].arena);
	}
	cr_expect_eq(sql_int("SELECT count(*) FROM mailboxes WHERE name IN ('r', 'p', 'p/x')"), 3);
}

/* ---- keys and quota */

static struct racer
copy_racer(uint64_t account, MetadataCopyRequest *req)
{
	metadata_copy_request__init(req);
	req->account = account;
	req->mailbox = mailbox_of(account, "INBOX");
	req->n_uids = 1;
	req->uids = range(1, 1);
	req->to = BIN("Archive");
	return (struct racer){ .method = &metadata_methods[METADATA_METHOD_COPY], .request = &req->base };
}

Test(metadata_interleavings, twins_at_two_replicas_have_one_effect_and_one_answer)
{
	uint64_t account = make_account("a", 0);
	MetadataCopyRequest req;
	struct racer racers[2];
	MetadataCopyReply *replies[2];

	(void)append(0, account, "INBOX", 0);
	racers[0] = copy_racer(account, &req);
	racers[0].key = uuid_v7();
	racers[0].has_key = true;
	racers[1] = racers[0];
	race_both("mailbox_state", account, racers);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(racers[i].err, ERR_OK);
		replies[i] = (MetadataCopyReply *)racers[i].reply;
		cr_assert_eq(replies[i]->n_to_uid, 1);
		cr_expect_eq(replies[i]->to_uid[0], 1);
	}
	cr_expect_eq(status_of(0, account, "Archive")->messages, 1);
	check_counts();
	for (int i = 0; i < 2; i++)
		arena_clear(&racers[i].arena);
}

/* Into different mailboxes, so that only the account's row orders them. */
Test(metadata_interleavings, quota_holds_from_two_sides)
{
	uint64_t account = make_account("a", 1000);
	MetadataAppendRequest req[2] = { METADATA_APPEND_REQUEST__INIT, METADATA_APPEND_REQUEST__INIT };
	MetadataNewMail mails[2] = { METADATA_NEW_MAIL__INIT, METADATA_NEW_MAIL__INIT }, *items[2] = { &mails[0], &mails[1] };
	struct racer racers[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		mails[i].mail = make_mail(600);
		req[i].account = account;
		req[i].name = i == 0 ? BIN("INBOX") : BIN("Archive");
		req[i].n_mail = 1;
		req[i].mail = &items[i];
		racers[i].method = &metadata_methods[METADATA_METHOD_APPEND];
		racers[i].request = &req[i].base;
	}
	race_both("usage", account, racers);
	cr_expect(racers[0].err != racers[1].err, "both: %s", err_row(racers[0].err)->name);
	for (int i = 0; i < 2; i++) {
		cr_expect(racers[i].err == ERR_OK || racers[i].err == ERR_OVERQUOTA, "%s", err_row(racers[i].err)->name);
		arena_clear(&racers[i].arena);
	}
	check_counts();
}

/* ---- what is read while it changes */

/*
 * Whatever the statement looks at first and last: at each of its tables it is held up, while a change commits. It has all of the change, its
 * modseq in the cursor, or nothing of it.
 */
Test(metadata_interleavings, a_catch_up_is_not_torn_by_a_change)
{
	static const char *tables[] = { "mailbox_state", "changes" };
	uint64_t account = make_account("a", 0), inbox = mailbox_of(account, "INBOX");

	(void)append(0, account, "INBOX", 0);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		MetadataCursor have = *status_of(0, account, "INBOX")->cursor;
		MetadataSyncRequest__Item item = METADATA_SYNC_REQUEST__ITEM__INIT, *items[] = { &item };
		MetadataSyncRequest req = METADATA_SYNC_REQUEST__INIT;
		struct racer reader = { .method = &metadata_methods[METADATA_METHOD_SYNC], .request = &req.base };
		const MetadataSync *sync;
		struct pg *holder;

		item.account = account;
		item.mailbox = inbox;
		item.have = &have;
		req.n_item = 1;
		req.item = items;
		holder = hold(arena_printf(&world.arena, "BEGIN; LOCK TABLE %s IN ACCESS EXCLUSIVE MODE; SELECT mailbox_store(%lld,"
			" decode(md5('%s'), 'hex'), 1000, %llu, %llu, '{1}', '{1}', 10, 0, %d, '{}', NULL)", tables[i], (long long)account, tables[i],
			(unsigned long long)have.timeline, (unsigned long long)inbox, 1 << i).ptr);
		start(account, &reader, 0, 1);
		let_go(holder);
		pthread_join(reader.thread, NULL);
		cr_assert_eq(reader.err, ERR_OK);
		sync = ((MetadataSyncReply *)reader.reply)->sync[0];
		cr_expect_eq(sync->cursor->modseq - have.modseq, sync->n_change, "%s: %zu changes, from %llu to %llu", tables[i], sync->n_change,
		    (unsigned long long)have.modseq, (unsigned long long)sync->cursor->modseq);
		arena_clear(&reader.arena);
	}
}
