/*
 * Answering calls: one REP socket for each service, with a slot (an nng context) for each call that may be under way, and a pool
 * of threads that run the handlers.
 */
#ifndef SORA_BUS_SERVER_H
#define SORA_BUS_SERVER_H

#include <pthread.h>

#include "libcommon/bus/sockets.h"

struct bus_slot;

struct bus_server {
	struct bus_server *next;
	struct log log;
	struct bus_handler *handlers;
	size_t handler_count;
	void *self;
	struct bus_limits limits;
	nng_socket socket;
	struct bus_gate gate;
	struct bus_slot *slots;
	size_t slot_count;
	pthread_t *threads;

	pthread_mutex_t lock;
	pthread_cond_t work; /* something is queued, or closed */
	pthread_cond_t idle; /* in_flight is 0 */
	struct bus_slot *first, **last;
	size_t queued, in_flight;
	bool is_draining, is_closed;
};

/* As bus_serve; `limits` may be NULL, a limit 0: then a usual one. */
struct bus_server *bus_server_new(const char *service, const struct bus_handler *handlers, size_t count, void *self,
    const struct bus_limits *limits);
/* ERR_CONFIG: logged. */
enum err bus_server_listen(struct bus_server *server, struct str url);
void bus_server_drain(struct bus_server *server);
void bus_server_quiesce(struct bus_server *server, int64_t deadline_ms);
/* Closes its sockets, waits for the handlers that run. */
void bus_server_free(struct bus_server *server);

#endif
