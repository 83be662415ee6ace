/* Reading a body: one piece is given out while the next is on its way. */
#include "libcommon/blob/blob.h"

#include "proto/blob.client.h"

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

/* Ask for the piece at `at`, on the side that `turn` names. */
static void
ask(struct blob_reader *in)
{
	BlobGetRequest req = BLOB_GET_REQUEST__INIT;
	uint64_t left = in->end - in->at;

	arena_reset(&in->arena[in->turn]);
	in->call[in->turn].arena = &in->arena[in->turn];
	req.blob = (ProtobufCBinaryData){ in->ref_len, (uint8_t *)in->ref_bytes };
	req.offset = in->at;
	req.length = left < BUS_CHUNK_MAX ? left : BUS_CHUNK_MAX;
	in->asked = req.length;
	in->future = blob_get_start(&in->call[in->turn], &req);
}

/* Wait for the piece that was asked for. All of it has to come, but for what lies behind the body's end. */
static enum err
settle(struct blob_reader *in, struct str *ret_piece)
{
	BlobGetReply *reply = NULL;
	struct bus_future *future = in->future;
	uint64_t expected = in->asked;

	in->future = NULL;
	TRY(blob_get_wait(future, &reply, ret_piece));
	in->size = reply->size;
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
	if (in->future == NULL && in->at < in->end)
		ask(in);
}

enum err
blob_reader_next(struct blob_reader *in, struct str *ret_piece)
{
	struct str piece = STR("");

	blob_reader_start(in);
	if (in->future == NULL) {
		*ret_piece = piece;
		return ERR_OK;
	}
	TRY(settle(in, &piece));
	in->at += piece.len;
	in->turn ^= 1;
	if (in->at < in->end)
		ask(in);
	*ret_piece = piece;
	return ERR_OK;
}

void
blob_reader_end(struct blob_reader *in)
{
	BlobGetReply *reply;
	struct str piece;

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
