/* Answering calls: the socket, its slots, the queue, and the threads that run handlers. */
#include "libcommon/bus/server.h"

#include <nng/protocol/reqrep0/rep.h>
#include <stdlib.h>

#include "libcommon/bus/local.h"
#include "libcommon/bus/slot.h"
#include "libcommon/bus/sockets.h"
#include "libcommon/bus/tls.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"

enum {
	USUAL_THREADS = 8,
	USUAL_QUEUE = 1024,
	USUAL_IN_FLIGHT = 2048,
	USUAL_BYTES = 256 * 1024 * 1024,
	SPARE_SLOTS = 8, /* more than may be in flight, to tell the others that we are busy */
	IPC_MODE = 0600,
};

static void
clear(struct bus_slot *slot)
{
	slot->header = NULL;
	slot->rpc = (struct rpc){ .service = slot->server->self, .arena = &slot->arena, .log = slot->server->log };
}

static void
receive(struct bus_slot *slot)
{
	slot->state = BUS_SLOT_RECEIVING;
	clear(slot);
	nng_aio_set_timeout(slot->aio, NNG_DURATION_INFINITE);
	if (bus_gate_enter(&slot->server->gate)) {
		nng_ctx_recv(slot->ctx, slot->aio);
		bus_gate_leave(&slot->server->gate);
	}
}

/* Under the lock: ERR_OK when there is room for it, which is then taken. */
static enum err
enqueue(struct bus_server *server, struct bus_slot *slot)
{
	size_t bytes = nng_msg_len(slot->msg);

	/* This very process has no other replica to go to: its calls are served to the end. */
	if (server->is_draining && (!slot->header->pinned || server->is_ending) && slot->local == NULL)
		return ERR_GOING_AWAY;
	if (server->in_flight >= server->limits.in_flight || server->bytes + bytes > server->limits.bytes)
		return ERR_BUSY;
	/* From here on the slot may run, and even be answered, as soon as the lock is given up. */
	slot->state = BUS_SLOT_RUNNING;
	TRY(bus_queue_put(&server->queue, slot, slot->header->route));
	slot->is_counted = true;
	slot->bytes = bytes;
	server->bytes += bytes;
	server->in_flight++;
	pthread_cond_signal(&server->work);
	return ERR_OK;
}

/* A call has come: it waits for a thread, or is answered here. */
static void
begin(struct bus_slot *slot)
{
	struct bus_server *server = slot->server;
	enum err err;

	slot->received_us = clock_mono_us();
	err = bus_slot_open(slot);
	/* Nobody waits to be told how we are: not for a thread, and not while we are busy or draining. */
	if (err == ERR_OK && bus_slot_is_ping(slot)) {
		bus_slot_answer(slot, bus_slot_ping(slot));
		return;
	}
	if (err == ERR_OK) {
		pthread_mutex_lock(&server->lock);
		err = enqueue(server, slot);
		pthread_mutex_unlock(&server->lock);
	}
	if (err != ERR_OK) {
		metric_add(METRIC_BUS_REFUSED, 1);
		bus_slot_answer(slot, err);
	}
}

static void
received(struct bus_slot *slot)
{
	slot->msg = nng_aio_get_msg(slot->aio);
	nng_aio_set_msg(slot->aio, NULL);
	slot->pipe = nng_msg_get_pipe(slot->msg);
	slot->roles = bus_roles_of(&slot->server->roles, slot->pipe);
	begin(slot);
}

void
bus_server_take(struct bus_server *server, struct bus_local *call, nng_msg *msg)
{
	struct bus_slot *slot = MEM_NEW(struct bus_slot);

	slot->server = server;
	slot->local = call;
	slot->msg = msg;
	slot->roles = BUS_ROLES_ALL;
	clear(slot);
	pthread_mutex_lock(&server->lock);
	slot->following = server->locals;
	if (server->locals != NULL)
		server->locals->previous = slot;
	server->locals = slot;
	pthread_mutex_unlock(&server->lock);
	begin(slot);
}

/* Under the lock. */
static void
unlink_local(struct bus_slot *slot)
{
	if (slot->previous != NULL)
		slot->previous->following = slot->following;
	else
		slot->server->locals = slot->following;
	if (slot->following != NULL)
		slot->following->previous = slot->previous;
}

void
bus_server_release(struct bus_slot *slot)
{
	struct bus_server *server = slot->server;

	pthread_mutex_lock(&server->lock);
	if (slot->local != NULL)
		unlink_local(slot);
	if (slot->is_counted) {
		slot->is_counted = false;
		server->bytes -= slot->bytes;
		if (--server->in_flight == 0)
			pthread_cond_broadcast(&server->idle);
	}
	pthread_mutex_unlock(&server->lock);
}

