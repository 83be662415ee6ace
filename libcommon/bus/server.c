/* Answering calls: the socket, its slots, the queue, and the threads that run handlers. */
#include "libcommon/bus/server.h"

#include <nng/protocol/reqrep0/rep.h>
#include <stdlib.h>

#include "libcommon/bus/slot.h"
#include "libcommon/bus/sockets.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"

enum {
	USUAL_THREADS = 8,
	USUAL_QUEUE = 1024,
	USUAL_IN_FLIGHT = 2048,
	SPARE_SLOTS = 8, /* more than may be in flight, to tell the others that we are busy */
	IPC_MODE = 0600,
};

static void
receive(struct bus_slot *slot)
{
	slot->state = BUS_SLOT_RECEIVING;
	slot->rpc = (struct rpc){ .service = slot->server->self, .arena = &slot->arena, .log = slot->server->log };
	nng_aio_set_timeout(slot->aio, NNG_DURATION_INFINITE);
	if (bus_gate_enter(&slot->server->gate)) {
		nng_ctx_recv(slot->ctx, slot->aio);
		bus_gate_leave(&slot->server->gate);
	}
}

/* Calls over inproc come from this very process, which has no other replica to go to: they are served to the end. */
static bool
is_own_process(nng_msg *msg)
{
	nng_sockaddr address;

	return nng_pipe_get_addr(nng_msg_get_pipe(msg), NNG_OPT_LOCADDR, &address) == 0 && address.s_family == NNG_AF_INPROC;
}

/* Under the lock: ERR_OK when there is room for it, which is then taken. */
static enum err
enqueue(struct bus_server *server, struct bus_slot *slot)
{
	if (server->is_draining && !is_own_process(slot->msg))
		return ERR_GOING_AWAY;
	if (server->queued >= server->limits.queue || server->in_flight >= server->limits.in_flight)
		return ERR_BUSY;
	slot->is_counted = true;
	slot->state = BUS_SLOT_RUNNING;
	slot->next = NULL;
	*server->last = slot;
	server->last = &slot->next;
	server->queued++;
	server->in_flight++;
	pthread_cond_signal(&server->work);
	return ERR_OK;
}

static void
received(struct bus_slot *slot)
{
	struct bus_server *server = slot->server;
	enum err err;

	slot->msg = nng_aio_get_msg(slot->aio);
	nng_aio_set_msg(slot->aio, NULL);
	slot->received_us = clock_mono_us();
	pthread_mutex_lock(&server->lock);
	err = enqueue(server, slot);
	pthread_mutex_unlock(&server->lock);
	if (err != ERR_OK) {
		metric_add(METRIC_BUS_REFUSED, 1);
		bus_slot_answer(slot, err);
	}
}

static void
sent(struct bus_slot *slot)
{
	struct bus_server *server = slot->server;

	if (nng_aio_result(slot->aio) != 0)
		nng_msg_free(nng_aio_get_msg(slot->aio));
	nng_aio_set_msg(slot->aio, NULL);
	if (slot->is_counted) {
		slot->is_counted = false;
		pthread_mutex_lock(&server->lock);
		if (--server->in_flight == 0)
			pthread_cond_broadcast(&server->idle);
		pthread_mutex_unlock(&server->lock);
	}
	receive(slot);
}

/* On nng's own threads, which must not be held up: only the queue is touched here. */
static void
slot_advance(void *arg)
{
	struct bus_slot *slot = arg;

	if (slot->state == BUS_SLOT_SENDING)
		sent(slot);
	else if (nng_aio_result(slot->aio) == 0)
		received(slot);
	/* Else the socket was closed: this slot is at its end. */
}

static struct bus_slot *
dequeue(struct bus_server *server)
{
	struct bus_slot *slot;

	pthread_mutex_lock(&server->lock);
	while (server->first == NULL && !server->is_closed)
		pthread_cond_wait(&server->work, &server->lock);
	slot = server->is_closed ? NULL : server->first;
	if (slot != NULL) {
		server->first = slot->next;
		if (server->first == NULL)
			server->last = &server->first;
		server->queued--;
	}
	pthread_mutex_unlock(&server->lock);
	return slot;
}

static void *
run(void *arg)
{
	struct bus_server *server = arg;
	struct bus_slot *slot;

	while ((slot = dequeue(server)) != NULL)
		bus_slot_run(slot);
	return NULL;
}

