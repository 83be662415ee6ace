/* What a connection needs next, looked at without blocking: input to frame, output to finish, a deadline, a thread. */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "libcommon/net/internal.h"

enum {
	FILL_BYTES = 4096,
	LINGER_MS = 2000,
	LINGER_BYTES = 1024 * 1024, /* of input thrown away at one look */
};

void
conn_end(struct net_conn *conn, enum net_end end)
{
	if (conn->end == NET_END_NONE)
		conn->end = (uint8_t)end;
	conn->phase = PHASE_END;
}

static bool
is_waking(const struct net_conn *conn)
{
	return (atomic_load(&conn->server->slots[conn->slot].word) & SLOT_WAKE) != 0;
}

static enum conn_todo
park_for(struct net_conn *conn, uint32_t interest)
{
	conn->interest = interest;
	return TODO_PARK;
}

/* ---- before the session */

static enum conn_todo
proxy_done(struct net_conn *conn, const struct net_address *client)
{
	struct sockaddr_storage storage;
	socklen_t len = sizeof(storage);
	struct net_address peer = *client;

	/* LOCAL: the load balancer itself, looking whether we live. */
	if (peer.len == 0 && getpeername(conn->fd, (struct sockaddr *)&storage, &len) == 0)
		peer = net_address_from((struct sockaddr *)&storage);
	buffer_clear(&conn->in);
	conn->bytes_in = 0;
	if (conn_set_peer(conn, &peer) != ERR_OK) {
		metric_add(METRIC_CONN_REFUSED, 1);
		conn_end(conn, NET_END_LIMIT);
	} else if (!conn->is_tls_listener) {
		conn->phase = PHASE_OPEN;
	} else if (tls_accept(conn) == ERR_OK) {
		conn->phase = PHASE_TLS;
	} else {
		conn_end(conn, NET_END_TLS);
	}
	return TODO_NONE;
}

/* Not one byte more than the header is read: what follows may be TLS, which reads the socket itself. */
static enum conn_todo
look_proxy(struct net_conn *conn)
{
	struct net_address client;
	size_t need;
	enum err err;

	while ((err = proxy_parse(buffer_str(&conn->in), &need, &client)) == ERR_AGAIN) {
		enum net_io io = conn_fill(conn, need - buffer_len(&conn->in));

		if (io == IO_WANT_READ)
			return park_for(conn, EPOLLIN);
		if (io != IO_OK) {
			conn_end(conn, NET_END_CLIENT);
			return TODO_NONE;
		}
	}
	if (err == ERR_OK)
		return proxy_done(conn, &client);
	conn_end(conn, NET_END_ERROR);
	return TODO_NONE;
}

static enum conn_todo
look_tls(struct net_conn *conn)
{
	enum net_io io = tls_handshake(conn);

	if (io == IO_WANT_READ || io == IO_WANT_WRITE)
		return park_for(conn, io == IO_WANT_READ ? EPOLLIN : EPOLLOUT);
	if (io == IO_OK) {
		conn->phase = conn->is_open ? PHASE_SESSION : PHASE_OPEN;
	} else {
		conn->is_broken = true;
		conn_end(conn, NET_END_TLS);
	}
	return TODO_NONE;
}

/* ---- in the session */

/* A request for a thread, or more bytes, or neither: then parked for input. */
static enum conn_todo
look_input(struct net_conn *conn)
{
	const struct net_protocol *protocol = conn->server->protocol;

	for (;;) {
		size_t held = buffer_len(&conn->in);
		enum net_io io;

		if (held > 0 && !conn->is_stuck &&
		    protocol->frame(conn, buffer_str(&conn->in), &conn->scanned) != NET_FRAME_MORE)
			return TODO_RUN;
		if (held >= protocol->input_max && !conn->is_stuck)
			return TODO_RUN;
		if (held >= protocol->input_max || conn->is_eof) {
			conn_end(conn, conn->is_eof ? NET_END_CLIENT : NET_END_LIMIT);
			return TODO_NONE;
		}
		io = conn_fill(conn, held + FILL_BYTES < protocol->input_max ? FILL_BYTES : protocol->input_max - held);
		if (io == IO_WANT_READ || io == IO_WANT_WRITE)
			return park_for(conn, io == IO_WANT_READ ? EPOLLIN : EPOLLOUT);
	}
}

