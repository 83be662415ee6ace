/* One socket to one replica. */
#include "libcommon/bus/link.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "libcommon/bus/bus.h"
#include "libcommon/bus/local.h"
#include "libcommon/bus/sockets.h"
#include "libcommon/bus/tls.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"

/* What cannot be handed to a connection within this is not sent at all: the connection is gone, or its peer has stopped reading. */
enum { SEND_TIME_MS = 2000, RECONNECT_MIN_MS = 50, RECONNECT_MAX_MS = 2000 };

enum lane_state { LANE_SENDING, LANE_RECEIVING };

struct bus_lane {
	struct bus_link *link;
	struct bus_lane *next; /* when it is free */
	nng_ctx ctx;
	nng_aio *aio;
	enum lane_state state;
	struct bus_local *local;    /* not NULL: the call does not go through nng */
	struct bus_lane *previous, *following; /* of the link's local calls */
	bool is_closed; /* the link was closed before nng was asked */
	int64_t deadline_ms;
};

struct bus_link {
	nng_socket socket;
	struct bus_gate gate;
	_Atomic uint32_t pipe; /* nng's number of the connection; 0: none */
	_Atomic unsigned generation;
	void (*changed)(void *arg);
	void *arg;
	pthread_mutex_t lock;
	struct bus_lane *free;
	char *local_url;        /* NULL: it is not of this process */
	struct bus_lane *local; /* calls that are under way there */
};

static void
pipe_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct bus_link *link = arg;
	uint32_t id = (uint32_t)nng_pipe_id(pipe);

	if (event == NNG_PIPE_EV_ADD_POST) {
		atomic_fetch_add(&link->generation, 1);
		atomic_store(&link->pipe, id);
	} else {
		/* Perhaps of one that was never ours (the peer was no REP), or that has a successor. */
		atomic_compare_exchange_strong(&link->pipe, &id, 0);
	}
	link->changed(link->arg);
}

static int
dial(struct bus_link *link, const char *url, const struct bus_tls *tls, const char *service)
{
	nng_dialer dialer;
	int failed = nng_dialer_create(&dialer, link->socket, url);

	if (failed == 0 && bus_url_is_tls(str_c(url)))
		failed = bus_tls_set_dialer(tls, dialer, service);
	return failed ? failed : nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
}

