/* Bodies that nobody wants: when their objects can go, and what happens when two of purge, copy, sweep and relocation meet. */
#include <pthread.h>

#include "tests/services/metadata/world.h"

enum { HOUR_MS = 3600 * 1000, BODIES_MAX = 1000 };

static void
begin(void)
{
	world_begin_with("expunge: {keep: 0ms}\nblob: {keep: 1h}\n");
}

TestSuite(metadata_deletions, .init = begin, .fini = world_end, .timeout = 60);

/* ---- references: an object and a body in it are numbers */

static const char *
ref_sql(int object, int body)
{
	return arena_printf(&world.arena, "decode('01' || repeat('%02x', 16) || repeat(lpad(to_hex(%d), 4, '0'), 20), 'hex')", object, body).ptr;
}

static ProtobufCBinaryData
ref(int object, int body)
{
	uint8_t *bytes = (uint8_t *)arena_alloc(&world.arena, 57);

	bytes[0] = 1;
	memset(bytes + 1, object, 16);
	for (int i = 17; i < 57; i += 2) {
		bytes[i] = (uint8_t)(body >> 8);
		bytes[i + 1] = (uint8_t)body;
	}
	return (ProtobufCBinaryData){ 57, bytes };
}

static ProtobufCBinaryData
name(int object)
{
	ProtobufCBinaryData bytes = ref(object, 0);

	bytes.len = 17;
	return bytes;
}

static bool
is_name(ProtobufCBinaryData have, int object)
{
	return have.len == 17 && memcmp(have.data, name(object).data, 17) == 0;
}

/* A mail of the account whose body is that one. */
static uint32_t
put(uint64_t account, int object, int body)
{
	uint32_t uid = append(0, account, "INBOX", 0);

	sql("UPDATE messages SET blob = %s WHERE account = %lld AND message & 4294967295 = %u", ref_sql(object, body), (long long)account, uid);
	return uid;
}

static int64_t
messages_with(int object, int body)
{
	return sql_int("SELECT count(*) FROM messages WHERE blob = %s", ref_sql(object, body));
}

static int64_t
queued(int object, int body)
{
	return sql_int("SELECT count(*) FROM deletions WHERE blob = %s", ref_sql(object, body));
}

static void
queue(int object, int body, int64_t age_ms)
{
	sql("INSERT INTO deletions SELECT %s, now_ms() - %lld, now_ms() - %lld", ref_sql(object, body), (long long)age_ms, (long long)age_ms);
}

/* Time passes. */
static void
later(int64_t ms)
{
	sql("UPDATE deletions SET queued_ms = queued_ms - %lld, look_ms = look_ms - %lld", (long long)ms, (long long)ms);
}

/* ---- calls */

static void
expunge(uint64_t account, uint32_t uid)
{
	MetadataExpungeRequest req = METADATA_EXPUNGE_REQUEST__INIT;

	req.account = account;
	req.mailbox = mailbox_of(account, "INBOX");
	req.has_uids = req.regardless = true;
	req.n_uids = 1;
	req.uids = range(uid, uid);
	cr_assert_eq(metadata_expunge(user(0, account), &req, NULL), ERR_OK);
}

static enum err
purge_by(struct bus_call *call)
{
	MetadataPurgeRequest req = METADATA_PURGE_REQUEST__INIT;

	return metadata_purge(call, &req, NULL);
}

static enum err
relocate_by(struct bus_call *call, int from, int to, int bodies, int64_t put_ms)
{
	MetadataRelocateRequest req = METADATA_RELOCATE_REQUEST__INIT;
	ProtobufCBinaryData old[8], new[8];

	for (int i = 0; i < bodies; i++) {
		old[i] = ref(from, i + 1);
		new[i] = ref(to, i + 1);
	}
	req.n_from = req.n_to = (size_t)bodies;
	req.from = old;
	req.to = new;
	req.put_ms = put_ms;
	return metadata_relocate(call, &req, NULL);
}

