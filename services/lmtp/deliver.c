/* The end of a transaction: one mail, stored, is given to its recipients. */
#include "services/lmtp/deliver.h"

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "proto/metadata.client.h"
#include "services/lmtp/body.h"
#include "services/lmtp/copies.h"
#include "services/lmtp/wire.h"

enum {
	SLICE_BYTES = 1024 * 1024, /* of prefixes and actions in one call; the rest of a message of the bus is for the mail's structure */
	RERUNS_MAX = 3,            /* a mark that was free when a script decided was taken when the mail was delivered: decide again */
};

/* The mail on its way to its recipients. */
struct delivery {
	struct lmtp_transaction *mail;
	MetadataDeliverRequest request;
	MetadataDeliverRequest__Recipient *recipients; /* one for each copy, */
	struct lmtp_copy **owners;                     /* which is this */
	size_t slice_bytes;
};

/* Send what was collected. A call that failed leaves its copies with that error: perhaps done, and to be sent again. */
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
add_copy(struct delivery *delivery, struct lmtp_copy *copy)
{
	MetadataDeliverRequest *request = &delivery->request;
	MetadataDeliverRequest__Recipient *recipient = &delivery->recipients[request->n_recipient];

	metadata_deliver_request__recipient__init(recipient);
	recipient->account = copy->owner->account;
	recipient->prefix = lmtp_wire(copy->prefix);
	recipient->n_action = copy->actions.count;
	recipient->action = copy->actions.items;
	delivery->owners[request->n_recipient] = copy;
	request->recipient[request->n_recipient++] = recipient;
	for (size_t i = 0; i < copy->actions.count; i++)
		delivery->slice_bytes += protobuf_c_message_get_packed_size(&copy->actions.items[i]->base);
	delivery->slice_bytes += copy->prefix.len;
	if (delivery->slice_bytes >= SLICE_BYTES)
		flush(delivery);
}

/* A copy that is known by another name than the mail's goes in a call of its own. */
static void
add(struct delivery *delivery, struct lmtp_copy *copy)
{
	struct str transaction = lmtp_copy_transaction(delivery->mail, copy);
	bool is_own = !str_equal(transaction, delivery->mail->transaction);

	if (is_own)
		flush(delivery);
	delivery->request.transaction = lmtp_wire(transaction);
	add_copy(delivery, copy);
	if (is_own)
		flush(delivery);
	delivery->request.transaction = lmtp_wire(delivery->mail->transaction);
}

/* What is still to be delivered of `copies`: to be sent for the first time, or again after ERR_RERUN. */
static void
deliver_decided(struct delivery *delivery, struct lmtp_copies *copies)
{
	for (size_t i = 0; i < copies->count; i++)
		if (copies->items[i].err == ERR_OK && !copies->items[i].is_done && copies->items[i].actions.count > 0)
			add(delivery, &copies->items[i]);
	flush(delivery);
	for (size_t i = 0; i < copies->count; i++)
		copies->items[i].is_done = copies->items[i].err != ERR_RERUN;
}

static void
deliver_all(struct lmtp_transaction *mail)
{
	struct arena *arena = &mail->arena;
	struct delivery delivery = { .mail = mail, .request = METADATA_DELIVER_REQUEST__INIT };
	struct lmtp_copies copies;

	lmtp_copies_make(mail, &copies);
	delivery.recipients = ARENA_ARRAY(arena, MetadataDeliverRequest__Recipient, copies.count + 1);
	delivery.owners = ARENA_ARRAY(arena, struct lmtp_copy *, copies.count + 1);
	delivery.request.recipient = ARENA_ARRAY(arena, MetadataDeliverRequest__Recipient *, copies.count + 1);
	delivery.request.mail = &mail->stored;
	delivery.request.transaction = lmtp_wire(mail->transaction);
	for (int run = 0; run <= RERUNS_MAX && lmtp_copies_decide(mail, &copies); run++)
		deliver_decided(&delivery, &copies);
	lmtp_copies_end(mail);
}

void
lmtp_deliver(struct lmtp_transaction *mail)
{
	enum err err = lmtp_body_finish(mail->body, &mail->arena, &mail->stored, &mail->transaction);

	if (err == ERR_OK)
		deliver_all(mail);
	for (size_t i = 0; i < mail->recipient_count && err != ERR_OK; i++)
		mail->recipients[i].err = err;
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
