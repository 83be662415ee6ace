/* Writing a body: collected into chunks, each sent while the next is collected. */
#include "libcommon/blob/blob.h"

#include "libcommon/core/clock.h"
#include "proto/blob.client.h"

/* For so long all small bodies go to the same replica, whoever sends them: those of one moment can share an object only there. */
enum { SMALL_TURN_MS = 100 };

void
blob_upload_begin(struct blob_upload *up, const struct bus_call *caller)
{
	*up = (struct blob_upload){ 0 };
	up->call = (struct bus_call){ .bus = caller->bus, .role = caller->role, .log = caller->log, .token = caller->token,
		.deadline_ms = caller->deadline_ms, .is_patient = caller->is_patient };
	/* The object has no name yet; any replica will do, and they share the work. */
	up->call.route = random_u64();
}

/* Wait for the chunk that is on its way, and stay with the replica that took it. */
static enum err
settle(struct blob_upload *up, BlobPutReply **ret_reply)
{
	BlobPutReply *reply = NULL;
	struct bus_future *future = up->future;

	*ret_reply = NULL;
	if (future == NULL)
		return up->err;
	up->future = NULL;
	up->err = blob_put_wait(future, &reply);
	if (up->err == ERR_OK) {
		up->upload = reply->upload;
		up->call.is_pinned = true;
		*ret_reply = reply;
	}
	return up->err;
}

/* Send what was collected. The arena has only what the last answer needed, which is read by now. */
static enum err
send_chunk(struct blob_upload *up, bool is_last)
{
	BlobPutRequest req = BLOB_PUT_REQUEST__INIT;
	BlobPutReply *reply;

	TRY(settle(up, &reply));
	arena_reset(&up->arena);
	up->call.arena = &up->arena;
	if (is_last && up->sent == 0)
		up->call.route = (uint64_t)(clock_wall_ms() / SMALL_TURN_MS);
	req.upload = up->upload;
	req.offset = up->sent;
	req.last = is_last;
	req.total = is_last ? up->size : 0;
	up->future = blob_put_start(&up->call, &req, buffer_str(&up->chunk));
	up->sent += buffer_len(&up->chunk);
	buffer_reset(&up->chunk);
	return ERR_OK;
}

enum err
blob_upload_add(struct blob_upload *up, struct str bytes)
{
	while (bytes.len > 0 && up->err == ERR_OK) {
		struct str part = str_sub(bytes, 0, BUS_CHUNK_MAX - buffer_len(&up->chunk));

		/* Sent only when more follows: so a body of exactly one chunk is one call. */
		if (part.len == 0) {
			send_chunk(up, false);
			continue;
		}
		buffer_add(&up->chunk, part);
		up->size += part.len;
		bytes = str_sub(bytes, part.len, SIZE_MAX);
	}
	return up->err;
}

void
blob_upload_complete(struct blob_upload *up)
{
	if (!up->is_complete)
		send_chunk(up, true);
	up->is_complete = true;
}

static enum err
finish(struct blob_upload *up, struct arena *arena, struct blob_stored *ret)
{
	BlobPutReply *reply;

	blob_upload_complete(up);
	TRY(settle(up, &reply));
	if (reply->blob.len == 0 || reply->blob.len > BLOB_REF_MAX)
		return ERR_INTERNAL;
	*ret = (struct blob_stored){ .put_ms = reply->put_ms, .size = up->size };
	ret->ref = arena_copy(arena, str_from(reply->blob.data, reply->blob.len));
	return ERR_OK;
}

static void
clear(struct blob_upload *up)
{
	buffer_clear(&up->chunk);
	arena_clear(&up->arena);
	*up = (struct blob_upload){ .err = ERR_CLOSED };
}

enum err
blob_upload_finish(struct blob_upload *up, struct arena *arena, struct blob_stored *ret)
{
	enum err err = finish(up, arena, ret);

	clear(up);
	return err;
}

void
blob_upload_abort(struct blob_upload *up)
{
	BlobAbortRequest req = BLOB_ABORT_REQUEST__INIT;
	BlobPutReply *reply;

	if (up->call.bus == NULL)
		return;
	/* After a failed chunk the service has given it up by itself, or will when it is idle. */
	if (settle(up, &reply) == ERR_OK && up->upload != 0) {
		req.upload = up->upload;
		blob_abort(&up->call, &req, NULL);
	}
	clear(up);
}