static bool
take_wake(struct net_conn *conn)
{
	return (atomic_fetch_and(&conn->server->slots[conn->slot].word, ~(uint64_t)SLOT_WAKE) & SLOT_WAKE) != 0;
}

static enum conn_todo
look_session(struct net_conn *conn)
{
	bool has_wake = is_waking(conn);
	enum conn_todo todo;

	/* One that does not read is given no new input, nor news. */
	output_send(conn);
	if (conn->is_broken) {
		conn_end(conn, NET_END_CLIENT);
		return TODO_NONE;
	}
	if (buffer_len(&conn->out) > 0)
		return TODO_PARK;
	if (has_wake && conn->server->protocol->wake == NULL)
		has_wake = !take_wake(conn);
	if (has_wake && !conn->has_woken)
		return TODO_WAKE;
	todo = look_input(conn);
	return todo == TODO_PARK && has_wake ? TODO_WAKE : todo;
}

/* ---- after the session */

/* A handshake that is not done can send nothing, and needs not. */
static bool
can_send(const struct net_conn *conn)
{
	return !conn->is_broken && (conn->ssl == NULL || SSL_is_init_finished(conn->ssl));
}

static enum conn_todo
look_closing(struct net_conn *conn)
{
	if (can_send(conn))
		output_send(conn);
	if (!can_send(conn))
		return TODO_FREE;
	if (buffer_len(&conn->out) > 0)
		return atomic_load(&conn->server->is_forced) ? TODO_FREE : TODO_PARK;
	/* Closed with input unread, the socket would tell the client "reset" before it has read why. */
	if ((conn->end != NET_END_ERROR && conn->end != NET_END_LIMIT) || conn->bytes_out == 0 || conn->is_eof)
		return TODO_FREE;
	if (conn->ssl != NULL)
		tls_close(conn);
	shutdown(conn->fd, SHUT_WR);
	conn->progress_ms = clock_mono_ms();
	conn->phase = PHASE_LINGER;
	return TODO_NONE;
}

static enum conn_todo
look_linger(struct net_conn *conn)
{
	char waste[4096];
	ssize_t got;

	for (size_t total = 0; total < LINGER_BYTES; total += (size_t)got) {
		got = recv(conn->fd, waste, sizeof(waste), 0);
		if (got <= 0)
			return got < 0 && errno == EAGAIN ? park_for(conn, EPOLLIN) : TODO_FREE;
	}
	return TODO_FREE;
}

/* ---- parking */

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static bool
is_writing(const struct net_conn *conn)
{
	return conn->phase == PHASE_CLOSING || (conn->phase == PHASE_SESSION && buffer_len(&conn->out) > 0);
}

/* When a parked connection's time is over, and why. */
static int64_t
deadline_of(const struct net_conn *conn, enum net_end *ret_end)
{
	const struct net_limits *limits = &conn->server->limits;
	int64_t drain_ms = server_drain_at(conn->server, conn->slot);
	int64_t at_ms;

	*ret_end = NET_END_TIMEOUT;
	if (conn->phase == PHASE_LINGER) {
		at_ms = conn->progress_ms + LINGER_MS;
	} else if (is_writing(conn)) {
		at_ms = output_deadline(conn);
		*ret_end = NET_END_SLOW;
	} else {
		at_ms = conn->active_ms + conn->idle_ms;
		if (conn->user == NULL && limits->login_ms > 0)
			at_ms = sooner(at_ms, conn->unknown_ms + limits->login_ms);
	}
	if (drain_ms == 0 || conn->is_held || drain_ms > at_ms || conn->phase == PHASE_CLOSING || conn->phase == PHASE_LINGER)
		return at_ms;
	*ret_end = NET_END_DRAIN;
	return drain_ms;
}

static void
expire(struct net_conn *conn, enum net_end end)
{
	if (conn->phase >= PHASE_CLOSING) {
		conn->is_broken = true;
		conn->phase = PHASE_CLOSING;
		return;
	}
	conn->end = (uint8_t)end;
	if (end == NET_END_SLOW) {
		conn->is_broken = true;
	} else if (conn->phase == PHASE_SESSION && conn->server->protocol->bye != NULL) {
		conn->server->protocol->bye(conn, end);
		/* Now: the thread that closes the session may be long in coming. */
		output_send(conn);
	}
	conn->phase = PHASE_END;
}