static int
open_socket(struct bus_link *link, const char *url, const struct bus_tls *tls, const char *service)
{
	nng_socket s = link->socket;
	int failed;

	/* The resend time is copied into each context when it is opened: set it first. */
	failed = nng_socket_set_ms(s, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
	failed = failed ? failed : nng_socket_set_ms(s, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
	failed = failed ? failed : nng_socket_set_ms(s, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
	failed = failed ? failed : nng_socket_set_size(s, NNG_OPT_RECVMAXSZ, BUS_WIRE_MAX);
	failed = failed ? failed : nng_pipe_notify(s, NNG_PIPE_EV_ADD_POST, pipe_changed, link);
	failed = failed ? failed : nng_pipe_notify(s, NNG_PIPE_EV_REM_POST, pipe_changed, link);
	return failed ? failed : dial(link, url, tls, service);
}

enum err
bus_link_open(const char *url, const struct bus_tls *tls, const char *service, void (*changed)(void *arg), void *arg,
    struct bus_link **ret_link)
{
	struct bus_link *link = MEM_NEW(struct bus_link);

	if (str_starts_with(str_c(url), STR("inproc://")))
		link->local_url = mem_strdup(url);
	link->changed = changed;
	link->arg = arg;
	pthread_mutex_init(&link->lock, NULL);
	if (nng_req0_open(&link->socket) != 0) {
		free(link->local_url);
		free(link);
		return ERR_CONFIG;
	}
	if (open_socket(link, url, tls, service) != 0) {
		bus_link_close(link);
		bus_link_free(link);
		return ERR_CONFIG;
	}
	*ret_link = link;
	return ERR_OK;
}

void
bus_link_close(struct bus_link *link)
{
	bus_gate_close(&link->gate, link->socket);
	pthread_mutex_lock(&link->lock);
	for (struct bus_lane *lane = link->local; lane != NULL; lane = lane->following)
		bus_local_close(lane->local, ERR_CLOSED);
	pthread_mutex_unlock(&link->lock);
}

void
bus_link_free(struct bus_link *link)
{
	while (link->free != NULL) {
		struct bus_lane *lane = link->free;

		link->free = lane->next;
		nng_aio_free(lane->aio);
		free(lane);
	}
	pthread_mutex_destroy(&link->lock);
	free(link->local_url);
	free(link);
}

bool
bus_link_is_connected(const struct bus_link *link)
{
	return atomic_load(&link->pipe) != 0;
}

unsigned
bus_link_generation(const struct bus_link *link)
{
	return atomic_load(&link->generation);
}

static nng_duration
time_left(const struct bus_lane *lane, int64_t most_ms)
{
	int64_t left = clock_left_ms(lane->deadline_ms);

	/* 0 would mean "do not even try" to nng. */
	return (nng_duration)(left > most_ms ? most_ms : left < 1 ? 1 : left);
}

/* On nng's own threads: the receive is posted when the send is done, which is what nng is tested with. */
static void
lane_advance(void *arg)
{
	struct bus_lane *lane = arg;

	if (lane->state == LANE_RECEIVING)
		return;
	if (nng_aio_result(lane->aio) != 0) {
		nng_msg_free(nng_aio_get_msg(lane->aio));
		nng_aio_set_msg(lane->aio, NULL);
		return;
	}
	lane->state = LANE_RECEIVING;
	nng_aio_set_timeout(lane->aio, time_left(lane, INT32_MAX));
	if (bus_gate_enter(&lane->link->gate)) {
		nng_ctx_recv(lane->ctx, lane->aio);
		bus_gate_leave(&lane->link->gate);
	} else {
		lane->is_closed = true;
	}
}

static struct bus_lane *
lane_new(struct bus_link *link)
{
	struct bus_lane *lane = MEM_NEW(struct bus_lane);

	lane->link = link;
	if (nng_aio_alloc(&lane->aio, lane_advance, lane) != 0)
		abort();
	return lane;
}

static struct bus_lane *
lane_take(struct bus_link *link)
{
	struct bus_lane *lane;

	pthread_mutex_lock(&link->lock);
	lane = link->free;
	if (lane != NULL)
		link->free = lane->next;
	pthread_mutex_unlock(&link->lock);
	return lane ? lane : lane_new(link);
}

/* False: nobody in this process listens there. */
static bool
begin_local(struct bus_lane *lane, nng_msg *msg)
{
	struct bus_link *link = lane->link;

	lane->local = link->local_url ? bus_local_begin(link->local_url, msg) : NULL;
	if (lane->local == NULL)
		return false;
	lane->state = LANE_RECEIVING;
	pthread_mutex_lock(&link->lock);
	lane->previous = NULL;
	lane->following = link->local;
	if (link->local != NULL)
		link->local->previous = lane;
	link->local = lane;
	pthread_mutex_unlock(&link->lock);
	return true;
}

static void
end_local(struct bus_lane *lane)
{
	struct bus_link *link = lane->link;

	pthread_mutex_lock(&link->lock);
	if (lane->previous != NULL)
		lane->previous->following = lane->following;
	else
		link->local = lane->following;
	if (lane->following != NULL)
		lane->following->previous = lane->previous;
	pthread_mutex_unlock(&link->lock);
	bus_local_end(lane->local);
	lane->local = NULL;
}

struct bus_lane *
bus_lane_begin(struct bus_link *link, const ProtobufCMessage *header, const struct bus_body *body, int64_t deadline_ms)
{
	struct bus_lane *lane = lane_take(link);
	nng_msg *msg;

	lane->deadline_ms = deadline_ms;
	lane->state = LANE_SENDING;
	lane->is_closed = !bus_gate_enter(&link->gate);
	if (lane->is_closed)
		return lane;
	msg = bus_message_new(header, body);
	if (!begin_local(lane, msg)) {
		if (nng_ctx_id(lane->ctx) < 0 && nng_ctx_open(&lane->ctx, link->socket) != 0)
			abort();
		nng_aio_set_msg(lane->aio, msg);
		nng_aio_set_timeout(lane->aio, time_left(lane, SEND_TIME_MS));
		nng_ctx_send(lane->ctx, lane->aio);
	}
	bus_gate_leave(&link->gate);
	return lane;
}

enum err
bus_lane_wait(struct bus_lane *lane, struct str *ret_bytes)
{
	nng_msg *msg;

	if (lane->local != NULL) {
		TRY(bus_local_wait(lane->local, lane->deadline_ms, &msg));
		*ret_bytes = str_from(nng_msg_body(msg), nng_msg_len(msg));
		return ERR_OK;
	}
	nng_aio_wait(lane->aio);
	if (lane->is_closed)
		return ERR_CLOSED;
	switch (nng_aio_result(lane->aio)) {
	case 0:
		msg = nng_aio_get_msg(lane->aio);
		*ret_bytes = str_from(nng_msg_body(msg), nng_msg_len(msg));
		return ERR_OK;
	case NNG_ETIMEDOUT:
		return lane->state == LANE_RECEIVING || clock_left_ms(lane->deadline_ms) == 0 ? ERR_DEADLINE : ERR_UNAVAILABLE;
	case NNG_ECLOSED:
	case NNG_ECANCELED:
		return ERR_CLOSED;
	default:
		return ERR_UNAVAILABLE;
	}
}

bool
bus_lane_was_sent(const struct bus_lane *lane)
{
	return lane->state == LANE_RECEIVING;
}

void
bus_lane_end(struct bus_lane *lane)
{
	struct bus_link *link = lane->link;

	if (lane->local != NULL)
		end_local(lane);
	nng_msg_free(nng_aio_get_msg(lane->aio));
	nng_aio_set_msg(lane->aio, NULL);
	pthread_mutex_lock(&link->lock);
	lane->next = link->free;
	link->free = lane;
	pthread_mutex_unlock(&link->lock);
}
