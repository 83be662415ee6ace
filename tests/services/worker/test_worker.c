/* The worker's jobs against a metadata and a blob service that answer as told. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "proto/blob.server.h"
#include "proto/metadata.server.h"
#include "services/worker/worker.h"

/* An object's wanted body has its number, the one that is due DEAD more, what Compact writes ANEW more. */
enum { DEAD = 50, ANEW = 100 };

enum { OBJECTS = 25, PAGE = 10, HOUR_MS = 3600 * 1000, DAY_MS = 24 * HOUR_MS };

/* What the two services have and say; objects are named by one byte. */
struct world {
	struct config *config;
	struct bus *bus;
	struct worker worker;
	int64_t put_ms[OBJECTS];
	bool is_wanted[OBJECTS], is_gone[OBJECTS], is_due[OBJECTS], is_refused[OBJECTS];
	bool is_held[OBJECTS], is_part[OBJECTS], is_settled[OBJECTS], is_not_worth_it[OBJECTS], is_moved[OBJECTS], is_answer_short;
	enum err list_err, referenced_err, delete_err, due_err, relocate_err;
	int64_t blob_ahead_ms, database_ahead_ms, store_ahead_ms;
	int64_t fence_ms;      /* the last one that was asked with */
	int64_t hold_ms;
	unsigned purges, purges_left, asked, deletes;
};

static enum err
list(struct rpc *rpc, const BlobListRequest *req, BlobListReply *reply)
{
	struct world *w = rpc->service;
	int at = req->after.len ? req->after.data[0] + 1 : 0;

	reply->object = ARENA_ARRAY(rpc->arena, BlobListReply__Object *, PAGE);
	for (; at < OBJECTS && reply->n_object < PAGE; at++) {
		BlobListReply__Object *object = ARENA_NEW(rpc->arena, BlobListReply__Object);

		blob_list_reply__object__init(object);
		object->name = (ProtobufCBinaryData){ 1, arena_alloc(rpc->arena, 1) };
		object->name.data[0] = (uint8_t)at;
		object->put_ms = w->put_ms[at];
		reply->object[reply->n_object++] = object;
	}
	reply->more = at < OBJECTS;
	return w->list_err;
}

static enum err
delete(struct rpc *rpc, const BlobDeleteRequest *req, BlobEmpty *reply)
{
	struct world *w = rpc->service;
	uint8_t number = req->object.data[0];

	(void)reply;
	w->deletes++;
	if (w->delete_err != ERR_OK || w->is_refused[number])
		return w->delete_err ? w->delete_err : ERR_INVALID;
	w->is_gone[number] = true;
	return ERR_OK;
}

static enum err
blob_ping_answer(struct rpc *rpc, const BlobEmpty *req, BlobPingReply *reply)
{
	struct world *w = rpc->service;

	(void)req;
	reply->now_ms = clock_wall_ms() + w->blob_ahead_ms;
	reply->store_ms = clock_wall_ms() + w->store_ahead_ms;
	return ERR_OK;
}

static enum err
metadata_ping_answer(struct rpc *rpc, const MetadataEmpty *req, MetadataPingReply *reply)
{
	struct world *w = rpc->service;

	(void)req;
	reply->database_ms = clock_wall_ms() + w->database_ahead_ms;
	return ERR_OK;
}

static enum err
referenced(struct rpc *rpc, const MetadataReferencedRequest *req, MetadataReferencedReply *reply)
{
	struct world *w = rpc->service;

	w->asked += (unsigned)req->n_object;
	w->fence_ms = req->put_before_ms;
	reply->object = ARENA_ARRAY(rpc->arena, ProtobufCBinaryData, req->n_object);
	for (size_t i = 0; i < req->n_object; i++) {
		if (w->is_wanted[req->object[i].data[0]])
			reply->object[reply->n_object++] = req->object[i];
	}
	return w->referenced_err;
}

static enum err
purge(struct rpc *rpc, const MetadataPurgeRequest *req, MetadataPurgeReply *reply)
{
	struct world *w = rpc->service;

	(void)req;
	w->purges++;
	reply->more = w->purges_left > 1;
	w->purges_left -= reply->more;
	return ERR_OK;
}