static void
sent(struct bus_slot *slot)
{
	int failed = nng_aio_result(slot->aio);

	if (failed != 0)
		nng_msg_free(nng_aio_get_msg(slot->aio));
	nng_aio_set_msg(slot->aio, NULL);
	/* It asks and does not listen: it must not hold the places of others for longer than once. */
	if (failed == NNG_ETIMEDOUT && nng_pipe_close(slot->pipe) == 0)
		log_warn(&slot->server->log, "bus.peer_closed", KV_C("text", "a caller does not take its answers"));
	bus_server_release(slot);
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

/* The next call to run, waited for; *line is what the last one ran on, and then this one. NULL: the server is closed. */
static struct bus_slot *
dequeue(struct bus_server *server, struct bus_line **line)
{
	struct bus_slot *slot = NULL;

	pthread_mutex_lock(&server->lock);
	if (*line != NULL)
		bus_queue_done(&server->queue, *line);
	while (!server->is_closed && (slot = bus_queue_take(&server->queue, line)) == NULL)
		pthread_cond_wait(&server->work, &server->lock);
	/* A line that may run again was not there when its calls came. */
	if (server->queue.first != NULL)
		pthread_cond_signal(&server->work);
	pthread_mutex_unlock(&server->lock);
	return slot;
}

static void *
run(void *arg)
{
	struct bus_server *server = arg;
	struct bus_line *line = NULL;
	struct bus_slot *slot;

	while ((slot = dequeue(server, &line)) != NULL)
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
	if (server->limits.bytes == 0)
		server->limits.bytes = USUAL_BYTES;
}

static void
pipe_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct bus_server *server = arg;

	if (event == NNG_PIPE_EV_ADD_PRE)
		bus_roles_add(&server->roles, pipe);
	else
		bus_roles_remove(&server->roles, pipe);
}

static void
open_slots(struct bus_server *server)
{
	nng_socket s;

	if (nng_rep0_open(&s) != 0 || nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, BUS_WIRE_MAX) != 0 ||
	    nng_pipe_notify(s, NNG_PIPE_EV_ADD_PRE, pipe_changed, server) != 0 ||
	    nng_pipe_notify(s, NNG_PIPE_EV_REM_POST, pipe_changed, server) != 0)
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
	server->began_ms = clock_mono_ms();
	set_limits(server, limits);
	bus_queue_init(&server->queue, &server->limits);
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->work, NULL);
	pthread_cond_init(&server->idle, NULL);
	bus_roles_init(&server->roles);
	open_slots(server);
	server->threads = mem_calloc(server->limits.threads, sizeof(*server->threads));
	for (size_t i = 0; i < server->limits.threads; i++) {
		if (pthread_create(&server->threads[i], NULL, run, server) != 0)
			abort();
	}
	return server;
}

static int
start_listener(struct bus_server *server, const char *url, const struct bus_tls *tls)
{
	nng_listener listener;
	int failed = nng_listener_create(&listener, server->socket, url);

	if (failed != 0)
		return failed;
	/* Set before anyone can connect: nng does it between bind and listen. */
	if (strncmp(url, "ipc://", strlen("ipc://")) == 0)
		failed = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, IPC_MODE);
	else if (bus_url_is_tls(str_c(url)))
		failed = bus_tls_set_listener(tls, listener);
	failed = failed ? failed : nng_listener_start(listener, 0);
	if (failed != 0)
		nng_listener_close(listener);
	else if (strncmp(url, "inproc://", strlen("inproc://")) == 0)
		bus_local_listen(server, arena_cstr(&server->arena, str_c(url)));
	return failed;
}

enum err
bus_server_listen(struct bus_server *server, struct str url, const struct bus_tls *tls)
{
	struct arena arena = { 0 };
	struct str *urls = &url;
	size_t count = 1;
	int failed;

	/* A name of ours may stand for two addresses; callers use the first, too. */
	if (bus_url_is_name(url) && bus_resolve(url, &arena, &urls, &count) != ERR_OK)
		urls = &url;
	failed = start_listener(server, arena_cstr(&arena, urls[0]), tls);
	if (failed != 0)
		log_error(&server->log, "bus.listen_failed", KV_STR("url", url), KV_C("text", nng_strerror(failed)));
	else
		log_info(&server->log, "bus.listening", KV_STR("url", url));
	server->has_network |= failed == 0 && !bus_url_is_local(url);
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
bus_server_describe(struct bus_server *server, BusPingReply *reply)
{
	reply->up_ms = (uint64_t)(clock_mono_ms() - server->began_ms);
	pthread_mutex_lock(&server->lock);
	reply->waiting = server->queue.waiting;
	reply->under_way = server->in_flight - server->queue.waiting;
	reply->draining = server->is_draining;
	pthread_mutex_unlock(&server->lock);
}

void
bus_server_note_clock(struct bus_server *server, struct str detail)
{
	int64_t refused = log_seldom(&server->clock_refused);

	if (refused > 0)
		log_error(&server->log, "bus.clock", KV_INT("refused", refused), KV_STR("text", detail));
}

void
bus_server_quiesce(struct bus_server *server, int64_t deadline_ms)
{
	struct timespec until = clock_timespec(deadline_ms);

	pthread_mutex_lock(&server->lock);
	server->is_draining = server->is_ending = true;
	while (server->in_flight > 0 && clock_left_ms(deadline_ms) > 0)
		pthread_cond_clockwait(&server->idle, &server->lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&server->lock);
}

void
bus_server_free(struct bus_server *server)
{
	struct bus_slot *left;

	bus_local_forget(server);
	bus_gate_close(&server->gate, server->socket);
	pthread_mutex_lock(&server->lock);
	for (const struct bus_slot *slot = server->locals; slot != NULL; slot = slot->following)
		bus_local_close(slot->local, ERR_UNAVAILABLE);
	server->is_closed = true;
	pthread_cond_broadcast(&server->work);
	pthread_mutex_unlock(&server->lock);
	for (size_t i = 0; i < server->limits.threads; i++)
		pthread_join(server->threads[i], NULL);
	while ((left = bus_queue_drop(&server->queue)) != NULL) {
		if (left->local != NULL)
			bus_slot_answer(left, ERR_GOING_AWAY);
	}
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
	bus_roles_clear(&server->roles);
	bus_queue_clear(&server->queue);
	arena_clear(&server->arena);
	free(server->threads);
	free(server->slots);
	free(server->handlers);
	free(server);
}
