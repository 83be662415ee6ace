/* What became of an item is written down: sent, put off, or given up with a bounce in its place. */
#include "libcommon/blob/blob.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "libcommon/core/random.h"
#include "libcommon/crypto/encode.h"
#include "services/worker/bounce.h"
#include "services/worker/outbox.h"

enum { HEADER_MAX = 64 * 1024, RETRY_FINISH_MS = 1000 };

int64_t
outbox_delay_ms(const struct config *config, uint32_t attempts, uint64_t random)
{
	int64_t delay_ms = config->queue_retry;

	for (uint32_t i = 0; i < attempts && delay_ms < config->queue_retry_most; i++)
		delay_ms *= 2;
	if (delay_ms > config->queue_retry_most)
		delay_ms = config->queue_retry_most;
	return delay_ms - delay_ms / 4 + (int64_t)(random % (uint64_t)(delay_ms / 2 + 1));
}

static int64_t
age_ms(const struct outbox_sender *s)
{
	return s->item->age_ms + clock_mono_ms() - s->leased_ms;
}

static void
log_item(const struct outbox_sender *s, enum log_level level, const char *event, const struct outbox_outcome *outcome, int64_t delay_ms)
{
	const MetadataLeaseOutboxReply *item = s->item;

	log_write(level, &s->run.log, event, LOG_KVS(KV_INT("item", item->lease->item), KV_STR("kind", str_of(item->kind)),
	    KV_STR("from", str_of(item->sender)), KV_STR("to", str_of(item->recipient)), KV_STR("message_id", str_of(item->message_id)),
	    KV_ERR(outcome->err), KV_STR("reply", outcome->reply.text), KV_INT("delay_ms", delay_ms), KV_INT("age_ms", age_ms(s)),
	    KV_INT("elapsed_ms", clock_mono_ms() - s->leased_ms)));
}

/* Until it is answered: what was sent and is not written down would be sent again. */
static enum err
finish(struct outbox_sender *s, MetadataFinishOutboxRequest *req)
{
	for (;;) {
		struct bus_call *call = worker_call(&s->run);
		enum err err;

		req->lease = s->item->lease;
		err = metadata_finish_outbox(call, req, NULL);
		if (err == ERR_OK || !err_row(err)->is_retryable || err == ERR_STALE)
			return err;
		log_warn(&s->run.log, "queue.finish", KV_INT("item", s->item->lease->item), KV_ERR(err), KV_STR("detail", call->detail));
		if (!worker_wait(s->run.worker, clock_mono_ms() + RETRY_FINISH_MS))
			return err;
	}
}

static void
defer(struct outbox_sender *s, const struct outbox_outcome *outcome, int64_t delay_ms)
{
	MetadataFinishOutboxRequest req = METADATA_FINISH_OUTBOX_REQUEST__INIT;
	int64_t left_ms = s->run.worker->config->queue_expire - age_ms(s);

	/* The last attempt is at the end of its time. */
	req.delay_ms = left_ms > 0 && left_ms < delay_ms ? left_ms : delay_ms;
	req.outcome = METADATA_FINISH_OUTBOX_REQUEST__OUTCOME__DEFERRED;
	req.counts = outcome->err == ERR_AGAIN;
	req.reply = data_of(outcome->reply.text);
	log_item(s, LOG_INFO, "queue.deferred", outcome, req.delay_ms);
	metric_add(METRIC_QUEUE_DEFERRED, 1);
	(void)finish(s, &req);
}

/* The header of the mail as it would have been sent; what cannot be read is left out. */
static struct str
header_of(struct outbox_sender *s)
{
	struct bus_call call = s->run.call;
	struct str begin = STR_NONE;

	call.deadline_ms = 0;
	if (blob_read(&call, str_of(s->item->blob), 0, HEADER_MAX, &s->run.arena, &begin) != ERR_OK)
		begin = STR_NONE;
	begin = bounce_header(begin, HEADER_MAX);
	return arena_printf(&s->run.arena, "%.*s%.*s", STR_ARG(str_of(s->item->prefix)), STR_ARG(begin));
}