static ProtobufCBinaryData
name_of(struct arena *arena, int number)
{
	ProtobufCBinaryData name = { 1, arena_alloc(arena, 1) };

	name.data[0] = (uint8_t)number;
	return name;
}

/* A page at a time, as the real one, and each once until the next run. */
static enum err
due_deletions(struct rpc *rpc, const MetadataDueDeletionsRequest *req, MetadataDueDeletionsReply *reply)
{
	struct world *w = rpc->service;

	w->hold_ms = req->hold_ms;
	reply->object = ARENA_ARRAY(rpc->arena, MetadataDueDeletionsReply__Object *, PAGE);
	for (int i = 0; i < OBJECTS; i++) {
		MetadataDueDeletionsReply__Object *object = ARENA_NEW(rpc->arena, MetadataDueDeletionsReply__Object);

		if (!w->is_due[i] || w->is_held[i])
			continue;
		if (reply->n_object == PAGE) {
			reply->more = true;
			break;
		}
		w->is_held[i] = true;
		metadata_due_deletions_reply__object__init(object);
		object->name = name_of(rpc->arena, i);
		object->live = ARENA_ARRAY(rpc->arena, ProtobufCBinaryData, 1);
		object->live[0] = object->name;
		object->n_live = w->is_part[i];
		object->dead = ARENA_ARRAY(rpc->arena, ProtobufCBinaryData, 1);
		object->dead[0] = name_of(rpc->arena, i + DEAD);
		object->n_dead = 1;
		reply->object[reply->n_object++] = object;
	}
	return w->due_err;
}

static enum err
deletions_done(struct rpc *rpc, const MetadataDeletionsDoneRequest *req, MetadataEmpty *reply)
{
	struct world *w = rpc->service;

	(void)reply;
	for (size_t i = 0; i < req->n_gone; i++)
		w->is_due[req->gone[i].data[0]] = false;
	for (size_t i = 0; i < req->n_settled; i++)
		w->is_settled[req->settled[i].data[0]] = true;
	return ERR_OK;
}

static enum err
compact(struct rpc *rpc, const BlobCompactRequest *req, BlobCompactReply *reply)
{
	struct world *w = rpc->service;
	int number = req->live[0].data[0];

	cr_expect_eq(req->dead[0].data[0], number + DEAD, "what is dead is told apart from what is wanted");
	if (w->is_refused[number])
		return ERR_CORRUPT;
	if (w->is_not_worth_it[number])
		return ERR_OK;
	reply->done = true;
	reply->put_ms = 1000 + number;
	reply->blob = ARENA_ARRAY(rpc->arena, ProtobufCBinaryData, 1);
	reply->blob[0] = name_of(rpc->arena, number + ANEW);
	reply->n_blob = !w->is_answer_short;
	return ERR_OK;
}

static enum err
relocate(struct rpc *rpc, const MetadataRelocateRequest *req, MetadataEmpty *reply)
{
	struct world *w = rpc->service;
	int number = req->from[0].data[0];

	(void)reply;
	cr_expect(req->n_from == 1 && req->n_to == 1 && req->to[0].data[0] == number + ANEW && req->put_ms == 1000 + number);
	w->is_moved[number] = w->relocate_err == ERR_OK;
	return w->relocate_err;
}

static const struct blob_handlers blob_handlers = { .list = list, .delete = delete, .compact = compact, .ping = blob_ping_answer };
static const struct metadata_handlers metadata_handlers = { .referenced = referenced, .purge = purge, .due_deletions = due_deletions,
	.deletions_done = deletions_done, .relocate = relocate, .ping = metadata_ping_answer };

