/* Fences compare times of several clocks: they are worth nothing when those are far apart. */
#include "libcommon/core/clock.h"
#include "proto/blob.client.h"
#include "proto/metadata.client.h"
#include "services/worker/worker.h"

enum { APART_MS = 10 * 60 * 1000 };

static enum err
compare(struct job_run *run, const char *whose, int64_t theirs_ms)
{
	int64_t ahead_ms = theirs_ms - clock_wall_ms();

	if (ahead_ms <= APART_MS && ahead_ms >= -APART_MS)
		return ERR_OK;
	log_error(&run->log, "worker.clock", KV_C("clock", whose), KV_INT("ahead_ms", ahead_ms),
	    KV_C("text", "its clock and ours must agree within 10 minutes: run an NTP client such as chrony on both machines"));
	return ERR_CLOCK;
}

enum err
worker_check_clocks(struct job_run *run)
{
	MetadataEmpty metadata_req = METADATA_EMPTY__INIT;
	BlobEmpty blob_req = BLOB_EMPTY__INIT;
	MetadataPingReply *metadata;
	BlobPingReply *blob;

	TRY(metadata_ping(worker_call(run), &metadata_req, &metadata));
	TRY(compare(run, "database", metadata->database_ms));
	TRY(blob_ping(worker_call(run), &blob_req, &blob));
	TRY(compare(run, "blob", blob->now_ms));
	/* 0: the store was not asked for anything yet; List will, and this is looked at again after it. */
	return blob->store_ms ? compare(run, "store", blob->store_ms) : ERR_OK;
}
