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

static struct racer
store_racer(uint64_t account, MetadataStoreRequest *req, uint32_t flags)
{
	metadata_store_request__init(req);
	req->account = account;
	req->mailbox = mailbox_of(account, "INBOX");
	req->n_uids = 1;
	req->uids = range(1, 1);
	req->flags = flags;
	return (struct racer){ .method = &metadata_methods[METADATA_METHOD_STORE], .request = &req->base };
}

Test(metadata_interleavings, two_stores_add_each_its_flag)
{
	uint64_t account = make_account("a", 0), modseqs[2];
	MetadataStoreRequest req[2];
	struct racer racers[2];

	(void)append(0, account, "INBOX", 0);
	for (int i = 0; i < 2; i++) {
		racers[i] = store_racer(account, &req[i], 1u << i);
		req[i].have = status_of(0, account, "INBOX")->cursor;
	}
	race_both("mailbox_state", account, racers);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(racers[i].err, ERR_OK);
		modseqs[i] = ((MetadataStoreReply *)racers[i].reply)->sync->cursor->modseq;
		arena_clear(&racers[i].arena);
	}
	cr_expect_eq(select_all(0, account, "INBOX")->rows->flags[0], 1u << 0 | 1u << 1);
	cr_expect_neq(modseqs[0], modseqs[1]);
	check_counts();
}

Test(metadata_interleavings, two_conditional_stores_let_one_through)
{
	uint64_t account = make_account("a", 0);
	MetadataStoreRequest req[2];
	struct racer racers[2];
	size_t failed = 0;

	(void)append(0, account, "INBOX", 0);
	for (int i = 0; i < 2; i++) {
		racers[i] = store_racer(account, &req[i], 1u << i);
		req[i].has_unchanged_since = true;
		req[i].unchanged_since = status_of(0, account, "INBOX")->cursor->modseq;
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
		cr_expect_eq(racers[i].err, ERR_OK, "%s", err_row(racers[i].err)->name);
		arena_clear(&racers[i].arena);
	}
	/* p went below q, which went, with it, below a new p. */
	cr_expect_eq(sql_int("SELECT count(*) FROM mailboxes WHERE name IN ('p', 'p/q', 'p/q/p')"), 3);
	cr_expect_eq(sql_int("SELECT count(*) FROM mailboxes WHERE name IN ('q', 'q/p')"), 0);
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

static struct racer
append_racer(uint64_t account, const char *mailbox, uint64_t size)
{
	return (struct racer){ .method = &metadata_methods[METADATA_METHOD_APPEND],
		.request = &append_request(account, mailbox, make_mail(size))->base };
}

/* Into different mailboxes, so that only the account's row orders them; there is room for one. */
static void
race_for_room(uint64_t account, struct racer racers[2])
{
	race_both("usage", account, racers);
	cr_expect(racers[0].err != racers[1].err, "both: %s", err_row(racers[0].err)->name);
	for (int i = 0; i < 2; i++) {
		cr_expect(racers[i].err == ERR_OK || racers[i].err == ERR_OVERQUOTA, "%s", err_row(racers[i].err)->name);
		arena_clear(&racers[i].arena);
	}
	check_counts();
}

Test(metadata_interleavings, quota_holds_from_two_sides)
{
	uint64_t account = make_account("a", 1000);

	race_for_room(account, (struct racer[]){ append_racer(account, "INBOX", 600), append_racer(account, "Archive", 600) });
}

Test(metadata_interleavings, quota_holds_for_a_copy_and_an_append)
{
	uint64_t account = make_account("a", 250);
	MetadataCopyRequest req;

	(void)append(0, account, "INBOX", 0);
	race_for_room(account, (struct racer[]){ copy_racer(account, &req), append_racer(account, "Trash", 100) });
}

/* ---- what is read while it changes */

/* It adds a flag to the first mail, and has not committed. Nobody else reads the table until it has. */
static struct pg *
hold_with_store(const char *table, uint64_t account, const MetadataState *state, uint32_t flag)
{
	return hold(arena_printf(&world.arena, "BEGIN; LOCK TABLE %s IN ACCESS EXCLUSIVE MODE; SELECT mailbox_store(%lld,"
		" decode(md5('%s'), 'hex'), 1000, %llu, %llu, '{1}', '{1}', 10, 0, %u, '{}', NULL)", table, (long long)account, table,
		(unsigned long long)state->cursor->timeline, (unsigned long long)state->mailbox, flag).ptr);
}

/*
 * Whatever the statement looks at first and last: at each of its tables it is held up, while a change commits. It has all of the change, its
 * modseq in the cursor, or nothing of it.
 */
Test(metadata_interleavings, a_catch_up_is_not_torn_by_a_change)
{
	static const char *tables[] = { "mailbox_state", "changes" };
	uint64_t account = make_account("a", 0);

	(void)append(0, account, "INBOX", 0);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		const MetadataState *had = status_of(0, account, "INBOX");
		MetadataSyncRequest__Item item = METADATA_SYNC_REQUEST__ITEM__INIT, *items[] = { &item };
		MetadataSyncRequest req = METADATA_SYNC_REQUEST__INIT;
		struct racer reader = { .method = &metadata_methods[METADATA_METHOD_SYNC], .request = &req.base };
		const MetadataSync *sync;
		struct pg *holder;

		item.account = account;
		item.mailbox = had->mailbox;
		item.have = had->cursor;
		req.n_item = 1;
		req.item = items;
		holder = hold_with_store(tables[i], account, had, 1u << i);
		start(account, &reader, 0, 1);
		let_go(holder);
		pthread_join(reader.thread, NULL);
		cr_assert_eq(reader.err, ERR_OK);
		sync = ((MetadataSyncReply *)reader.reply)->sync[0];
		cr_expect_eq(sync->cursor->modseq - had->cursor->modseq, sync->n_change, "%s: %zu changes, from %llu to %llu", tables[i],
		    sync->n_change, (unsigned long long)had->cursor->modseq, (unsigned long long)sync->cursor->modseq);
		arena_clear(&reader.arena);
	}
}

/* Held up between the state and the changes, which are two statements: it gives what belongs together, or everything. */
Test(metadata_interleavings, a_select_by_a_cursor_is_not_torn_by_a_change)
{
	uint64_t account = make_account("a", 0);
	MetadataSelectRequest req = METADATA_SELECT_REQUEST__INIT;
	struct racer reader = { .method = &metadata_methods[METADATA_METHOD_SELECT], .request = &req.base };
	const MetadataSelectReply *reply;
	const MetadataState *had;
	struct pg *holder;

	(void)append(0, account, "INBOX", 0);
	had = status_of(0, account, "INBOX");
	(void)append(0, account, "INBOX", 0);
	req.account = account;
	req.name = BIN("INBOX");
	req.have = had->cursor;
	req.have_mailbox = had->mailbox;
	req.have_uidvalidity = had->uidvalidity;
	req.read_only = true;
	holder = hold_with_store("changes", account, had, METADATA_FLAG__METADATA_SEEN);
	start(account, &reader, 0, 1);
	let_go(holder);
	pthread_join(reader.thread, NULL);
	cr_assert_eq(reader.err, ERR_OK);
	reply = (const MetadataSelectReply *)reader.reply;
	cr_expect(reply->is_full || reply->state->cursor->modseq - had->cursor->modseq == reply->n_change, "%zu changes, from %llu to %llu",
	    reply->n_change, (unsigned long long)had->cursor->modseq, (unsigned long long)reply->state->cursor->modseq);
	arena_clear(&reader.arena);
}
