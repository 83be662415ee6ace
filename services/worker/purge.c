/*
 * The purge: messages past expunge.keep go for good, and queue their bodies. Bodies that have waited for blob.keep, and that metadata found
 * unwanted at a second look, go with their object when nothing else in it is wanted; else what is wanted may be written anew (Compact), and
 * metadata told so (Relocate), which queues the old bodies in their turn.
 *
 * Ended at any point, nothing is lost: what is not reported comes again, what was written for nothing is the sweep's.
 */
#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "libcommon/crypto/encode.h"
#include "proto/blob.client.h"
#include "proto/metadata.client.h"
#include "services/worker/worker.h"

enum {
	MESSAGES = 1000,
	DELETIONS = 200,
	PACE_MS = 20,
	/* Room for others at the store: at most 200 objects a second. */
	OBJECT_PACE_MS = 5,
	FAILURES_MAX = 3,
};

static enum err
purge_messages(struct job_run *run)
{
	MetadataPurgeRequest req = METADATA_PURGE_REQUEST__INIT;
	MetadataPurgeReply *reply;

	req.limit = MESSAGES;
	do {
		/* Deliveries get in between. */
		if (!worker_wait(run->worker, clock_mono_ms() + PACE_MS))
			return ERR_GOING_AWAY;
		arena_reset(&run->arena);
		TRY(metadata_purge(worker_call(run), &req, &reply));
		metric_add(METRIC_PURGED, reply->purged);
	} while (reply->more);
	return ERR_OK;
}

/* One batch of objects, and what became of them. */
struct batch {
	struct job_run *run;
	MetadataDeletionsDoneRequest done;
	enum err err;       /* the first that was met */
	unsigned failures;  /* of a service, one after the other */
};

static enum err
remove_object(struct batch *b, const MetadataDueDeletionsReply__Object *object)
{
	BlobDeleteRequest req = BLOB_DELETE_REQUEST__INIT;

	req.object = object->name;
	TRY(blob_delete(worker_call(b->run), &req, NULL));
	b->done.gone[b->done.n_gone++] = object->name;
	metric_add(METRIC_OBJECTS_REMOVED, 1);
	metric_add(METRIC_BODIES_REMOVED, (int64_t)object->n_dead);
	return ERR_OK;
}

static enum err
compact_object(struct batch *b, const MetadataDueDeletionsReply__Object *object)
{
	BlobCompactRequest req = BLOB_COMPACT_REQUEST__INIT;
	MetadataRelocateRequest relocate = METADATA_RELOCATE_REQUEST__INIT;
	BlobCompactReply *compact;

	req.n_live = object->n_live;
	req.live = object->live;
	req.n_dead = object->n_dead;
	req.dead = object->dead;
	TRY(blob_compact(worker_call(b->run), &req, &compact));
	if (!compact->done) {
		b->done.settled[b->done.n_settled++] = object->name;
		return ERR_OK;
	}
	if (compact->n_blob != object->n_live)
		return ERR_INTERNAL;
	relocate.n_from = object->n_live;
	relocate.from = object->live;
	relocate.n_to = compact->n_blob;
	relocate.to = compact->blob;
	relocate.put_ms = compact->put_ms;
	TRY(metadata_relocate(worker_call(b->run), &relocate, NULL));
	metric_add(METRIC_OBJECTS_COMPACTED, 1);
	return ERR_OK;
}

static void
note(struct batch *b, const MetadataDueDeletionsReply__Object *object, enum err err)
{
	b->failures = err_row(err)->is_retryable ? b->failures + 1 : 0;
	if (err == ERR_OK)
		return;
	log_warn(&b->run->log, "worker.object", KV_STR("object", hex_encode(&b->run->arena, str_from(object->name.data, object->name.len))),
	    KV_INT("live", object->n_live), KV_ERR(err), KV_STR("detail", b->run->call.detail));
	if (b->err == ERR_OK)
		b->err = err;
}

/* Each in turn: one that fails does not hold up the rest, but with a service away they would only wait. */
static void
do_objects(struct batch *b, const MetadataDueDeletionsReply *due)
{
	for (size_t i = 0; i < due->n_object && b->failures < FAILURES_MAX; i++) {
		if (!worker_wait(b->run->worker, clock_mono_ms() + OBJECT_PACE_MS)) {
			b->err = ERR_GOING_AWAY;
			b->failures = FAILURES_MAX;
			return;
		}
		note(b, due->object[i], due->object[i]->n_live == 0 ? remove_object(b, due->object[i]) : compact_object(b, due->object[i]));
	}
}

static enum err
do_batch(struct batch *b, const MetadataDueDeletionsReply *due)
{
	b->done = (MetadataDeletionsDoneRequest)METADATA_DELETIONS_DONE_REQUEST__INIT;
	b->done.gone = ARENA_ARRAY(&b->run->arena, ProtobufCBinaryData, due->n_object + 1);
	b->done.settled = ARENA_ARRAY(&b->run->arena, ProtobufCBinaryData, due->n_object + 1);
	do_objects(b, due);
	log_info(&b->run->log, "worker.deletions", KV_INT("objects", due->n_object), KV_INT("gone", b->done.n_gone),
	    KV_INT("settled", b->done.n_settled));
	if (b->done.n_gone + b->done.n_settled == 0)
		return ERR_OK;
	return metadata_deletions_done(worker_call(b->run), &b->done, NULL);
}

/* What fails is not given again before the next run. */
static enum err
delete_due(struct job_run *run)
{
	MetadataDueDeletionsRequest req = METADATA_DUE_DELETIONS_REQUEST__INIT;
	struct batch b = { .run = run };
	MetadataDueDeletionsReply *due;

	req.limit = DELETIONS;
	req.hold_ms = run->worker->config->worker_purge_every;
	do {
		if (!worker_wait(run->worker, clock_mono_ms() + PACE_MS))
			return ERR_GOING_AWAY;
		arena_reset(&run->arena);
		TRY(metadata_due_deletions(worker_call(run), &req, &due));
		if (due->n_object > 0)
			TRY(do_batch(&b, due));
	} while (due->more && b.failures < FAILURES_MAX);
	return b.err;
}

enum err
purge_run(struct job_run *run)
{
	TRY(purge_messages(run));
	return delete_due(run);
}
