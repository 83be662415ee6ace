/* The threads that send: who has what, whose turn it is, and when the smarthost cannot be used. */
#include "services/worker/outbox.h"

#include <stdlib.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"

enum {
	POLL_MS = 1000,
	WATCH_MS = 15 * 1000,
	BRAKE_MIN_MS = 250,
	BRAKE_MAX_MS = 60 * 1000,
	CONNECT_MS = 30 * 1000,
	WARN_EVERY = 40, /* looks, ten minutes */
};

/* ---- leases */

static bool
is_account(const MetadataLeaseOutboxReply *a, const MetadataLeaseOutboxReply *b)
{
	return a->lease->account == b->lease->account;
}

static bool
is_domain(const MetadataLeaseOutboxReply *a, const MetadataLeaseOutboxReply *b)
{
	return str_equal(str_of(a->domain), str_of(b->domain));
}

/* With the lock: have items like this one half of the connections, so that the others are for others? */
static bool
has_share(const struct outbox *o, const MetadataLeaseOutboxReply *item,
    bool (*is_like)(const MetadataLeaseOutboxReply *, const MetadataLeaseOutboxReply *))
{
	size_t many = 0;

	for (size_t i = 0; i < o->sender_count; i++)
		many += o->senders[i].item && is_like(o->senders[i].item, item);
	return many >= (o->sender_count + 1) / 2;
}

/* With the lock. */
static void
name_full(const struct outbox *o, struct arena *arena, MetadataLeaseOutboxRequest *req)
{
	req->full_account = ARENA_ARRAY(arena, uint64_t, o->sender_count);
	req->full_domain = ARENA_ARRAY(arena, ProtobufCBinaryData, o->sender_count);
	for (size_t i = 0; i < o->sender_count; i++) {
		const MetadataLeaseOutboxReply *item = o->senders[i].item;

		if (item && has_share(o, item, is_account))
			req->full_account[req->n_full_account++] = item->lease->account;
		if (item && has_share(o, item, is_domain))
			req->full_domain[req->n_full_domain++] = item->domain;
	}
}

/* With the lock: go once round the accounts. ERR_AGAIN: nothing is due. */
static enum err
lease_round(struct outbox_sender *s, MetadataLeaseOutboxReply **ret)
{
	struct outbox *o = s->outbox;
	MetadataLeaseOutboxRequest req = METADATA_LEASE_OUTBOX_REQUEST__INIT;
	int ends_left = o->after == 0 ? 1 : 2;

	name_full(o, &s->run.arena, &req);
	req.owner = data_of(o->owner);
	req.lease_ms = OUTBOX_LEASE_MS;
	while (ends_left > 0 && worker_wait(o->worker, 0)) {
		req.after = o->after;
		TRY(metadata_lease_outbox(worker_call(&s->run), &req, ret));
		o->after = (*ret)->at_end ? 0 : (*ret)->after;
		if ((*ret)->found)
			return ERR_OK;
		ends_left -= (*ret)->at_end;
	}
	return ERR_AGAIN;
}

static bool
is_anyone_busy(const struct outbox *o)
{
	for (size_t i = 0; i < o->sender_count; i++)
		if (o->senders[i].item)
			return true;
	return false;
}

/* False: there is nothing for it to do now. */
static bool
lease_next(struct outbox_sender *s)
{
	struct outbox *o = s->outbox;
	MetadataLeaseOutboxReply *item = NULL;
	enum err err;

	pthread_mutex_lock(&o->lock);
	if (clock_left_ms(o->look_ms) > 0 || clock_left_ms(o->brake_until_ms) > 0 || (o->brake_ms > 0 && is_anyone_busy(o))) {
		pthread_mutex_unlock(&o->lock);
		return false;
	}
	s->leased_ms = clock_mono_ms();
	s->renew_ms = s->leased_ms + OUTBOX_RENEW_MS;
	s->patience_ms = 0;
	err = lease_round(s, &item);
	if (err == ERR_OK)
		s->item = item;
	else
		o->look_ms = clock_mono_ms() + POLL_MS;
	pthread_mutex_unlock(&o->lock);
	if (err != ERR_OK && err != ERR_AGAIN)
		log_warn(&s->run.log, "queue.lease", KV_ERR(err), KV_STR("detail", s->run.call.detail));
	return err == ERR_OK;
}

static void
let_go(struct outbox_sender *s)
{
	pthread_mutex_lock(&s->outbox->lock);
	s->item = NULL;
	pthread_mutex_unlock(&s->outbox->lock);
	arena_reset(&s->run.arena);
}

/* ---- the brake: the smarthost is away, which is nobody's mail's fault */

static void
note_smarthost(struct outbox_sender *s, const struct outbox_outcome *outcome)
{
	struct outbox *o = s->outbox;
	bool is_good = outcome->err == ERR_OK || outcome->err == ERR_AGAIN || outcome->err == ERR_REFUSED;

	if (!outcome->is_smarthosts || outcome->err == ERR_NONEXISTENT || outcome->err == ERR_GOING_AWAY)
		return;
	pthread_mutex_lock(&o->lock);
	if (is_good) {
		o->brake_ms = o->brake_until_ms = 0;
	} else {
		o->brake_ms = o->brake_ms == 0 ? BRAKE_MIN_MS : o->brake_ms >= BRAKE_MAX_MS / 2 ? BRAKE_MAX_MS : o->brake_ms * 2;
		o->brake_until_ms = clock_mono_ms() + o->brake_ms / 2 + (int64_t)(random_u64() % (uint64_t)o->brake_ms);
	}
	pthread_mutex_unlock(&o->lock);
	if (!is_good)
		log_write(outcome->err == ERR_DENIED ? LOG_ERROR : LOG_WARN, &s->run.log, "queue.smarthost",
		    LOG_KVS(KV_STR("host", o->worker->config->smarthost_host), KV_INT("port", o->worker->config->smarthost_port),
			KV_ERR(outcome->err), KV_STR("reason", outcome->reply.text)));
}

