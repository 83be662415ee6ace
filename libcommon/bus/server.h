/*
 * Answering calls: one REP socket for each service, with a slot (an nng context) for each call that may be under way, and a pool
 * of threads that run the handlers.
 */
#ifndef SORA_BUS_SERVER_H
#define SORA_BUS_SERVER_H

#include <pthread.h>

#include "libcommon/bus/queue.h"
#include "libcommon/bus/roles.h"
#include "libcommon/bus/sockets.h"
#include "proto/bus.pb-c.h"

struct bus_local;
struct bus_slot;
struct bus_tls;

struct bus_server {
	struct bus_server *next;
	struct log log;
	struct bus_handler *handlers;
	size_t handler_count;
	void *self;
	struct bus_limits limits;
	nng_socket socket;
	struct bus_gate gate;
	struct bus_roles roles; /* of those who are connected */
	struct bus_slot *slots;
	size_t slot_count;
	pthread_t *threads;
	int64_t began_ms;
	struct arena arena; /* what lives as long as it does */
	bool has_network; /* listens at an address that other machines could have */

	pthread_mutex_t lock;
	pthread_cond_t work; /* something may run, or closed */
	pthread_cond_t idle; /* in_flight is 0 */
	struct bus_queue queue;
	struct bus_slot *locals; /* calls of this process that are under way */
	size_t in_flight, bytes;
	bool is_draining; /* takes nothing new */
	bool is_ending;   /* nor the next part of what it has */
	bool is_closed;
	struct log_seldom clock_refused;
};

/* As bus_serve; `limits` may be NULL, a limit 0: then a usual one. */
struct bus_server *bus_server_new(const char *service, const struct bus_handler *handlers, size_t count, void *self,
    const struct bus_limits *limits);
/* ERR_CONFIG: logged. `tls` may be NULL for other URLs than tls+tcp. */
enum err bus_server_listen(struct bus_server *server, struct str url, const struct bus_tls *tls);
/* A call of this very process: libcommon/bus/local.h. It is answered by bus_local_answer, perhaps before this returns. */
void bus_server_take(struct bus_server *server, struct bus_local *call, nng_msg *msg);
/* The call of the slot is no longer under way. */
void bus_server_release(struct bus_slot *slot);
void bus_server_drain(struct bus_server *server);
/* How it is. */
void bus_server_describe(struct bus_server *server, BusPingReply *reply);
/* A call was refused because the caller's clock or this one is wrong: logged once a minute. */
void bus_server_note_clock(struct bus_server *server, struct str detail);
void bus_server_quiesce(struct bus_server *server, int64_t deadline_ms);
/* Closes its sockets, waits for the handlers that run. */
void bus_server_free(struct bus_server *server);

#endif
