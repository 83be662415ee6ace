/* A mail as it streams in after DATA or BDAT. */
#include "services/lmtp/body.h"

void
lmtp_body_begin(struct lmtp_body *body, const struct bus_call *call, struct str sender, uint64_t size_max, struct arena *arena)
{
	body->size_max = size_max;
	body->trace.arena = arena;
	lmtp_store_begin(&body->store, call);
	sha256_init(&body->hash);
	sha256_add(&body->hash, sender);
	sha256_add(&body->hash, STR("\r\n"));
}

static void
fail(struct lmtp_body *body, enum err err)
{
	body->err = err;
	blob_upload_abort(&body->store.upload);
}

void
lmtp_body_add(struct lmtp_body *body, struct str bytes)
{
	enum err err;

	body->size += bytes.len;
	if (body->err != ERR_OK)
		return;
	if (body->size > body->size_max) {
		fail(body, ERR_TOO_BIG);
		return;
	}
	lmtp_trace_feed(&body->trace, bytes);
	if (body->trace.received_count > LMTP_RECEIVED_MAX) {
		fail(body, ERR_LOOP);
		return;
	}
	if (body->keeps_head)
		buffer_add(&body->head, str_sub(bytes, 0, LMTP_HEAD_MAX - buffer_len(&body->head)));
	sha256_add(&body->hash, bytes);
	err = lmtp_store_add(&body->store, bytes);
	if (err != ERR_OK)
		fail(body, err);
}

bool
lmtp_body_take(struct lmtp_body *body, struct str *in)
{
	struct str run;

	while (lmtp_data_next(&body->data, in, &run))
		lmtp_body_add(body, run);
	return lmtp_data_is_end(&body->data);
}

enum err
lmtp_body_finish(struct lmtp_body *body, struct arena *arena, MetadataMail *ret_mail, struct str *ret_transaction)
{
	TRY(body->err);
	lmtp_trace_finish(&body->trace);
	TRY(lmtp_store_finish(&body->store, arena, ret_mail));
	*ret_transaction = STR_NONE;
	if (body->trace.has_id) {
		uint8_t *digest = arena_alloc(arena, SHA256_BYTES);

		sha256_finish(&body->hash, digest);
		*ret_transaction = str_from(digest, SHA256_BYTES);
	}
	return ERR_OK;
}

void
lmtp_body_clear(struct lmtp_body *body)
{
	lmtp_store_clear(&body->store);
	sha256_clear(&body->hash);
	buffer_clear(&body->head);
}
