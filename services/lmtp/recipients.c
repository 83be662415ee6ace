/* The recipients of a transaction: who they are is asked of the metadata service, many in one call. */
#include "services/lmtp/recipients.h"

#include "libcommon/core/metrics.h"
#include "proto/metadata.client.h"
#include "services/lmtp/reply.h"

enum err
lmtp_recipients_add(struct lmtp_session *session, struct str address)
{
	struct lmtp_transaction *mail = &session->mail;

	if (mail->recipient_count - mail->resolved_count == LMTP_RESOLVE_MAX)
		TRY(lmtp_recipients_resolve(session));
	if (mail->recipient_count == mail->recipient_room) {
		size_t room = mail->recipient_room ? 2 * mail->recipient_room : 8;
		struct lmtp_recipient *larger = ARENA_ARRAY(&session->mail_arena, struct lmtp_recipient, room);

		if (mail->recipient_count > 0)
			memcpy(larger, mail->recipients, mail->recipient_count * sizeof(*larger));
		mail->recipients = larger;
		mail->recipient_room = room;
	}
	mail->recipients[mail->recipient_count++] =
	    (struct lmtp_recipient){ .address = arena_copy(&session->mail_arena, address) };
	return ERR_OK;
}

/* Ask about those that wait; each one's `err` and `account` are set. */
static void
ask(struct lmtp_session *session, struct lmtp_recipient *waiting, size_t count, struct arena *arena)
{
	MetadataResolveRequest request = METADATA_RESOLVE_REQUEST__INIT;
	MetadataResolveReply *reply;
	struct bus_call call = lmtp_call(session, arena);
	enum err err;

	request.n_address = count;
	request.address = ARENA_ARRAY(arena, ProtobufCBinaryData, count);
	request.size = session->mail.size;
	for (size_t i = 0; i < count; i++)
		request.address[i] = (ProtobufCBinaryData){ waiting[i].address.len, (uint8_t *)waiting[i].address.ptr };
	call.route = str_hash(waiting[0].address);
	err = metadata_resolve(&call, &request, &reply);
	if (err != ERR_OK)
		log_warn(net_log(session->conn), "lmtp.resolve", KV_ERR(err), KV_STR("detail", call.detail));
	for (size_t i = 0; i < count; i++) {
		waiting[i].err = err;
		if (err == ERR_OK && i >= reply->n_result)
			waiting[i].err = ERR_INTERNAL;
		if (waiting[i].err != ERR_OK)
			continue;
		waiting[i].err = err_from_wire(reply->result[i]->status);
		waiting[i].account = reply->result[i]->account;
	}
}

static enum err
answer(struct lmtp_session *session, const struct lmtp_recipient *recipient)
{
	struct lmtp_outcome outcome =
	    lmtp_outcome(recipient->err, lmtp_config(session)->lmtp_overquota_temporary);

	if (recipient->err == ERR_OK)
		return lmtp_reply(session, LMTP_REPLY_RECIPIENT_OK);
	if (lmtp_is_refused(outcome))
		metric_add(METRIC_LMTP_REFUSED, 1);
	log_info(net_log(session->conn), "lmtp.rcpt", KV_STR("from", session->mail.sender),
	    KV_STR("to", recipient->address), KV_C("reply", outcome.code), KV_ERR(recipient->err));
	return net_printf(session->conn, "%s %s\r\n", outcome.code, outcome.text);
}

enum err
lmtp_recipients_resolve(struct lmtp_session *session)
{
	struct lmtp_transaction *mail = &session->mail;
	struct lmtp_recipient *waiting = mail->recipients + mail->resolved_count;
	size_t count = mail->recipient_count - mail->resolved_count;
	struct arena arena = { 0 };
	enum err err = ERR_OK;

	if (count == 0)
		return ERR_OK;
	ask(session, waiting, count, &arena);
	for (size_t i = 0; i < count; i++) {
		if (err == ERR_OK)
			err = answer(session, &waiting[i]);
		if (waiting[i].err == ERR_OK)
			mail->recipients[mail->resolved_count++] = waiting[i];
	}
	mail->recipient_count = mail->resolved_count;
	arena_clear(&arena);
	return err;
}