static struct str
make_bounce(struct outbox_sender *s, const struct outbox_outcome *outcome, struct str *ret_message_id)
{
	struct uuid id = uuid_v7();
	int64_t now_s = clock_wall_ms() / 1000;
	bool is_expired = outcome->err != ERR_REFUSED;
	const struct bounce bounce = {
		.hostname = s->outbox->hostname,
		.remote = outcome->reply.code != 0 ? s->run.worker->config->smarthost_host : STR_NONE,
		.id = hex_encode(&s->run.arena, str_from(id.bytes, sizeof(id.bytes))),
		.sender = str_of(s->item->sender),
		.recipient = str_of(s->item->recipient),
		.message_id = str_of(s->item->message_id),
		/* RFC 3463 s. 3.5: X.4.7, delivery time expired. */
		.status = is_expired ? STR("5.4.7") : outcome->reply.status,
		.reply = outcome->reply.text,
		.header = header_of(s),
		.arrived_s = now_s - age_ms(s) / 1000,
		.now_s = now_s,
		.is_expired = is_expired,
	};

	return bounce_make(&bounce, &s->run.arena, ret_message_id);
}

static enum err
put_bounce(struct outbox_sender *s, struct str bytes, MetadataMail *ret)
{
	struct bus_call call = s->run.call;
	struct blob_upload up;
	struct blob_stored stored;

	call.deadline_ms = 0;
	blob_upload_begin(&up, &call);
	(void)blob_upload_add(&up, bytes);
	TRY(blob_upload_finish(&up, &s->run.arena, &stored));
	ret->blob = data_of(stored.ref);
	ret->put_ms = stored.put_ms;
	ret->blob_size = stored.size;
	return ERR_OK;
}

static void
give_up(struct outbox_sender *s, const struct outbox_outcome *outcome)
{
	MetadataFinishOutboxRequest req = METADATA_FINISH_OUTBOX_REQUEST__INIT;
	MetadataMail bounce = METADATA_MAIL__INIT;
	struct str message_id = STR_NONE;
	enum err err = ERR_OK;

	req.outcome = METADATA_FINISH_OUTBOX_REQUEST__OUTCOME__GAVE_UP;
	if (s->item->sender.len > 0) {
		err = put_bounce(s, make_bounce(s, outcome, &message_id), &bounce);
		req.bounce = &bounce;
		req.bounce_message_id = data_of(message_id);
	}
	if (err == ERR_OK)
		err = finish(s, &req);
	if (err == ERR_OK) {
		log_item(s, LOG_WARN, "queue.gave_up", outcome, 0);
		metric_add(METRIC_QUEUE_GAVE_UP, 1);
		return;
	}
	/* Not without a word to its sender: when there is a place for that again. */
	if (err != ERR_NONEXISTENT) {
		log_warn(&s->run.log, "queue.bounce", KV_INT("item", s->item->lease->item), KV_ERR(err));
		defer(s, outcome, outbox_delay_ms(s->run.worker->config, 0, random_u64()));
	}
}

static void
sent(struct outbox_sender *s, const struct outbox_outcome *outcome)
{
	MetadataFinishOutboxRequest req = METADATA_FINISH_OUTBOX_REQUEST__INIT;

	req.outcome = METADATA_FINISH_OUTBOX_REQUEST__OUTCOME__SENT;
	log_item(s, LOG_INFO, "queue.sent", outcome, 0);
	metric_add(METRIC_QUEUE_SENT, 1);
	(void)finish(s, &req);
}

void
outbox_settle(struct outbox_sender *s, const struct outbox_outcome *outcome)
{
	const struct config *config = s->run.worker->config;

	if (outcome->err == ERR_OK)
		sent(s, outcome);
	else if (outcome->err == ERR_NONEXISTENT)
		log_item(s, LOG_WARN, "queue.lease_lost", outcome, 0);
	else if (outcome->err == ERR_GOING_AWAY)
		defer(s, outcome, 0);
	else if (outcome->err == ERR_REFUSED || age_ms(s) >= config->queue_expire)
		give_up(s, outcome);
	else
		defer(s, outcome, outbox_delay_ms(config, outcome->err == ERR_AGAIN ? s->item->attempts : 0, random_u64()));
}