static void
world_begin(struct world *w)
{
	struct bus_limits limits = { .threads = 2, .queue = 16, .in_flight = 16 };
	struct buffer yaml = { 0 }, problems = { 0 };
	unsigned long long name = random_u64();

	*w = (struct world){ .purges_left = 1 };
	buffer_printf(&yaml, "bus: {blob: [inproc://b-%llx], metadata: [inproc://m-%llx]}\nblob: {listen: [inproc://b-%llx]}\n"
	    "metadata: {listen: [inproc://m-%llx]}\n", name, name, name, name);
	cr_assert_eq(config_parse(buffer_str(&yaml), "test", true, &w->config, &problems), ERR_OK, "%.*s", STR_ARG(buffer_str(&problems)));
	buffer_clear(&yaml);
	buffer_clear(&problems);
	w->bus = bus_new(w->config);
	cr_assert_eq(blob_serve(w->bus, &blob_handlers, w, &limits), ERR_OK);
	cr_assert_eq(metadata_serve(w->bus, &metadata_handlers, w, &limits), ERR_OK);
	w->worker = (struct worker){ .config = w->config, .bus = w->bus };
	pthread_mutex_init(&w->worker.lock, NULL);
	pthread_cond_init(&w->worker.stop, NULL);
	for (int i = 0; i < OBJECTS; i++)
		w->put_ms[i] = clock_wall_ms() - 3 * DAY_MS;
}

static void
world_end(struct world *w)
{
	bus_free(w->bus);
	config_free(w->config);
}

static enum err
run(struct world *w, enum err (*job)(struct job_run *))
{
	struct job_run run = { .worker = &w->worker };
	enum err err;

	run.call = (struct bus_call){ .bus = w->bus, .arena = &run.arena, .role = BUS_ROLE_WORKER };
	err = job(&run);
	arena_clear(&run.arena);
	return err;
}

static size_t
gone(const struct world *w)
{
	size_t count = 0;

	for (int i = 0; i < OBJECTS; i++)
		count += w->is_gone[i];
	return count;
}

Test(sweep, removes_what_is_old_and_not_wanted_and_nothing_else)
{
	struct world w;

	world_begin(&w);
	for (int i = 0; i < OBJECTS; i++) {
		w.is_wanted[i] = i % 3 == 0;
		if (i % 2 == 0)
			w.put_ms[i] = clock_wall_ms() - DAY_MS + 60000;
	}
	cr_assert_eq(run(&w, sweep_run), ERR_OK);
	for (int i = 0; i < OBJECTS; i++)
		cr_assert_eq(w.is_gone[i], i % 2 == 1 && i % 3 != 0, "object %d", i);
	cr_assert_eq(w.asked, 12, "young objects are not even asked about");
	world_end(&w);
}

Test(sweep, fences_with_the_youngest_object_and_the_hour_in_which_it_could_be_referred_to)
{
	struct world w;

	world_begin(&w);
	for (int i = 1; i < OBJECTS; i++)
		w.put_ms[i] = clock_wall_ms();
	w.put_ms[0] = 1700000000000;
	cr_assert_eq(run(&w, sweep_run), ERR_OK);
	cr_assert_eq(w.fence_ms, 1700000000000 + HOUR_MS + 20 * 60 * 1000);
	w.config->blob_sweep_age = 1000;
	w.put_ms[0] = clock_wall_ms() - 2000;
	cr_assert_eq(run(&w, sweep_run), ERR_OK);
	cr_assert_leq(w.fence_ms, clock_wall_ms(), "never in the future");
	world_end(&w);
}

Test(sweep, removes_nothing_on_an_error_or_when_clocks_disagree)
{
	for (int i = 0; i < 8; i++) {
		struct world w;
		enum err err;

		world_begin(&w);
		if (i == 0)
			w.list_err = ERR_CORRUPT;
		if (i == 1)
			w.referenced_err = ERR_IN_USE;
		if (i == 2)
			w.referenced_err = ERR_CORRUPT;
		if (i == 3)
			w.database_ahead_ms = 11 * 60 * 1000;
		if (i == 4)
			w.database_ahead_ms = -11 * 60 * 1000;
		if (i == 5)
			w.blob_ahead_ms = 11 * 60 * 1000;
		if (i == 6)
			w.store_ahead_ms = -11 * 60 * 1000;
		if (i == 7)
			w.worker.is_stopping = true;
		err = run(&w, sweep_run);
		cr_assert_neq(err, ERR_OK, "case %d", i);
		cr_assert_eq(gone(&w), 0, "case %d", i);
		world_end(&w);
	}
}

