/*
 * The sweep: objects that nothing refers to. A put whose mail was never committed leaves one, and so does a lost answer.
 *
 * What keeps it from an object that is still wanted: only objects older than blob.sweep_age are looked at; metadata refuses, inside its
 * transactions, references to a body put more than an hour ago; and it answers for these objects only when no transaction runs that is
 * older than the end of that hour. An error answers nothing, so nothing is removed on one.
 */
#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "proto/blob.client.h"
#include "proto/metadata.client.h"
#include "services/worker/worker.h"

enum {
	PAGE = 1000,
	/* A reference can be made so long after the put, and clocks may be so far apart, both ways. */
	FENCE_MS = 60 * 60 * 1000 + 2 * 10 * 60 * 1000,
	/* Room for others at the store: at most 200 removals a second. */
	PACE_MS = 5,
};

/* The objects of a page that are old enough; their number. */
static size_t
select_old(const BlobListReply *page, int64_t before_ms, ProtobufCBinaryData *ret, int64_t *ret_newest_ms)
{
	size_t count = 0;

	*ret_newest_ms = 0;
	for (size_t i = 0; i < page->n_object; i++) {
		const BlobListReply__Object *object = page->object[i];

		if (object->put_ms >= before_ms)
			continue;
		ret[count++] = object->name;
		if (object->put_ms > *ret_newest_ms)
			*ret_newest_ms = object->put_ms;
	}
	return count;
}

static bool
is_among(ProtobufCBinaryData name, const MetadataReferencedReply *wanted)
{
	for (size_t i = 0; i < wanted->n_object; i++) {
		if (str_equal(str_from(name.data, name.len), str_from(wanted->object[i].data, wanted->object[i].len)))
			return true;
	}
	return false;
}

static enum err
remove_object(struct job_run *run, ProtobufCBinaryData name)
{
	BlobDeleteRequest req = BLOB_DELETE_REQUEST__INIT;

	if (!worker_wait(run->worker, clock_mono_ms() + PACE_MS))
		return ERR_GOING_AWAY;
	req.object = name;
	TRY(blob_delete(worker_call(run), &req, NULL));
	metric_add(METRIC_SWEPT, 1);
	return ERR_OK;
}

/* Where blob.sweep_age is shorter than the fence (in tests), the fence is that age: it never lies in the future. */
static int64_t
fence_of(const struct config *config, int64_t newest_ms)
{
	return newest_ms + (config->blob_sweep_age < FENCE_MS ? config->blob_sweep_age : FENCE_MS);
}

static enum err
sweep_page(struct job_run *run, const BlobListReply *page)
{
	const struct config *config = run->worker->config;
	MetadataReferencedRequest req = METADATA_REFERENCED_REQUEST__INIT;
	MetadataReferencedReply *wanted;
	int64_t newest_ms;

	req.object = ARENA_ARRAY(&run->arena, ProtobufCBinaryData, page->n_object);
	req.n_object = select_old(page, clock_wall_ms() - config->blob_sweep_age, req.object, &newest_ms);
	if (req.n_object == 0)
		return ERR_OK;
	req.put_before_ms = fence_of(config, newest_ms);
	TRY(metadata_referenced(worker_call(run), &req, &wanted));
	for (size_t i = 0; i < req.n_object; i++) {
		if (!is_among(req.object[i], wanted))
			TRY(remove_object(run, req.object[i]));
	}
	return ERR_OK;
}

enum err
sweep_run(struct job_run *run)
{
	BlobListRequest req = BLOB_LIST_REQUEST__INIT;
	uint8_t after[64];
	bool is_more = true;

	req.limit = PAGE;
	req.after.data = after;
	while (is_more) {
		BlobListReply *page;

		arena_reset(&run->arena);
		TRY(blob_list(worker_call(run), &req, &page));
		/* After the list, which has shown the store's clock to the blob service. */
		TRY(worker_check_clocks(run));
		TRY(sweep_page(run, page));
		is_more = page->more && page->n_object > 0;
		if (!is_more)
			break;
		req.after.len = page->object[page->n_object - 1]->name.len;
		if (req.after.len > sizeof(after))
			return ERR_INTERNAL;
		memcpy(after, page->object[page->n_object - 1]->name.data, req.after.len);
	}
	return ERR_OK;
}
