/* GetMany as a caller sees it. */
#include "tests/services/blob/get_many.h"

#include <criterion/criterion.h>

void
ask_for(struct asked *asked, const struct blob_ref *ref, uint64_t offset, uint64_t len)
{
	size_t i = asked->count++;

	cr_assert_lt(i, ASKED_MAX);
	ref_encode(ref, asked->items[i].ref);
	blob_get_request__init(&asked->items[i].get);
	asked->items[i].get.blob = (ProtobufCBinaryData){ REF_BYTES, asked->items[i].ref };
	asked->items[i].get.offset = offset;
	asked->items[i].get.length = len;
}

static void
note(struct asked *asked, const BlobGetManyReply *reply, struct str chunk)
{
	cr_assert(reply->n_place == reply->n_length && reply->n_place == reply->n_size);
	for (size_t i = 0; i < reply->n_place; i++) {
		size_t place = reply->place[i];

		cr_assert_lt(place, asked->count);
		cr_assert(i == 0 || reply->place[i - 1] < place);
		cr_assert_leq(reply->length[i], chunk.len);
		asked->items[place].is_there = true;
		asked->items[place].bytes = str_sub(chunk, 0, reply->length[i]);
		asked->items[place].size = reply->size[i];
		chunk = str_sub(chunk, reply->length[i], SIZE_MAX);
	}
	cr_assert_eq(chunk.len, 0, "bytes that are nobody's");
}

enum err
get_many(struct asked *asked, struct blob *blob, int64_t deadline_ms)
{
	struct rpc rpc = { .service = blob, .arena = &asked->arena, .deadline_ms = deadline_ms };
	BlobGetManyRequest req = BLOB_GET_MANY_REQUEST__INIT;
	BlobGetManyReply reply = BLOB_GET_MANY_REPLY__INIT;
	BlobGetRequest *list[ASKED_MAX];
	enum err err;

	for (size_t i = 0; i < asked->count; i++) {
		list[i] = &asked->items[i].get;
		asked->items[i].is_there = false;
	}
	req.n_get = asked->count;
	req.get = list;
	err = get_many_rpc(&rpc, &req, &reply);
	if (err == ERR_OK) {
		cr_assert_leq(rpc.reply_chunk.len, BUS_CHUNK_MAX);
		note(asked, &reply, rpc.reply_chunk);
	}
	return err;
}

struct str
which(struct asked *asked)
{
	char *text = arena_alloc(&asked->arena, asked->count + 1);

	for (size_t i = 0; i < asked->count; i++)
		text[i] = asked->items[i].is_there ? '1' : '.';
	return str_from(text, asked->count);
}

void
asked_clear(struct asked *asked)
{
	arena_clear(&asked->arena);
	*asked = (struct asked){ 0 };
}
