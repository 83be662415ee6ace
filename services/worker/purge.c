/*
 * The purge: messages past expunge.keep go for good, and queue their bodies' objects; objects that have waited for blob.keep, and that
 * metadata found unreferenced at a second look, are removed.
 */
#include "libcommon/core/metrics.h"
#include "libcommon/core/clock.h"
#include "proto/blob.client.h"
#include "proto/metadata.client.h"
#include "services/worker/worker.h"

enum { MESSAGES = 1000, DELETIONS = 200, PACE_MS = 20 };

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

/* Remove each, and say so of those that are gone: the others come again, and one that is refused does not hold up the rest. */
static enum err
delete_batch(struct job_run *run, const MetadataDueDeletionsReply *due, size_t *ret_done)
{
	MetadataDeletionsDoneRequest done = METADATA_DELETIONS_DONE_REQUEST__INIT;
	enum err first = ERR_OK;

	done.blob = ARENA_ARRAY(&run->arena, ProtobufCBinaryData, due->n_blob);
	for (size_t i = 0; i < due->n_blob; i++) {
		BlobDeleteRequest req = BLOB_DELETE_REQUEST__INIT;
		enum err err;

		req.blob = due->blob[i];
		err = blob_delete(worker_call(run), &req, NULL);
		if (err == ERR_OK)
			done.blob[done.n_blob++] = due->blob[i];
		else if (first == ERR_OK)
			first = err;
		if (err_row(err)->is_retryable)
			break;
	}
	if (done.n_blob > 0)
		TRY(metadata_deletions_done(worker_call(run), &done, NULL));
	*ret_done = done.n_blob;
	return first;
}

static enum err
delete_due(struct job_run *run)
{
	MetadataDueDeletionsRequest req = METADATA_DUE_DELETIONS_REQUEST__INIT;
	MetadataDueDeletionsReply *due;
	size_t done;

	req.limit = DELETIONS;
	do {
		if (!worker_wait(run->worker, clock_mono_ms() + PACE_MS))
			return ERR_GOING_AWAY;
		arena_reset(&run->arena);
		TRY(metadata_due_deletions(worker_call(run), &req, &due));
		TRY(delete_batch(run, due, &done));
	} while (due->n_blob == DELETIONS);
	return ERR_OK;
}

enum err
purge_run(struct job_run *run)
{
	TRY(purge_messages(run));
	return delete_due(run);
}