Test(purge, goes_on_while_there_is_more_then_removes_what_is_due)
{
	struct world w;

	world_begin(&w);
	w.purges_left = 3;
	w.is_due[4] = w.is_due[9] = true;
	cr_assert_eq(run(&w, purge_run), ERR_OK);
	cr_assert_eq(w.purges, 3);
	cr_assert(gone(&w) == 2 && w.is_gone[4] && w.is_gone[9]);
	cr_assert(!w.is_due[4] && !w.is_due[9]);
	world_end(&w);
}

Test(purge, says_done_only_of_what_is_gone)
{
	struct world w;

	world_begin(&w);
	w.is_due[4] = w.is_due[9] = true;
	w.is_refused[4] = true;
	cr_assert_eq(run(&w, purge_run), ERR_INVALID);
	cr_assert(w.is_due[4] && !w.is_due[9], "one that is refused does not hold up the rest");
	w.is_due[9] = true;
	w.delete_err = ERR_CORRUPT;
	memset(w.is_held, 0, sizeof(w.is_held));
	cr_assert_neq(run(&w, purge_run), ERR_OK);
	cr_assert(w.is_due[4] && w.is_due[9]);
	w.delete_err = ERR_OK;
	w.due_err = ERR_CORRUPT;
	w.is_gone[9] = false;
	cr_assert_neq(run(&w, purge_run), ERR_OK);
	cr_assert_not(w.is_gone[9], "an error answers nothing");
	world_end(&w);
}

Test(purge, an_object_that_is_partly_wanted_is_written_anew_or_left_and_never_deleted)
{
	struct world w;

	world_begin(&w);
	for (int i = 0; i < OBJECTS; i++) {
		w.is_due[i] = true;
		w.is_part[i] = i % 5 != 0;
		w.is_not_worth_it[i] = i % 5 == 1;
		w.is_refused[i] = i == 7;
	}
	cr_assert_eq(run(&w, purge_run), ERR_CORRUPT, "what the one that is damaged said");
	for (int i = 0; i < OBJECTS; i++) {
		cr_assert_eq(w.is_gone[i], i % 5 == 0, "object %d", i);
		cr_assert_eq(w.is_settled[i], i % 5 == 1, "object %d", i);
		cr_assert_eq(w.is_moved[i], i % 5 > 1 && i != 7, "object %d", i);
	}
	cr_assert_eq(w.hold_ms, w.config->worker_purge_every, "what failed comes with the next run");
	world_end(&w);
}

/* What was written is then the sweep's, and the object comes again: nothing is deleted, nothing is called settled. */
Test(purge, a_compaction_that_metadata_was_not_told_of_changes_nothing)
{
	static const enum err errors[] = { ERR_UNAVAILABLE, ERR_UNKNOWN_OUTCOME, ERR_STALE, ERR_INVALID };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]) + 1; i++) {
		struct world w;

		world_begin(&w);
		w.is_due[3] = w.is_part[3] = true;
		w.is_answer_short = i == sizeof(errors) / sizeof(errors[0]);
		w.relocate_err = w.is_answer_short ? ERR_OK : errors[i];
		cr_assert_neq(run(&w, purge_run), ERR_OK, "case %zu", i);
		cr_assert(w.is_due[3] && !w.is_settled[3] && !w.is_moved[3] && gone(&w) == 0, "case %zu", i);
		world_end(&w);
	}
}

Test(purge, gives_up_when_a_service_is_away_and_not_when_one_object_fails)
{
	struct world w;

	world_begin(&w);
	for (int i = 0; i < OBJECTS; i++)
		w.is_due[i] = true;
	w.delete_err = ERR_IN_USE;
	cr_assert_eq(run(&w, purge_run), ERR_IN_USE);
	cr_assert_eq(w.deletes, 3);
	w.worker.is_stopping = true;
	w.delete_err = ERR_OK;
	cr_assert_eq(run(&w, purge_run), ERR_GOING_AWAY);
	cr_assert_eq(gone(&w), 0);
	world_end(&w);
}