static enum err
relocate(int from, int to, int bodies)
{
	return relocate_by(as(0, BUS_ROLE_WORKER), from, to, bodies, clock_wall_ms());
}

/* The same, left open. */
static void
relocate_open(int from, int to)
{
	sql("BEGIN; SELECT blobs_relocate(ARRAY[%s], ARRAY[%s], now_ms())", ref_sql(from, 1), ref_sql(to, 1));
}

static MetadataDueDeletionsReply *
due(void)
{
	MetadataDueDeletionsRequest req = METADATA_DUE_DELETIONS_REQUEST__INIT;
	MetadataDueDeletionsReply *reply;

	req.hold_ms = 10 * 60 * 1000;
	cr_assert_eq(metadata_due_deletions(as(0, BUS_ROLE_WORKER), &req, &reply), ERR_OK);
	return reply;
}

static void
done(int gone, int settled)
{
	MetadataDeletionsDoneRequest req = METADATA_DELETIONS_DONE_REQUEST__INIT;
	ProtobufCBinaryData gone_name = name(gone), settled_name = name(settled);

	req.n_gone = gone != 0;
	req.gone = &gone_name;
	req.n_settled = settled != 0;
	req.settled = &settled_name;
	cr_assert_eq(metadata_deletions_done(as(1, BUS_ROLE_WORKER), &req, NULL), ERR_OK);
}

static enum err
referenced(int object, int64_t fence_ms, size_t *ret_wanted)
{
	MetadataReferencedRequest req = METADATA_REFERENCED_REQUEST__INIT;
	MetadataReferencedReply *reply;
	ProtobufCBinaryData object_name = name(object);

	req.n_object = 1;
	req.object = &object_name;
	req.put_before_ms = fence_ms;
	TRY(metadata_referenced(as(0, BUS_ROLE_WORKER), &req, &reply));
	*ret_wanted = reply->n_object;
	return ERR_OK;
}

/* ---- another worker, at the same time */

struct racer {
	pthread_t thread;
	struct arena arena;
	struct bus_call call;
	int from, to; /* 0: it purges */
	enum err err;
	_Atomic bool is_done;
};

static void *
racer_main(void *arg)
{
	struct racer *r = arg;

	r->err = r->from ? relocate_by(&r->call, r->from, r->to, 1, clock_wall_ms()) : purge_by(&r->call);
	r->is_done = true;
	return NULL;
}

/* Starts it, and returns when it waits for a lock, or is done without. */
static void
race(struct racer *r)
{
	int64_t until_ms = clock_mono_ms() + 20000;

	/* What it needs of the world's arena, before there are two threads. */
	r->call = (struct bus_call){ .bus = world.bus[1], .arena = &r->arena, .role = BUS_ROLE_WORKER, .log = { .service = "test" } };
	cr_assert_eq(pthread_create(&r->thread, NULL, racer_main, r), 0);
	while (!r->is_done && sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 0)
		cr_assert_lt(clock_mono_ms(), until_ms);
}

static void
race_end(struct racer *r)
{
	pthread_join(r->thread, NULL);
	arena_clear(&r->arena);
	cr_assert_eq(r->err, ERR_OK, "%s", err_row(r->err)->name);
}

/* ---- one after the other */

