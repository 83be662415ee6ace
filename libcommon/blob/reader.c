/* Reading a body: one piece is given out while the next is on its way. */
#include "libcommon/blob/batch.h"

void
blob_reader_begin(struct blob_reader *in, const struct bus_call *caller, struct str ref, uint64_t offset, uint64_t length)
{
	*in = (struct blob_reader){ .at = offset, .end = length < UINT64_MAX - offset ? offset + length : UINT64_MAX };
	for (int i = 0; i < 2; i++) {
		in->call[i] = (struct bus_call){ .bus = caller->bus, .role = caller->role, .log = caller->log,
			.token = caller->token, .deadline_ms = caller->deadline_ms, .is_patient = caller->is_patient };
		/* The pieces of a body come from one replica, which keeps its index. */
		in->call[i].route = str_hash(ref);
	}
	ref = str_sub(ref, 0, sizeof(in->ref_bytes));
	memcpy(in->ref_bytes, ref.ptr, ref.len);
	in->ref_len = ref.len;
}

bool
blob_reader_is_idle(const struct blob_reader *in)
{
	return in->future == NULL && in->batch == NULL && !in->has_first && in->at < in->end;
}

void
blob_reader_request(struct blob_reader *in, BlobGetRequest *ret)
{
	uint64_t left = in->end - in->at;

	blob_get_request__init(ret);
	ret->blob = (ProtobufCBinaryData){ in->ref_len, (uint8_t *)in->ref_bytes };
	ret->offset = in->at;
	ret->length = left < BUS_CHUNK_MAX ? left : BUS_CHUNK_MAX;
	in->asked = ret->length;
}

void
blob_reader_ask(struct blob_reader *in)
{
	BlobGetRequest req;

	blob_reader_request(in, &req);
	arena_reset(&in->arena[in->turn]);
	in->call[in->turn].arena = &in->arena[in->turn];
	in->future = blob_get_start(&in->call[in->turn], &req);
}

void
blob_reader_take(struct blob_reader *in, struct str piece, uint64_t size)
{
	in->first = arena_copy(&in->arena[in->turn], piece);
	in->has_first = true;
	in->size = size;
}

/* Wait for the piece that was asked for. */
static enum err
receive(struct blob_reader *in, struct str *ret_piece)
{
	BlobGetReply *reply = NULL;
	struct bus_future *future;

	if (in->batch != NULL)
		blob_batch_settle(in);
	if (in->has_first) {
		in->has_first = false;
		*ret_piece = in->first;
		return ERR_OK;
	}
	future = in->future;
	in->future = NULL;
	TRY(blob_get_wait(future, &reply, ret_piece));
	in->size = reply->size;
	return ERR_OK;
}

/* All of it has to come, but for what lies behind the body's end. */
static enum err
settle(struct blob_reader *in, struct str *ret_piece)
{
	uint64_t expected = in->asked;

	TRY(receive(in, ret_piece));
	if (in->end > in->size)
		in->end = in->size;
	if (in->at >= in->end)
		expected = 0;
	else if (in->end - in->at < expected)
		expected = in->end - in->at;
	return ret_piece->len == expected ? ERR_OK : ERR_CORRUPT;
}

void
blob_reader_start(struct blob_reader *in)
{
	if (blob_reader_is_idle(in))
		blob_reader_ask(in);
}

enum err
blob_reader_next(struct blob_reader *in, struct str *ret_piece)
{
	struct str piece = STR("");

	blob_reader_start(in);
	if (in->at >= in->end) {
		*ret_piece = piece;
		return ERR_OK;
	}
	TRY(settle(in, &piece));
	in->at += piece.len;
	in->turn ^= 1;
	if (in->at < in->end)
		blob_reader_ask(in);
	*ret_piece = piece;
	return ERR_OK;
}

void
blob_reader_end(struct blob_reader *in)
{
	BlobGetReply *reply;
	struct str piece;

	if (in->batch != NULL)
		blob_batch_leave(in);
	if (in->future != NULL)
		blob_get_wait(in->future, &reply, &piece);
	arena_clear(&in->arena[0]);
	arena_clear(&in->arena[1]);
	*in = (struct blob_reader){ 0 };
}

static enum err
collect(struct blob_reader *in, struct buffer *ret)
{
	struct str piece;

	do {
		TRY(blob_reader_next(in, &piece));
		buffer_add(ret, piece);
	} while (piece.len > 0);
	return ERR_OK;
}

enum err
blob_read(const struct bus_call *caller, struct str ref, uint64_t offset, size_t length, struct arena *arena, struct str *ret)
{
	struct blob_reader in;
	struct buffer all = { 0 };
	enum err err;

	blob_reader_begin(&in, caller, ref, offset, length);
	err = collect(&in, &all);
	blob_reader_end(&in);
	if (err == ERR_OK)
		*ret = arena_copy(arena, buffer_str(&all));
	buffer_clear(&all);
	return err;
}
