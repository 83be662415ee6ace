/* The end of a transaction: one mail, stored, is given to its recipients. */
#include "services/lmtp/deliver.h"

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "proto/metadata.client.h"
#include "services/lmtp/body.h"

enum { SLICE_BYTES = 1024 * 1024 }; /* of prefixes in one call; the rest of a message of the bus is for the mail's structure */

/* The mail on its way to its recipients. */
struct delivery {
	struct lmtp_transaction *mail;
	MetadataDeliverRequest request;
	MetadataDeliverRequest__Recipient *copies; /* one for each account, */
	struct lmtp_recipient **owners;            /* whose first recipient this is */
	MetadataAction *keep;                      /* the one action that there is without a script */
	size_t slice_bytes;
};

static struct str
prefix_of(const struct delivery *delivery, const struct lmtp_recipient *recipient)
{
	struct lmtp_transaction *mail = delivery->mail;
	const struct lmtp_origin *origin = &mail->origin;
	const struct lmtp_stamp stamp = {
		.sender = mail->sender,
		.recipient = recipient->address,
		.client = origin->client,
		.hostname = origin->context->hostname,
		.id = arena_printf(&mail->arena, "%016llx", (unsigned long long)origin->log->trace),
		.has_tls = origin->has_tls,
		.has_utf8 = origin->has_utf8,
		.has_for = mail->recipient_count == 1,
		.date = { .unix_s = clock_wall_ms() / 1000 },
	};

	return lmtp_prefix(&stamp, &mail->arena);
}

/* Send what was collected. A call that failed leaves its recipients with that error: perhaps done, and to be sent again. */
static void
flush(struct delivery *delivery)
{
	MetadataDeliverRequest *request = &delivery->request;
	struct bus_call call = lmtp_transaction_call(delivery->mail, &delivery->mail->arena);
	MetadataDeliverReply *reply = NULL;
	enum err err;

	if (request->n_recipient == 0)
		return;
	call.route = request->recipient[0]->account;
	bus_call_key(&call);
	err = metadata_deliver(&call, request, &reply);
	if (err != ERR_OK)
		log_warn(delivery->mail->origin.log, "lmtp.deliver", KV_ERR(err), KV_STR("detail", call.detail));
	for (size_t i = 0; i < request->n_recipient; i++) {
		if (err == ERR_OK)
			delivery->owners[i]->err =
			    i < reply->n_result ? err_from_wire(reply->result[i]->status) : ERR_UNKNOWN_OUTCOME;
		else
			delivery->owners[i]->err = lmtp_is_refused(lmtp_outcome(err, false)) ? ERR_UNAVAILABLE : err;
	}
	request->n_recipient = 0;
	delivery->slice_bytes = 0;
}

static void
add_copy(struct delivery *delivery, struct lmtp_recipient *recipient)
{
	MetadataDeliverRequest *request = &delivery->request;
	MetadataDeliverRequest__Recipient *copy = &delivery->copies[request->n_recipient];
	struct str prefix = prefix_of(delivery, recipient);

	metadata_deliver_request__recipient__init(copy);
	copy->account = recipient->account;
	copy->prefix = (ProtobufCBinaryData){ prefix.len, (uint8_t *)prefix.ptr };
	copy->n_action = 1;
	copy->action = &delivery->keep;
	delivery->owners[request->n_recipient] = recipient;
	request->recipient[request->n_recipient++] = copy;
	delivery->slice_bytes += prefix.len;
	if (delivery->slice_bytes >= SLICE_BYTES)
		flush(delivery);
}

/* The recipient before this one that is the same account, and gets the copy; NULL: there is none. */
static struct lmtp_recipient *
twin_of(struct lmtp_transaction *mail, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (mail->recipients[i].account == mail->recipients[index].account && mail->recipients[i].err != ERR_LOOP)
			return &mail->recipients[i];
	return NULL;
}

static void
deliver_all(struct delivery *delivery, const struct lmtp_trace *trace)
{
	struct lmtp_transaction *mail = delivery->mail;

	for (size_t i = 0; i < mail->recipient_count; i++) {
		struct lmtp_recipient *recipient = &mail->recipients[i];

		if (lmtp_trace_was_delivered_to(trace, recipient->address))
			recipient->err = ERR_LOOP;
		else if (twin_of(mail, i) == NULL)
			add_copy(delivery, recipient);
	}
	flush(delivery);
	for (size_t i = 0; i < mail->recipient_count; i++) {
		struct lmtp_recipient *twin = twin_of(mail, i);

		if (mail->recipients[i].err != ERR_LOOP && twin != NULL)
			mail->recipients[i].err = twin->err;
	}
}

void
lmtp_deliver(struct lmtp_transaction *mail)
{
	struct arena *arena = &mail->arena;
	MetadataMail stored;
	MetadataAction keep = METADATA_ACTION__INIT;
	struct delivery delivery = { .mail = mail, .request = METADATA_DELIVER_REQUEST__INIT, .keep = &keep };
	struct str transaction;
	enum err err = lmtp_body_finish(mail->body, arena, &stored, &transaction);

	if (err != ERR_OK) {
		for (size_t i = 0; i < mail->recipient_count; i++)
			mail->recipients[i].err = err;
		return;
	}
	delivery.copies = ARENA_ARRAY(arena, MetadataDeliverRequest__Recipient, mail->recipient_count);
	delivery.owners = ARENA_ARRAY(arena, struct lmtp_recipient *, mail->recipient_count);
	delivery.request.recipient = ARENA_ARRAY(arena, MetadataDeliverRequest__Recipient *, mail->recipient_count);
	delivery.request.mail = &stored;
	delivery.request.transaction = (ProtobufCBinaryData){ transaction.len, (uint8_t *)transaction.ptr };
	deliver_all(&delivery, &mail->body->trace);
}

struct lmtp_outcome
lmtp_deliver_outcome(const struct lmtp_transaction *mail, const struct lmtp_recipient *recipient)
{
	static const struct {
		char class;
		const char *event;
		enum metric metric;
	} kinds[] = {
		{ '2', "lmtp.delivered", METRIC_LMTP_DELIVERED },
		{ '4', "lmtp.deferred", METRIC_LMTP_DEFERRED },
		{ '5', "lmtp.refused", METRIC_LMTP_REFUSED },
	};
	struct lmtp_outcome outcome = lmtp_outcome(recipient->err, lmtp_transaction_config(mail)->lmtp_overquota_temporary);
	const struct lmtp_client *client = lmtp_origin_client(&mail->origin);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (outcome.code[0] != kinds[i].class)
			continue;
		metric_add(kinds[i].metric, 1);
		log_info(mail->origin.log, kinds[i].event, KV_STR("from", mail->sender), KV_STR("to", recipient->address),
		    KV_C("client", client->address), KV_C("ident", client->ident), KV_INT("size", mail->body->size),
		    KV_C("reply", outcome.code), KV_ERR(recipient->err),
		    KV_INT("elapsed_ms", clock_mono_ms() - mail->body_ms));
	}
	return outcome;
}