Test(metadata_deletions, an_object_goes_when_all_of_it_is_due_and_not_before)
{
	uint64_t account = make_account("a", 0);
	uint32_t first = put(account, 5, 1), second = put(account, 5, 2);
	MetadataDueDeletionsReply *reply;

	expunge(account, first);
	cr_assert_eq(purge_by(as(0, BUS_ROLE_WORKER)), ERR_OK);
	cr_assert(queued(5, 1) == 1 && queued(5, 2) == 0);
	cr_assert_eq(due()->n_object, 0, "blob.keep has not passed");
	later(2 * HOUR_MS);
	reply = due();
	cr_assert(reply->n_object == 1 && is_name(reply->object[0]->name, 5));
	cr_assert(reply->object[0]->n_dead == 1 && reply->object[0]->n_live == 1);
	cr_assert_arr_eq(reply->object[0]->dead[0].data, ref(5, 1).data, 57);
	cr_assert_arr_eq(reply->object[0]->live[0].data, ref(5, 2).data, 57);
	done(0, 5);
	later(24 * HOUR_MS);
	cr_assert_eq(due()->n_object, 0, "settled until another body comes due");
	expunge(account, second);
	cr_assert_eq(purge_by(as(0, BUS_ROLE_WORKER)), ERR_OK);
	cr_assert_eq(due()->n_object, 0, "what died just now keeps the object for its own blob.keep");
	later(2 * HOUR_MS);
	reply = due();
	cr_assert(reply->n_object == 1 && reply->object[0]->n_dead == 2 && reply->object[0]->n_live == 0);
	done(5, 0);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions"), 0);
}

Test(metadata_deletions, a_body_that_died_yesterday_keeps_what_is_due_from_going)
{
	queue(5, 1, 2 * HOUR_MS);
	queue(5, 2, HOUR_MS / 2);
	cr_assert_eq(due()->n_object, 0);
	cr_assert_eq(due()->n_object, 0);
	later(HOUR_MS);
	cr_assert_eq(due()->object[0]->n_dead, 2);
}

Test(metadata_deletions, what_is_given_is_held_and_comes_again_when_nothing_became_of_it)
{
	queue(5, 1, 2 * HOUR_MS);
	cr_assert_eq(due()->n_object, 1);
	cr_assert_eq(due()->n_object, 0, "another worker has it");
	later(9 * 60 * 1000);
	cr_assert_eq(due()->n_object, 0);
	later(2 * 60 * 1000);
	cr_assert_eq(due()->n_object, 1);
}

/* Else the last body's row would be settled unseen, and nothing would ever ask for the object again. */
Test(metadata_deletions, settled_is_only_what_was_given)
{
	uint64_t account = make_account("a", 0);
	uint32_t uid = put(account, 5, 2);
	MetadataDueDeletionsReply *reply;

	queue(5, 1, 2 * HOUR_MS);
	cr_assert_eq(due()->object[0]->n_live, 1);
	expunge(account, uid);
	cr_assert_eq(purge_by(as(0, BUS_ROLE_WORKER)), ERR_OK);
	sql("UPDATE deletions SET queued_ms = 0, look_ms = 0 WHERE blob = %s", ref_sql(5, 2));
	done(0, 5);
	reply = due();
	cr_assert(reply->n_object == 1 && reply->object[0]->n_dead == 2 && reply->object[0]->n_live == 0);
}

Test(metadata_deletions, a_body_that_is_wanted_again_and_dies_anew_is_kept_for_all_of_blob_keep)
{
	uint64_t account = make_account("a", 0);
	uint32_t uid = put(account, 5, 1);

	queue(5, 1, 2 * HOUR_MS);
	expunge(account, uid);
	cr_assert_eq(purge_by(as(0, BUS_ROLE_WORKER)), ERR_OK);
	cr_assert_eq(due()->n_object, 0);
	(void)put(account, 5, 1);
	later(2 * HOUR_MS);
	cr_assert_eq(due()->n_object, 0, "the second look");
	cr_assert_eq(queued(5, 1), 0);
}

