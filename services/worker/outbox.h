/*
 * Mail on its way out: `queue.connections` threads, each of which leases an item, sends it to the smarthost, and says what became of it.
 *
 * An item is sent at least once: who dies while he sends loses the lease, and another sends it with the same Message-ID. What the smarthost
 * says of a mail (4yz, 5yz) puts off or ends that mail; that it cannot be reached says nothing about one, so then everybody waits while one
 * tries now and then. Giving up goes by time (queue.expire), never by the number of attempts.
 */
#ifndef SORA_WORKER_OUTBOX_H
#define SORA_WORKER_OUTBOX_H

#include "libcommon/smtp/smtp.h"
#include "proto/metadata.client.h"
#include "services/worker/worker.h"

struct outbox;

/* One of the threads. */
struct outbox_sender {
	struct outbox *outbox;
	pthread_t thread;
	struct job_run run;             /* its arena: from one item to the next */
	struct arena connection;        /* from one connection to the next */
	struct smtp *smtp;              /* NULL: not connected */
	MetadataLeaseOutboxReply *item; /* that it has; under the outbox's lock, as others look at it */
	int64_t leased_ms, renew_ms, patience_ms;
	struct smtp_options smtp_options;
};

/* What became of an attempt. */
struct outbox_outcome {
	enum err err;       /* as smtp.h; ERR_NONEXISTENT: the lease is lost; ERR_GOING_AWAY: the worker ends */
	bool is_smarthosts; /* it is the smarthost that could not be used, for this mail or any */
	struct smtp_reply reply;
};

/* Starts nothing but a look at the queue now and then when there is no smarthost. */
enum err outbox_start(struct worker *worker, struct str hostname, struct outbox **ret);
/* After worker.is_stopping. */
void outbox_free(struct outbox *outbox);

/* send.c: one attempt to send sender->item. The reply's strings live in run.arena. */
void outbox_send(struct outbox_sender *sender, struct outbox_outcome *ret);
/* To be called while something takes its time: keeps the lease. ERR_NONEXISTENT, ERR_GOING_AWAY: do not go on. A net_patience. */
enum err outbox_patience(void *sender);

/* settle.c: the item is ended or put off, its sender told. */
void outbox_settle(struct outbox_sender *sender, const struct outbox_outcome *outcome);
/* When the next attempt is, after `attempts` that count: some 3/4 to 5/4 of queue.retry, doubled each time, up to queue.retry_most. */
int64_t outbox_delay_ms(const struct config *config, uint32_t attempts, uint64_t random);

struct outbox {
	struct worker *worker;
	struct str hostname, owner;
	pthread_mutex_t lock;
	struct outbox_sender *senders;
	size_t sender_count, started;
	pthread_t watcher;
	bool is_watched;
	uint64_t after;         /* the account whose turn was last */
	int64_t look_ms;        /* not before then is there anything to look for */
	int64_t brake_ms;       /* 0: the smarthost can be used */
	int64_t brake_until_ms; /* then one may try it */
	char owner_bytes[300];
};

static inline struct str
str_of(ProtobufCBinaryData data)
{
	return str_from(data.data, data.len);
}

static inline ProtobufCBinaryData
data_of(struct str s)
{
	return (ProtobufCBinaryData){ .len = s.len, .data = (uint8_t *)s.ptr };
}

/* What a dead worker had waits for so long. Between two renewals a piece of the body may take its 20 s. */
enum { OUTBOX_LEASE_MS = 60 * 1000, OUTBOX_RENEW_MS = 10 * 1000 };

#endif
