/*
 * Counters, gauges and latency histograms, rows of one table, printed as Prometheus text by libcommon/ops.
 *
 * A metric is a row of METRICS_TABLE; adding to it costs one atomic instruction.
 */
#ifndef SORA_CORE_METRICS_H
#define SORA_CORE_METRICS_H

#include <stdint.h>

#include "libcommon/core/buffer.h"

/*  id                      name                               kind     help */
#define METRICS_TABLE(X)                                                                                               \
	X(CONN_OPEN,        "sora_connections",                GAUGE,   "Client connections open now")                 \
	X(CONN_TOTAL,       "sora_connections_total",          COUNTER, "Client connections accepted")                 \
	X(CONN_REFUSED,     "sora_connections_refused_total",  COUNTER, "Client connections refused by a limit")       \
	X(NET_THREADS,      "sora_net_threads",                GAUGE,   "Threads that run sessions now")               \
	X(LOGIN_OK,         "sora_logins_total",               COUNTER, "Logins that succeeded")                       \
	X(LOGIN_FAILED,     "sora_logins_failed_total",        COUNTER, "Logins that were refused")                    \
	X(LMTP_DELIVERED,   "sora_lmtp_delivered_total",       COUNTER, "Recipients answered with 250 after DATA")     \
	X(LMTP_DEFERRED,    "sora_lmtp_deferred_total",        COUNTER, "Recipients answered with 4yz after DATA")     \
	X(LMTP_REFUSED,     "sora_lmtp_refused_total",         COUNTER, "Recipients answered with 5yz")                \
	X(IMAP_COMMANDS,    "sora_imap_commands_total",        COUNTER, "IMAP commands run")                           \
	X(IMAP_COMMAND_US,  "sora_imap_command_seconds",       LATENCY, "Time to run an IMAP command")                 \
	X(IMAP_AHEAD,       "sora_imap_ahead_sessions",        GAUGE,   "IMAP sessions that hold mails read before they are asked for") \
	X(POP3_AHEAD,       "sora_pop3_ahead_sessions",        GAUGE,   "POP3 sessions that do") \
	X(BUS_CALLS,        "sora_bus_calls_total",            COUNTER, "Calls made to other services")                \
	X(BUS_CALLS_FAILED, "sora_bus_calls_failed_total",     COUNTER, "Calls that failed for want of a working replica") \
	X(BUS_SERVED,       "sora_bus_served_total",           COUNTER, "Calls answered")                              \
	X(BUS_SERVE_US,     "sora_bus_serve_seconds",          LATENCY, "Time to answer a call, its wait included")    \
	X(BUS_REFUSED,      "sora_bus_refused_total",          COUNTER, "Calls refused: too late, too many, or malformed") \
	X(PG_TRANSACTIONS,  "sora_pg_transactions_total",      COUNTER, "Transactions committed")                      \
	X(PG_RECONNECTS,    "sora_pg_reconnects_total",        COUNTER, "Connections to PostgreSQL opened anew")       \
	X(PG_BATCHED,       "sora_pg_batched_calls_total",     COUNTER, "Calls that shared a transaction")             \
	X(BLOB_PUTS,        "sora_blob_puts_total",            COUNTER, "Bodies stored")                               \
	X(BLOB_PACKED,      "sora_blob_packed_bodies_total",   COUNTER, "Bodies stored in one object with others")     \
	X(BLOB_STORE_PUTS,  "sora_blob_store_puts_total",      COUNTER, "Objects written to the store")                \
	X(BLOB_GETS,        "sora_blob_gets_total",            COUNTER, "Bodies, or ranges of them, read")             \
	X(BLOB_BYTES_IN,    "sora_blob_stored_bytes_total",    COUNTER, "Bytes of bodies stored, before compression")  \
	X(BLOB_FAILED,      "sora_blob_failed_total",          COUNTER, "Requests to the object store that failed")    \
	X(BLOB_STORE_READS, "sora_blob_store_reads_total",     COUNTER, "Reads of the object store: GETs, or of files") \
	X(BLOB_CACHE_HITS,  "sora_blob_cache_hits_total",      COUNTER, "Reads that the cache on disk answered")       \
	X(BLOB_CACHE_MISSES, "sora_blob_cache_misses_total",   COUNTER, "Reads that it could not answer")              \
	X(BLOB_CACHE_DROPPED, "sora_blob_cache_dropped_total", COUNTER, "Pieces of the cache that were damaged, and went") \
	X(BLOB_CACHE_BYTES, "sora_blob_cache_bytes",           GAUGE,   "Bytes of the cache's files")                  \
	X(SIEVE_RUN_US,     "sora_sieve_run_seconds",          LATENCY, "Time to run a recipient's scripts")           \
	X(SIEVE_COMPILED,   "sora_sieve_compiled_total",       COUNTER, "Scripts compiled, which the cache did not have") \
	X(SIEVE_FAILED,     "sora_sieve_failed_total",         COUNTER, "Runs that failed: the mail is kept, the owner is told") \
	X(SWEPT,            "sora_worker_swept_total",         COUNTER, "Objects removed that nothing refers to")      \
	X(PURGED,           "sora_worker_purged_total",        COUNTER, "Expunged messages removed for good")          \
	X(OBJECTS_REMOVED,  "sora_worker_objects_removed_total", COUNTER, "Objects removed whose bodies were all past blob.keep") \
	X(OBJECTS_COMPACTED, "sora_worker_objects_compacted_total", COUNTER, "Objects whose wanted bodies were written anew") \
	X(BODIES_REMOVED,   "sora_worker_bodies_removed_total", COUNTER, "Bodies past blob.keep in objects removed")          \
	X(QUEUE_ITEMS,      "sora_queue_items",                GAUGE,   "Mails on their way out")                      \
	X(QUEUE_OLDEST,     "sora_queue_oldest_seconds",       GAUGE,   "The age of the oldest of them")               \
	X(QUEUE_SENT,       "sora_queue_sent_total",           COUNTER, "Mails that the smarthost took")               \
	X(QUEUE_DEFERRED,   "sora_queue_deferred_total",       COUNTER, "Attempts to send a mail that are to be made again") \
	X(QUEUE_GAVE_UP,    "sora_queue_gave_up_total",        COUNTER, "Mails that were given up, with a bounce unless the sender was null") \
	X(BUS_TLS_REFUSED,  "sora_bus_tls_refused_total",      COUNTER, "Connections of the bus refused, or not made, for their certificate") \
	X(TLS_ENDS,         "sora_tls_certificate_not_after_seconds", GAUGE, "When tls.certificate ends, seconds since 1970; 0: none is used") \
	X(BUS_CERTIFICATE_ENDS, "sora_bus_certificate_not_after_seconds", GAUGE, "When bus.tls.certificate ends, likewise") \
	X(BUS_AUTHORITY_ENDS, "sora_bus_authority_not_after_seconds", GAUGE, "When the first of bus.tls.ca ends, likewise")

enum metric {
#define X(id, name, kind, help) METRIC_##id,
	METRICS_TABLE(X)
#undef X
	METRIC_COUNT
};

/* Add to a counter or gauge (gauges: also negative). */
void metric_add(enum metric metric, int64_t value);
/* Set a gauge. */
void metric_set(enum metric metric, int64_t value);
/* Note one duration, in microseconds, in a LATENCY metric. */
void metric_latency(enum metric metric, int64_t elapsed_us);
int64_t metric_get(enum metric metric);
/* All of them in Prometheus' text format, version 0.0.4. */
void metrics_print(struct buffer *out);

#endif