Test(metadata_deletions, a_mail_on_its_way_out_wants_its_body)
{
	uint64_t account = make_account("a", 0);
	uint32_t uid = put(account, 5, 1);
	size_t wanted;

	sql("INSERT INTO outbox (account, kind, sender, recipient, domain, message_id, blob, blob_size, prefix)"
	    " VALUES (%lld, 'redirect', '', '', '', '', %s, 100, '')", (long long)account, ref_sql(5, 1));
	expunge(account, uid);
	cr_assert_eq(purge_by(as(0, BUS_ROLE_WORKER)), ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 0);
	cr_assert_eq(queued(5, 1), 0);
	cr_assert_eq(referenced(5, 0, &wanted), ERR_OK);
	cr_assert_eq(wanted, 1);
	queue(5, 1, 2 * HOUR_MS);
	cr_assert_eq(due()->n_object, 0);
	cr_assert_eq(queued(5, 1), 0);
	queue(5, 2, 2 * HOUR_MS);
	cr_assert_eq(due()->object[0]->n_live, 1);
	cr_assert_eq(relocate(5, 6, 1), ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM outbox WHERE blob = %s", ref_sql(6, 1)), 1);
	cr_assert_eq(queued(5, 1), 1);
	sql("SELECT deletions_queue(ARRAY(SELECT blob FROM outbox))");
	cr_assert_eq(queued(6, 1), 0);
	sql("WITH sent AS (DELETE FROM outbox RETURNING blob) SELECT blob FROM sent; SELECT deletions_queue(ARRAY[%s])", ref_sql(6, 1));
	cr_assert_eq(queued(6, 1), 1);
}

/* Much that is wanted is not read, nor sent: the object stays as it is. */
Test(metadata_deletions, a_reply_is_bounded)
{
	uint64_t account = make_account("a", 0);
	MetadataDueDeletionsReply *reply;
	size_t references = 0;

	(void)put(account, 5, 1);
	sql("INSERT INTO messages SELECT account, g, g, '\\x01' || substring(blob FROM 2 FOR 16) || decode(repeat(lpad(to_hex(g), 4, '0'), 20), 'hex'),"
	    " put_ms, 0, 0, 1, true, '', '', '', '', '', '' FROM messages, generate_series(2, %d) g", BODIES_MAX + 1);
	queue(5, 5000, 2 * HOUR_MS);
	cr_assert_eq(due()->n_object, 0);
	later(24 * HOUR_MS);
	cr_assert_eq(due()->n_object, 0, "settled");
	sql("DELETE FROM messages WHERE message = 2; UPDATE deletions SET look_ms = 0");
	cr_assert_eq(due()->object[0]->n_live, BODIES_MAX);
	/* Rows, not bodies: one mail to very many. */
	sql("INSERT INTO messages SELECT m.account, -g, g, m.blob, put_ms, 0, 0, 1, true, '', '', '', '', '', '' FROM"
	    " (SELECT * FROM messages LIMIT 1) m, generate_series(1, 10001) g; UPDATE deletions SET look_ms = 0");
	cr_assert_eq(due()->n_object, 0);
	sql("DELETE FROM deletions");
	for (int object = 10; object < 20; object++)
		sql("INSERT INTO deletions SELECT '\\x01' || decode(repeat('%02x', 16) || repeat(lpad(to_hex(g), 4, '0'), 20), 'hex'), g, g FROM"
		    " generate_series(1, 2000) g", object);
	reply = due();
	for (size_t i = 0; i < reply->n_object; i++)
		references += reply->object[i]->n_dead;
	cr_assert(references == 6000 && reply->n_object == 6 && reply->more, "%zu references of %zu objects", references, reply->n_object);
	reply = due();
	cr_assert(reply->n_object == 4 && !reply->more);
}

Test(metadata_deletions, requests_past_their_bounds_are_refused)
{
	MetadataRelocateRequest req = METADATA_RELOCATE_REQUEST__INIT;
	MetadataDeletionsDoneRequest gone = METADATA_DELETIONS_DONE_REQUEST__INIT;
	ProtobufCBinaryData many[BODIES_MAX + 1], shorter = BIN("short"), longer = { 65, (uint8_t *)arena_alloc(&world.arena, 65) };

	for (int i = 0; i <= BODIES_MAX; i++)
		many[i] = ref(5, i);
	req.from = req.to = many;
	cr_assert_eq(metadata_relocate(as(0, BUS_ROLE_WORKER), &req, NULL), ERR_INVALID);
	req.n_from = req.n_to = BODIES_MAX + 1;
	cr_assert_eq(metadata_relocate(as(0, BUS_ROLE_WORKER), &req, NULL), ERR_LIMIT);
	req.n_from = 2;
	req.n_to = 1;
	cr_assert_eq(metadata_relocate(as(0, BUS_ROLE_WORKER), &req, NULL), ERR_INVALID);
	req.n_from = 1;
	req.from = &shorter;
	cr_assert_eq(metadata_relocate(as(0, BUS_ROLE_WORKER), &req, NULL), ERR_INVALID);
	req.from = &longer;
	cr_assert_eq(metadata_relocate(as(0, BUS_ROLE_WORKER), &req, NULL), ERR_INVALID);
	gone.gone = many;
	gone.n_gone = BODIES_MAX + 1;
	cr_assert_eq(metadata_deletions_done(as(0, BUS_ROLE_WORKER), &gone, NULL), ERR_LIMIT);
}

Test(metadata_deletions, relocated_twice_is_relocated_once)
{
	uint64_t accounts[] = { make_account("a", 0), make_account("b", 0) };
	int64_t now_ms = clock_wall_ms();

	(void)put(accounts[0], 5, 1);
	(void)put(accounts[1], 5, 1);
	(void)put(accounts[1], 5, 2);
	(void)put(accounts[1], 5, 3);
	/* The answer to the first is lost, say. */
	cr_assert_eq(relocate_by(as(0, BUS_ROLE_WORKER), 5, 6, 2, now_ms), ERR_OK);
	later(HOUR_MS / 2);
	cr_assert_eq(relocate_by(as(1, BUS_ROLE_WORKER), 5, 6, 2, now_ms), ERR_OK);
	cr_assert(messages_with(6, 1) == 2 && messages_with(6, 2) == 1 && messages_with(5, 3) == 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE put_ms = %lld", (long long)now_ms), 3);
	cr_assert(queued(5, 1) == 1 && queued(5, 2) == 1 && queued(5, 3) == 0 && queued(6, 1) == 0);
	cr_assert_eq(due()->n_object, 0, "backups refer to the old object");
	later(HOUR_MS * 3 / 4);
	cr_assert_eq(due()->object[0]->n_dead, 2, "the second one did not begin its time anew");
}

Test(metadata_deletions, what_was_written_more_than_an_hour_ago_is_stale)
{
	(void)put(make_account("a", 0), 5, 1);
	cr_assert_eq(relocate_by(as(0, BUS_ROLE_WORKER), 5, 6, 1, clock_wall_ms() - HOUR_MS - 1000), ERR_STALE);
	cr_assert(messages_with(5, 1) == 1 && queued(5, 1) == 0);
	cr_assert_eq(relocate_by(as(0, BUS_ROLE_WORKER), 5, 6, 1, clock_wall_ms() - HOUR_MS + 60000), ERR_OK);
}

/* ---- at the same time */

Test(metadata_deletions, of_two_who_purge_the_last_two_messages_of_a_body_one_queues_it)
{
	uint64_t accounts[] = { make_account("a", 0), make_account("b", 0) };
	struct racer other = { 0 };

	for (int i = 0; i < 2; i++)
		expunge(accounts[i], put(accounts[i], 5, 1));
	later(0);
	sql("BEGIN; SELECT purge_expunged(1, now_ms() + 1000)");
	race(&other);
	sql("COMMIT");
	race_end(&other);
	cr_assert_eq(messages_with(5, 1), 0);
	cr_assert_eq(queued(5, 1), 1);
}

/* The copy of one account's row into another: it holds the row, has read the reference, and commits when the relocation has begun. */
Test(metadata_deletions, a_copy_that_was_first_is_relocated_too)
{
	uint64_t account = make_account("a", 0);
	struct racer other = { .from = 5, .to = 6 };

	(void)put(account, 5, 1);
	sql("BEGIN; INSERT INTO messages SELECT 77, message, email_id, blob, put_ms, 0, 0, 1, true, '', '', '', '', '', '' FROM messages"
	    " WHERE account = %lld FOR KEY SHARE", (long long)account);
	race(&other);
	sql("COMMIT");
	race_end(&other);
	cr_assert(messages_with(5, 1) == 0 && messages_with(6, 1) == 2 && queued(5, 1) == 1);
}

/* As a delivery to a further recipient does, which does not look at the first one's row. */
Test(metadata_deletions, who_commits_the_old_reference_after_a_relocation_keeps_the_old_body)
{
	uint64_t account = make_account("a", 0);
	MetadataDueDeletionsReply *reply;

	(void)put(account, 5, 1);
	(void)put(account, 5, 2);
	relocate_open(5, 6);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions"), 0);
	(void)put(account, 5, 1);
	sql("COMMIT");
	cr_assert(messages_with(5, 1) == 1 && messages_with(6, 1) == 1);
	later(2 * HOUR_MS);
	reply = due();
	cr_assert(reply->n_object == 0 && queued(5, 1) == 0, "the second look");
}

Test(metadata_deletions, a_purge_that_comes_into_a_relocation_queues_the_new_body)
{
	uint64_t account = make_account("a", 0);
	struct racer other = { 0 };

	expunge(account, put(account, 5, 1));
	relocate_open(5, 6);
	race(&other);
	sql("COMMIT");
	race_end(&other);
	cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 0);
	cr_assert(queued(5, 1) == 1 && queued(6, 1) == 1);
}

Test(metadata_deletions, a_relocation_that_comes_into_a_purge_moves_nothing)
{
	uint64_t account = make_account("a", 0);
	struct racer other = { .from = 5, .to = 6 };
	size_t wanted;

	expunge(account, put(account, 5, 1));
	sql("BEGIN; SELECT purge_expunged(10, now_ms() + 1000)");
	race(&other);
	sql("COMMIT");
	race_end(&other);
	cr_assert(queued(5, 1) == 1 && queued(6, 1) == 0);
	cr_assert_eq(referenced(6, 0, &wanted), ERR_OK);
	cr_assert_eq(wanted, 0, "what was written is the sweep's");
}

/* The first to be purged of two messages takes the relocation's place in the queue of locks. */
Test(metadata_deletions, one_of_two_messages_is_purged_while_both_are_relocated)
{
	uint64_t accounts[] = { make_account("a", 0), make_account("b", 0) };
	struct racer other = { .from = 5, .to = 6 };

	(void)put(accounts[0], 5, 1);
	expunge(accounts[1], put(accounts[1], 5, 1));
	sql("BEGIN; SELECT purge_expunged(10, now_ms() + 1000)");
	race(&other);
	sql("COMMIT");
	race_end(&other);
	cr_assert(messages_with(6, 1) == 1 && messages_with(5, 1) == 0 && queued(5, 1) == 1 && queued(6, 1) == 0);
}

Test(metadata_deletions, of_two_who_relocate_one_object_the_second_moves_nothing)
{
	struct racer other = { .from = 5, .to = 7 };
	size_t wanted;

	(void)put(make_account("a", 0), 5, 1);
	relocate_open(5, 6);
	race(&other);
	sql("COMMIT");
	race_end(&other);
	cr_assert(messages_with(6, 1) == 1 && messages_with(7, 1) == 0 && queued(5, 1) == 1 && queued(6, 1) == 0);
	cr_assert_eq(referenced(7, 0, &wanted), ERR_OK);
	cr_assert_eq(wanted, 0);
}

Test(metadata_deletions, the_sweep_waits_for_a_relocation_that_has_not_committed)
{
	int64_t now_ms = clock_wall_ms();
	size_t wanted;

	(void)put(make_account("a", 0), 5, 1);
	relocate_open(5, 6);
	cr_assert_eq(referenced(6, now_ms + 20 * 60 * 1000, &wanted), ERR_IN_USE);
	sql("COMMIT");
	cr_assert_eq(referenced(6, now_ms + 20 * 60 * 1000, &wanted), ERR_OK);
	cr_assert_eq(wanted, 1);
	cr_assert_eq(referenced(5, now_ms + 20 * 60 * 1000, &wanted), ERR_OK);
	cr_assert_eq(wanted, 1, "what is in the queue is not the sweep's");
}

/* A purge of the last message, and a second look that still sees it: the body must not fall between. */
Test(metadata_deletions, a_second_look_waits_for_a_purge)
{
	uint64_t account = make_account("a", 0);
	uint32_t uid = put(account, 5, 1);
	MetadataDueDeletionsRequest req = METADATA_DUE_DELETIONS_REQUEST__INIT;

	queue(5, 1, 2 * HOUR_MS);
	expunge(account, uid);
	sql("BEGIN; SELECT purge_expunged(10, now_ms() + 1000)");
	as(0, BUS_ROLE_WORKER)->deadline_ms = clock_mono_ms() + 500;
	cr_assert_neq(metadata_due_deletions(&world.call[0], &req, NULL), ERR_OK);
	sql("COMMIT");
	cr_assert_eq(queued(5, 1), 1);
	cr_assert_eq(due()->n_object, 0, "it died just now");
}

/* What a metadata service of the version before asks for, during an upgrade. */
Test(metadata_deletions, the_code_before_is_told_of_whole_objects_only)
{
	(void)put(make_account("a", 0), 5, 1);
	queue(5, 2, 2 * HOUR_MS);
	queue(6, 1, 2 * HOUR_MS);
	queue(6, 2, 2 * HOUR_MS);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions_due(100, now_ms() - %d) d WHERE substring(d FROM 1 FOR 17) = substring(%s FROM 1 FOR 17)",
			 HOUR_MS, ref_sql(6, 1)), 2);
	later(2 * HOUR_MS);
	cr_assert_eq(sql_int("SELECT count(*) FROM deletions_due(100, now_ms() - %d)", HOUR_MS), 2);
}

