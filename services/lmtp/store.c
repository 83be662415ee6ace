/* A mail that is being stored: uploaded and parsed as its bytes come. */
#include "services/lmtp/store.h"

#include "libcommon/mail/derive.h"
#include "services/lmtp/wire.h"

void
lmtp_store_begin(struct lmtp_store *store, const struct bus_call *call)
{
	mail_parser_init(&store->parser);
	blob_upload_begin(&store->upload, call);
}

enum err
lmtp_store_add(struct lmtp_store *store, struct str bytes)
{
	mail_parser_feed(&store->parser, bytes);
	return blob_upload_add(&store->upload, bytes);
}

void
lmtp_store_complete(struct lmtp_store *store)
{
	blob_upload_complete(&store->upload);
}

static void
describe(const struct mail_message *message, const struct blob_stored *stored, struct arena *arena, MetadataMail *ret)
{
	struct mail_derived derived;

	mail_derive(message, arena, &derived);
	metadata_mail__init(ret);
	ret->blob = lmtp_wire(stored->ref);
	ret->put_ms = stored->put_ms;
	ret->blob_size = stored->size;
	ret->parser_version = derived.parser_version;
	ret->envelope = lmtp_wire(derived.envelope);
	ret->bodystructure = lmtp_wire(derived.bodystructure);
	ret->body = lmtp_wire(derived.body);
	ret->parts = lmtp_wire(derived.parts);
	ret->fields = lmtp_wire(derived.fields);
	ret->fields_complete = !derived.is_fields_cut;
}

enum err
lmtp_store_finish(struct lmtp_store *store, struct arena *arena, MetadataMail *ret_mail)
{
	const struct mail_message *message;
	struct blob_stored stored;

	TRY(blob_upload_finish(&store->upload, arena, &stored));
	message = mail_parser_finish(&store->parser);
	store->header_len = message->root->header_len;
	describe(message, &stored, arena, ret_mail);
	return ERR_OK;
}

void
lmtp_store_clear(struct lmtp_store *store)
{
	blob_upload_abort(&store->upload);
	mail_parser_clear(&store->parser);
}