/* ---- threads */

static void *
sender_main(void *self)
{
	struct outbox_sender *s = self;

	while (worker_wait(s->run.worker, 0)) {
		struct outbox_outcome outcome;

		if (!lease_next(s)) {
			arena_reset(&s->run.arena);
			smtp_close(s->smtp);
			s->smtp = NULL;
			arena_reset(&s->connection);
			worker_wait(s->run.worker, clock_mono_ms() + POLL_MS / 2 + (int64_t)(random_u64() % POLL_MS));
			continue;
		}
		outbox_send(s, &outcome);
		note_smarthost(s, &outcome);
		outbox_settle(s, &outcome);
		let_go(s);
	}
	smtp_close(s->smtp);
	arena_clear(&s->connection);
	arena_clear(&s->run.arena);
	return NULL;
}

/* How much waits, and for how long; and that something should be done about it. */
static void *
watcher_main(void *self)
{
	struct outbox *o = self;
	struct job_run run = { .worker = o->worker, .log = { .service = "worker" } };
	int64_t next_ms = clock_mono_ms();

	run.call = (struct bus_call){ .bus = o->worker->bus, .arena = &run.arena, .role = BUS_ROLE_WORKER, .log = run.log };
	for (unsigned look = 0; worker_wait(o->worker, next_ms); look++) {
		MetadataEmpty req = METADATA_EMPTY__INIT;
		MetadataQueueStateReply *state;

		if (metadata_queue_state(worker_call(&run), &req, &state) == ERR_OK) {
			metric_set(METRIC_QUEUE_ITEMS, (int64_t)state->items);
			metric_set(METRIC_QUEUE_OLDEST, state->oldest_ms / 1000);
			if (o->sender_count == 0 && state->items > 0 && look % WARN_EVERY == 0)
				log_warn(&run.log, "queue.no_smarthost", KV_INT("items", state->items),
				    KV_C("detail", "mail waits to be sent: set smarthost.host"));
		}
		arena_reset(&run.arena);
		next_ms = clock_mono_ms() + WATCH_MS;
	}
	arena_clear(&run.arena);
	return NULL;
}

static struct smtp_options
options_of(struct outbox_sender *s)
{
	const struct config *config = s->run.worker->config;
	bool is_implicit = str_equal(config->smarthost_tls, STR("implicit"));
	bool is_none = str_equal(config->smarthost_tls, STR("none"));

	return (struct smtp_options){
		.dial = { .host = config->smarthost_host.ptr, .port = (uint16_t)config->smarthost_port,
		    .ca_file = config->smarthost_ca.len > 0 ? config->smarthost_ca.ptr : NULL, .connect_ms = CONNECT_MS,
		    .patience = outbox_patience, .self = s },
		.tls = is_implicit ? SMTP_TLS_IMPLICIT : is_none ? SMTP_TLS_NONE : SMTP_TLS_STARTTLS,
		.helo = config->smarthost_helo.len > 0 ? config->smarthost_helo : s->outbox->hostname,
		.user = config->smarthost_user,
		.password = config->smarthost_password,
		.timeout_ms = config->smarthost_timeout,
	};
}

static enum err
start_sender(struct outbox *o)
{
	struct outbox_sender *s = &o->senders[o->started];

	s->outbox = o;
	s->run = (struct job_run){ .worker = o->worker, .log = { .service = "worker", .trace = random_u64() } };
	s->run.call = (struct bus_call){ .bus = o->worker->bus, .arena = &s->run.arena, .role = BUS_ROLE_WORKER, .log = s->run.log };
	s->smtp_options = options_of(s);
	if (pthread_create(&s->thread, NULL, sender_main, s) != 0)
		return ERR_INTERNAL;
	o->started++;
	return ERR_OK;
}

enum err
outbox_start(struct worker *worker, struct str hostname, struct outbox **ret)
{
	struct outbox *o = MEM_NEW(struct outbox);
	enum err err = ERR_OK;

	o->worker = worker;
	o->hostname = hostname.len > 0 ? hostname : STR("localhost");
	snprintf(o->owner_bytes, sizeof(o->owner_bytes), "%.*s/%d", STR_ARG(str_sub(o->hostname, 0, 255)), (int)getpid());
	o->owner = str_c(o->owner_bytes);
	o->sender_count = worker->config->smarthost_host.len > 0 ? (size_t)worker->config->queue_connections : 0;
	o->senders = mem_calloc(o->sender_count + 1, sizeof(struct outbox_sender));
	pthread_mutex_init(&o->lock, NULL);
	o->is_watched = pthread_create(&o->watcher, NULL, watcher_main, o) == 0;
	if (!o->is_watched)
		err = ERR_INTERNAL;
	while (err == ERR_OK && o->started < o->sender_count)
		err = start_sender(o);
	*ret = o;
	return err;
}

void
outbox_free(struct outbox *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->started; i++)
		pthread_join(o->senders[i].thread, NULL);
	if (o->is_watched)
		pthread_join(o->watcher, NULL);
	pthread_mutex_destroy(&o->lock);
	free(o->senders);
	free(o);
}