/*
 * A message that was expunged from one mailbox is copied from another to a third, while the first's time is over. The purge waits for the
 * copy, which holds the message, and looks again.
 */
Test(metadata_deletions, a_purge_that_comes_into_a_copy_leaves_the_message)
{
	uint64_t account = make_account("a", 0);
	MetadataCopyRequest req = METADATA_COPY_REQUEST__INIT;
	struct racer other = { 0 };

	req.account = account;
	req.mailbox = mailbox_of(account, "INBOX");
	req.n_uids = 1;
	req.uids = range(put(account, 5, 1), 1);
	req.to = BIN("INBOX");
	cr_assert_eq(metadata_copy(user(0, account), &req, NULL), ERR_OK);
	expunge(account, 1);
	sql("BEGIN; SELECT mailbox_copy(%lld, 'key', 1000, timeline, mailbox, '{2}', '{2}', 'Archive') FROM mailbox_state WHERE account = %lld"
	    " AND mailbox = %llu", (long long)account, (long long)account, (unsigned long long)req.mailbox);
	race(&other);
	cr_assert(!other.is_done, "it does not wait");
	sql("COMMIT");
	race_end(&other);
	cr_assert_eq(sql_int("SELECT count(*) FROM purge"), 0);
	cr_assert(messages_with(5, 1) == 1 && queued(5, 1) == 0);
	cr_assert_eq(sql_int("SELECT count(*) FROM entries"), 2);
	check_counts();
}