/* The client rests: wake it. Which waits until it has taken what it was sent, as all wakes do. */
static void
rest(struct net_conn *conn)
{
	conn->rest_ms = 0;
	atomic_fetch_or(&conn->server->slots[conn->slot].word, SLOT_WAKE);
}

/* False: it cannot be parked, something is there to be looked at. */
static bool
park(struct net_conn *conn)
{
	bool keeps_wake = conn->phase != PHASE_SESSION || buffer_len(&conn->out) > 0;
	bool is_forced = atomic_load(&conn->server->is_forced);
	int64_t now_ms = clock_mono_ms();
	enum net_end end;
	int64_t at_ms = deadline_of(conn, &end);

	if (is_forced || at_ms <= now_ms) {
		expire(conn, is_forced ? NET_END_DRAIN : end);
		return false;
	}
	if (conn->rest_ms > 0 && conn->active_ms + conn->rest_ms <= now_ms)
		rest(conn);
	if (conn->rest_ms > 0)
		at_ms = sooner(at_ms, conn->active_ms + conn->rest_ms);
	buffer_release(&conn->in);
	buffer_release(&conn->out);
	timers_sooner(&conn->server->timers, conn->slot, at_ms);
	return conn_release(conn, keeps_wake);
}

static enum conn_todo
look_once(struct net_conn *conn)
{
	switch ((enum conn_phase)conn->phase) {
	case PHASE_PROXY:
		return look_proxy(conn);
	case PHASE_TLS:
		return look_tls(conn);
	case PHASE_OPEN:
		return TODO_OPEN;
	case PHASE_SESSION:
		return look_session(conn);
	case PHASE_END:
		conn->phase = conn->is_open ? PHASE_END : PHASE_CLOSING;
		return conn->is_open ? TODO_CLOSE : TODO_NONE;
	case PHASE_CLOSING:
		return look_closing(conn);
	case PHASE_LINGER:
		return look_linger(conn);
	}
	return TODO_FREE;
}

static void
clear_marks(struct net_conn *conn)
{
	atomic_fetch_and(&conn->server->slots[conn->slot].word, ~(uint64_t)(SLOT_EVENT | SLOT_TIMER));
}

enum conn_todo
conn_look(struct net_conn *conn)
{
	for (;;) {
		enum conn_todo todo;

		clear_marks(conn);
		todo = look_once(conn);
		if (todo == TODO_FREE) {
			conn_free(conn);
			return TODO_NONE;
		}
		if (todo == TODO_PARK && park(conn))
			return TODO_NONE;
		if (todo != TODO_PARK && todo != TODO_NONE)
			return todo;
	}
}

/* ---- on a thread */

static enum err
run_requests(struct net_conn *conn)
{
	uint64_t taken = conn->bytes_in - buffer_len(&conn->in);
	enum err err;

	conn->step_in = conn->bytes_in;
	conn->waited_ms = 0;
	err = conn->server->protocol->run(conn);
	conn->scanned = 0;
	conn->is_stuck = conn->bytes_in - buffer_len(&conn->in) == taken;
	conn->active_ms = clock_mono_ms();
	return err;
}

static void
close_session(struct net_conn *conn)
{
	if (conn->server->protocol->close != NULL)
		conn->server->protocol->close(conn);
	arena_clear(&conn->arena);
	conn->is_open = false;
	conn->phase = PHASE_CLOSING;
	if (!conn->is_blocked)
		conn->progress_ms = clock_mono_ms();
}

void
conn_run(struct net_conn *conn, enum conn_todo todo)
{
	const struct net_protocol *protocol = conn->server->protocol;
	enum err err = ERR_OK;

	if (todo == TODO_CLOSE) {
		close_session(conn);
		return;
	}
	conn->has_woken = todo == TODO_WAKE;
	if (todo == TODO_OPEN) {
		conn->is_open = true;
		conn->phase = PHASE_SESSION;
		err = protocol->open(conn);
	} else if (todo == TODO_RUN) {
		err = run_requests(conn);
	} else if (take_wake(conn)) {
		err = protocol->wake(conn);
	}
	if (err != ERR_OK)
		conn_end(conn, err == ERR_CLOSED ? NET_END_CLIENT : NET_END_ERROR);
	else if (!conn->is_held && server_drain_at(conn->server, conn->slot) != 0)
		expire(conn, NET_END_DRAIN);
}
