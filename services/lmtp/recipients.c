/* Who the recipients are, is asked of the metadata service, many in one call. */
#include "services/lmtp/recipients.h"

#include "proto/metadata.client.h"

static void
ask(struct lmtp_transaction *mail, struct lmtp_recipient *waiting, size_t count, struct arena *arena)
{
	MetadataResolveRequest request = METADATA_RESOLVE_REQUEST__INIT;
	MetadataResolveReply *reply;
	struct bus_call call = lmtp_transaction_call(mail, arena);
	enum err err;

	request.n_address = count;
	request.address = ARENA_ARRAY(arena, ProtobufCBinaryData, count);
	request.size = mail->size;
	for (size_t i = 0; i < count; i++)
		request.address[i] = (ProtobufCBinaryData){ waiting[i].address.len, (uint8_t *)waiting[i].address.ptr };
	call.route = str_hash(waiting[0].address);
	err = metadata_resolve(&call, &request, &reply);
	if (err != ERR_OK)
		log_warn(mail->origin.log, "lmtp.resolve", KV_ERR(err), KV_STR("detail", call.detail));
	for (size_t i = 0; i < count; i++) {
		waiting[i].err = err;
		if (err == ERR_OK && i >= reply->n_result)
			waiting[i].err = ERR_INTERNAL;
		if (waiting[i].err != ERR_OK)
			continue;
		waiting[i].err = err_from_wire(reply->result[i]->status);
		waiting[i].account = reply->result[i]->account;
		waiting[i].found = reply->result[i];
	}
}

void
lmtp_recipients_ask(struct lmtp_transaction *mail)
{
	ask(mail, mail->recipients + mail->resolved_count, lmtp_recipients_waiting(mail), &mail->arena);
}

void
lmtp_recipients_settle(struct lmtp_transaction *mail)
{
	size_t good = mail->resolved_count;

	for (size_t i = good; i < mail->recipient_count; i++)
		if (mail->recipients[i].err == ERR_OK)
			mail->recipients[good++] = mail->recipients[i];
	mail->recipient_count = mail->resolved_count = good;
}
