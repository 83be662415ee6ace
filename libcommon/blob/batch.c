/* The first pieces of several bodies, asked for together. */
#include "libcommon/blob/batch.h"

#include <stdlib.h>

#include "libcommon/core/mem.h"

enum {
	BATCH_MAX = 64, /* GetMany takes no more */
	ALONE_MAX = 4,  /* of those that did not come together so many are asked for before their turn */
};

struct blob_batch {
	struct bus_call call;
	struct arena arena;
	struct bus_future *future; /* NULL: it is answered, and who is still in here did not come */
	size_t alone_max;
	size_t count;
	struct blob_reader *readers[BATCH_MAX]; /* NULL: it has left */
};

/* ---- the answer */

static struct blob_reader *
take_out(struct blob_batch *batch, size_t place)
{
	struct blob_reader *in = place < batch->count ? batch->readers[place] : NULL;

	if (in != NULL) {
		batch->readers[place] = NULL;
		in->batch = NULL;
	}
	return in;
}

static void
hand_out(struct blob_batch *batch, const BlobGetManyReply *reply, struct str chunk)
{
	for (size_t i = 0; i < reply->n_place && i < reply->n_length && i < reply->n_size && reply->length[i] <= chunk.len; i++) {
		struct blob_reader *in = take_out(batch, reply->place[i]);

		if (in != NULL)
			blob_reader_take(in, str_sub(chunk, 0, reply->length[i]), reply->size[i]);
		chunk = str_sub(chunk, reply->length[i], SIZE_MAX);
	}
}

/* Wait for the answer, unless it came. Who has his piece leaves. */
static void
hear(struct blob_batch *batch)
{
	BlobGetManyReply *reply;
	struct str chunk;
	enum err err;

	if (batch->future == NULL)
		return;
	err = blob_get_many_wait(batch->future, &reply, &chunk);
	batch->future = NULL;
	if (err == ERR_OK)
		hand_out(batch, reply, chunk);
	/* An older replica does not know the method, and is well. Where none answers each one would wait for it. */
	batch->alone_max = err_row(err)->is_retryable ? 0 : ALONE_MAX;
	arena_clear(&batch->arena);
}

/* Those who did not come ask by themselves, the first ones first. */
static void
ask_some(struct blob_batch *batch)
{
	size_t under_way = 0;

	for (size_t i = 0; i < batch->count && under_way < batch->alone_max; i++) {
		struct blob_reader *in = batch->readers[i];

		if (in == NULL)
			continue;
		if (in->future == NULL)
			blob_reader_ask(in);
		under_way++;
	}
}

static bool
is_empty(const struct blob_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		if (batch->readers[i] != NULL)
			return false;
	return true;
}

static void
leave(struct blob_batch *batch, const struct blob_reader *in)
{
	for (size_t i = 0; i < batch->count; i++)
		if (batch->readers[i] == in)
			take_out(batch, i);
}

static void
batch_free(struct blob_batch *batch)
{
	BlobGetManyReply *reply;
	struct str chunk;

	if (batch->future != NULL)
		blob_get_many_wait(batch->future, &reply, &chunk);
	arena_clear(&batch->arena);
	free(batch);
}

void
blob_batch_settle(struct blob_reader *in)
{
	struct blob_batch *batch = in->batch;

	hear(batch);
	if (in->batch != NULL) {
		leave(batch, in);
		if (in->future == NULL)
			blob_reader_ask(in);
	}
	ask_some(batch);
	if (is_empty(batch))
		batch_free(batch);
}

void
blob_batch_leave(struct blob_reader *in)
{
	struct blob_batch *batch = in->batch;

	leave(batch, in);
	if (is_empty(batch))
		batch_free(batch);
}

/* ---- the question */

static void
batch_send(struct blob_batch *batch)
{
	BlobGetManyRequest req = BLOB_GET_MANY_REQUEST__INIT;
	BlobGetRequest requests[BATCH_MAX], *list[BATCH_MAX];

	for (size_t i = 0; i < batch->count; i++) {
		list[i] = &requests[i];
		blob_reader_request(batch->readers[i], list[i]);
	}
	req.n_get = batch->count;
	req.get = list;
	batch->call = batch->readers[0]->call[0];
	batch->call.arena = &batch->arena;
	batch->future = blob_get_many_start(&batch->call, &req);
}

/* The idle ones of readers[from..] whose bodies are asked of the same replica as the first one's: of one there, whose cache may have them. */
static void
start_group(struct blob_reader *const *readers, const uint64_t *replicas, size_t from, size_t count)
{
	struct blob_batch *batch = MEM_NEW(struct blob_batch);

	for (size_t i = from; i < count; i++) {
		if (replicas[i] == replicas[from] && blob_reader_is_idle(readers[i]))
			batch->readers[batch->count++] = readers[i];
	}
	if (batch->count < 2) {
		blob_reader_ask(readers[from]);
		batch_free(batch);
		return;
	}
	for (size_t i = 0; i < batch->count; i++)
		batch->readers[i]->batch = batch;
	batch_send(batch);
}

static void
start_some(struct blob_reader *const *readers, size_t count)
{
	uint64_t replicas[BATCH_MAX];

	for (size_t i = 0; i < count; i++) {
		const struct bus_call *call = &readers[i]->call[0];

		replicas[i] = blob_reader_is_idle(readers[i]) ? bus_replica_of(call->bus, &blob_methods[BLOB_METHOD_GET_MANY], call->route) : 0;
	}
	for (size_t i = 0; i < count; i++) {
		if (blob_reader_is_idle(readers[i]))
			start_group(readers, replicas, i, count);
	}
}

void
blob_readers_start(struct blob_reader *const *readers, size_t count)
{
	for (size_t at = 0; at < count; at += BATCH_MAX)
		start_some(readers + at, count - at < BATCH_MAX ? count - at : BATCH_MAX);
}