static void
set_limits(struct bus_server *server, const struct bus_limits *limits)
{
	if (limits != NULL)
		server->limits = *limits;
	if (server->limits.threads == 0)
		server->limits.threads = USUAL_THREADS;
	if (server->limits.queue == 0)
		server->limits.queue = USUAL_QUEUE;
	if (server->limits.in_flight == 0)
		server->limits.in_flight = USUAL_IN_FLIGHT;
}

static void
open_slots(struct bus_server *server)
{
	nng_socket s;

	if (nng_rep0_open(&s) != 0 || nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, BUS_WIRE_MAX) != 0)
		abort();
	server->socket = s;
	server->slot_count = server->limits.in_flight + SPARE_SLOTS;
	server->slots = mem_calloc(server->slot_count, sizeof(*server->slots));
	for (size_t i = 0; i < server->slot_count; i++) {
		struct bus_slot *slot = &server->slots[i];

		slot->server = server;
		if (nng_ctx_open(&slot->ctx, s) != 0 || nng_aio_alloc(&slot->aio, slot_advance, slot) != 0)
			abort();
		receive(slot);
	}
}

struct bus_server *
bus_server_new(const char *service, const struct bus_handler *handlers, size_t count, void *self, const struct bus_limits *limits)
{
	struct bus_server *server = MEM_NEW(struct bus_server);

	server->log.service = service;
	server->handlers = mem_calloc(count, sizeof(*handlers));
	memcpy(server->handlers, handlers, count * sizeof(*handlers));
	server->handler_count = count;
	server->self = self;
	server->last = &server->first;
	set_limits(server, limits);
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->work, NULL);
	pthread_cond_init(&server->idle, NULL);
	open_slots(server);
	server->threads = mem_calloc(server->limits.threads, sizeof(*server->threads));
	for (size_t i = 0; i < server->limits.threads; i++) {
		if (pthread_create(&server->threads[i], NULL, run, server) != 0)
			abort();
	}
	return server;
}

static int
start_listener(struct bus_server *server, const char *url)
{
	nng_listener listener;
	int failed = nng_listener_create(&listener, server->socket, url);

	if (failed != 0)
		return failed;
	/* Set before anyone can connect: nng does it between bind and listen. */
	if (strncmp(url, "ipc://", strlen("ipc://")) == 0)
		failed = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, IPC_MODE);
	failed = failed ? failed : nng_listener_start(listener, 0);
	if (failed != 0)
		nng_listener_close(listener);
	return failed;
}

enum err
bus_server_listen(struct bus_server *server, struct str url)
{
	struct arena arena = { 0 };
	struct str *urls = &url;
	size_t count = 1;
	int failed;

	/* A name of ours may stand for two addresses; callers use the first, too. */
	if (bus_url_is_name(url) && bus_resolve(url, &arena, &urls, &count) != ERR_OK)
		urls = &url;
	failed = start_listener(server, arena_cstr(&arena, urls[0]));
	if (failed != 0)
		log_error(&server->log, "bus.listen_failed", KV_STR("url", url), KV_C("text", nng_strerror(failed)));
	else
		log_info(&server->log, "bus.listening", KV_STR("url", url));
	arena_clear(&arena);
	return failed ? ERR_CONFIG : ERR_OK;
}

void
bus_server_drain(struct bus_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->is_draining = true;
	pthread_mutex_unlock(&server->lock);
}

void
bus_server_quiesce(struct bus_server *server, int64_t deadline_ms)
{
	struct timespec until = clock_timespec(deadline_ms);

	pthread_mutex_lock(&server->lock);
	while (server->in_flight > 0 && clock_left_ms(deadline_ms) > 0)
		pthread_cond_clockwait(&server->idle, &server->lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&server->lock);
}

void
bus_server_free(struct bus_server *server)
{
	bus_gate_close(&server->gate, server->socket);
	pthread_mutex_lock(&server->lock);
	server->is_closed = true;
	pthread_cond_broadcast(&server->work);
	pthread_mutex_unlock(&server->lock);
	for (size_t i = 0; i < server->limits.threads; i++)
		pthread_join(server->threads[i], NULL);
	for (size_t i = 0; i < server->slot_count; i++) {
		struct bus_slot *slot = &server->slots[i];

		nng_aio_stop(slot->aio);
		nng_aio_free(slot->aio);
		nng_msg_free(slot->msg);
		arena_clear(&slot->arena);
	}
	pthread_mutex_destroy(&server->lock);
	pthread_cond_destroy(&server->work);
	pthread_cond_destroy(&server->idle);
	free(server->threads);
	free(server->slots);
	free(server->handlers);
	free(server);
}
