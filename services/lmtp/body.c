/* A mail as it streams in after DATA. */
#include "services/lmtp/body.h"

#include "libcommon/mail/derive.h"

void
lmtp_body_begin(struct lmtp_body *body, const struct bus_call *call, struct str sender, uint64_t size_max, struct arena *arena)
{
	body->size_max = size_max;
	body->trace.arena = arena;
	mail_parser_init(&body->parser);
	blob_upload_begin(&body->upload, call);
	sha256_init(&body->hash);
	sha256_add(&body->hash, sender);
	sha256_add(&body->hash, STR("\r\n"));
}

static void
fail(struct lmtp_body *body, enum err err)
{
	body->err = err;
	blob_upload_abort(&body->upload);
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
	mail_parser_feed(&body->parser, bytes);
	lmtp_trace_feed(&body->trace, bytes);
	if (body->trace.received_count > LMTP_RECEIVED_MAX) {
		fail(body, ERR_LOOP);
		return;
	}
	sha256_add(&body->hash, bytes);
	err = blob_upload_add(&body->upload, bytes);
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

static ProtobufCBinaryData
bytes(struct str s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *)s.ptr };
}

static void
describe(struct lmtp_body *body, const struct blob_stored *stored, struct arena *arena, MetadataMail *ret)
{
	struct mail_derived derived;

	mail_derive(mail_parser_finish(&body->parser), arena, &derived);
	metadata_mail__init(ret);
	ret->blob = bytes(stored->ref);
	ret->put_ms = stored->put_ms;
	ret->blob_size = stored->size;
	ret->parser_version = derived.parser_version;
	ret->envelope = bytes(derived.envelope);
	ret->bodystructure = bytes(derived.bodystructure);
	ret->body = bytes(derived.body);
	ret->parts = bytes(derived.parts);
	ret->fields = bytes(derived.fields);
	ret->fields_complete = !derived.is_fields_cut;
}

enum err
lmtp_body_finish(struct lmtp_body *body, struct arena *arena, MetadataMail *ret_mail, struct str *ret_transaction)
{
	struct blob_stored stored;

	TRY(body->err);
	lmtp_trace_finish(&body->trace);
	TRY(blob_upload_finish(&body->upload, arena, &stored));
	describe(body, &stored, arena, ret_mail);
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
	blob_upload_abort(&body->upload);
	mail_parser_clear(&body->parser);
	sha256_clear(&body->hash);
}
