/* One connection, from its birth to its last log line, and what a session may ask of it. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "libcommon/core/random.h"
#include "libcommon/net/internal.h"
#include "libcommon/net/xclient.h"

enum { READ_BYTES = 32 * 1024 };

const char *
net_end_name(enum net_end end)
{
	static const char *const names[] = { "none", "quit", "client", "timeout", "error", "limit", "tls", "drain", "slow", "kicked" };

	return (size_t)end < sizeof(names) / sizeof(names[0]) ? names[end] : "error";
}

/* ---- birth and end */

enum err
conn_set_peer(struct net_conn *conn, const struct net_address *peer)
{
	struct tally *addresses = &conn->server->addresses;
	struct tally_name *before = conn->address;
	char text[NET_ADDRESS_TEXT];

	net_address_print(peer, text);
	TRY(tally_take(addresses, str_c(text), conn->server->limits.per_address, &conn->address));
	tally_drop(addresses, before);
	return ERR_OK;
}

struct net_conn *
conn_new(struct listener *listener, int fd, uint32_t slot, const struct net_address *peer)
{
	struct net_server *server = listener->server;
	struct net_conn *conn = mem_calloc(1, sizeof(*conn) + server->protocol->session_bytes);

	conn->server = server;
	conn->fd = fd;
	conn->slot = slot;
	conn->is_tls_listener = listener->is_tls;
	conn->push_at = OUTPUT_CHUNK;
	conn->accepted_ms = conn->unknown_ms = conn->active_ms = clock_mono_ms();
	conn->idle_ms = server->limits.idle_ms;
	snprintf(conn->id, sizeof(conn->id), "%016" PRIx64, random_u64());
	conn->log = server->log;
	conn->log.session = str_c(conn->id);
	conn->phase = listener->is_proxy ? PHASE_PROXY : listener->is_tls ? PHASE_TLS : PHASE_OPEN;
	if (!listener->is_proxy && conn_set_peer(conn, peer) != ERR_OK) {
		conn->end = NET_END_LIMIT;
		metric_add(METRIC_CONN_REFUSED, 1);
	} else if (conn->phase == PHASE_TLS && tls_accept(conn) != ERR_OK) {
		conn->end = NET_END_TLS;
	}
	if (conn->end != NET_END_NONE)
		conn->phase = PHASE_END;
	return conn;
}

static void
log_end(const struct net_conn *conn)
{
	const char *version = conn->ssl && SSL_is_init_finished(conn->ssl) ? SSL_get_version(conn->ssl) : "";

	log_info(&conn->log, "net.closed", KV_C("reason", net_end_name(conn->end)),
	    KV_STR("peer", conn->address ? conn->address->text : STR_NONE), KV_C("tls", version),
	    KV_INT("elapsed_ms", clock_mono_ms() - conn->accepted_ms), KV_INT("bytes_in", conn->bytes_in),
	    KV_INT("bytes_out", conn->bytes_out));
}

/* The number of the socket may be taken again once it is closed: nobody may find the connection by then. */
static void
leave_slot(struct net_conn *conn)
{
	struct net_server *server = conn->server;
	struct slot *slot = &server->slots[conn->slot];
	uint64_t generation = (atomic_load(&slot->word) >> SLOT_FLAGS_BITS) + 1;

	timers_remove(&server->timers, conn->slot);
	atomic_store(&slot->word, generation << SLOT_FLAGS_BITS | SLOT_OWNED);
	pthread_mutex_lock(&server->lock);
	slot->conn = NULL;
	pthread_mutex_unlock(&server->lock);
}

static void
free_slot(struct net_server *server, uint32_t slot)
{
	metric_add(METRIC_CONN_OPEN, -1);
	pthread_mutex_lock(&server->lock);
	server->free_slots[server->free_count++] = slot;
	server->open--;
	if (server->open == 0)
		pthread_cond_broadcast(&server->is_empty);
	pthread_mutex_unlock(&server->lock);
}

void
conn_free(struct net_conn *conn)
{
	struct net_server *server = conn->server;
	uint32_t slot = conn->slot;

	log_end(conn);
	leave_slot(conn);
	if (conn->ssl != NULL) {
		tls_close(conn);
		SSL_free(conn->ssl);
	}
	close(conn->fd);
	tally_drop(&server->addresses, conn->address);
	tally_drop(&server->users, conn->user);
	buffer_clear(&conn->in);
	buffer_clear(&conn->out);
	arena_clear(&conn->arena);
	free(conn);
	free_slot(server, slot);
}

/* ---- input */

static enum net_io
receive(struct net_conn *conn, char *bytes, size_t max, size_t *ret_len)
{
	ssize_t got;

	if (conn->ssl != NULL)
		return tls_read(conn, bytes, max, ret_len);
	do {
		got = recv(conn->fd, bytes, max, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? IO_WANT_READ : IO_ERROR;
	*ret_len = (size_t)got;
	return got == 0 ? IO_EOF : IO_OK;
}

enum net_io
conn_fill(struct net_conn *conn, size_t max)
{
	size_t len = 0;
	enum net_io io = receive(conn, buffer_reserve(&conn->in, max), max, &len);

	if (io == IO_OK) {
		buffer_grew(&conn->in, len);
		conn->bytes_in += len;
		conn->is_stuck = false;
	} else if (io == IO_EOF) {
		conn->is_eof = true;
	} else if (io == IO_ERROR) {
		conn->is_eof = conn->is_broken = true;
	}
	return io;
}

/* Before the login there is one budget of time for everything. */
static int64_t
read_deadline(const struct net_conn *conn, int64_t timeout_ms)
{
	int64_t deadline_ms = clock_mono_ms() + timeout_ms;
	int64_t login_ms = conn->unknown_ms + conn->server->limits.login_ms;

	if (conn->user == NULL && conn->server->limits.login_ms > 0 && login_ms < deadline_ms)
		return login_ms;
	return deadline_ms;
}

/* Go on with what is under way, then read. */
static enum net_io
advance(struct net_conn *conn)
{
	enum net_io io;

	if (conn->phase == PHASE_TLS) {
		io = tls_handshake(conn);
		if (io != IO_OK) {
			conn->is_broken = io == IO_ERROR || io == IO_EOF;
			return io;
		}
		conn->phase = PHASE_SESSION;
	}
	if (buffer_len(&conn->out) > 0)
		output_send(conn);
	return conn->is_eof ? IO_EOF : conn_fill(conn, READ_BYTES);
}

/*
 * In the middle of a request: many clients send a literal or a mail in two writes, and hold the last few bytes back until what came before
 * is acknowledged (Nagle's algorithm). The kernel would take 40 ms for that, as we have nothing to say.
 */
static void
acknowledge(struct net_conn *conn)
{
	int on = 1;

	setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static enum err
read_until(struct net_conn *conn, int64_t deadline_ms)
{
	for (;;) {
		enum net_io io = advance(conn);
		struct pollfd fd = { .fd = conn->fd, .events = POLLIN };

		if (io == IO_OK)
			return ERR_OK;
		if (io == IO_EOF || io == IO_ERROR)
			return ERR_CLOSED;
		if (io == IO_WANT_WRITE)
			fd.events = POLLOUT;
		else if (buffer_len(&conn->out) > 0 && conn->phase != PHASE_TLS)
			fd.events |= POLLOUT;
		acknowledge(conn);
		if (poll(&fd, 1, (int)clock_left_ms(deadline_ms)) == 0)
			return ERR_DEADLINE;
	}
}

/* A byte now and then is as good as silence: what counts is how long this run has waited since the last step. */
enum err
net_read(struct net_conn *conn, int64_t timeout_ms)
{
	int64_t begun_ms = clock_mono_ms();
	enum err err;

	if (conn->bytes_in - conn->step_in >= INPUT_STEP) {
		conn->step_in = conn->bytes_in;
		conn->waited_ms = 0;
	}
	err = read_until(conn, read_deadline(conn, timeout_ms - conn->waited_ms));
	conn->waited_ms += clock_mono_ms() - begun_ms;
	return err;
}

/* ---- what a session asks */

void *
net_session(struct net_conn *conn)
{
	return conn->session;
}

void *
net_self(struct net_conn *conn)
{
	return conn->server->self;
}

struct log *
net_log(struct net_conn *conn)
{
	return &conn->log;
}

struct str
net_peer(struct net_conn *conn)
{
	return conn->address->text;
}

bool
net_can_xclient(struct net_conn *conn)
{
	struct net_network peer;

	return conn->server->xclients.count > 0 && net_network_parse(net_peer(conn), &peer) == ERR_OK &&
	    networks_have(&conn->server->xclients, &peer.address);
}

enum err
net_xclient(struct net_conn *conn, struct str arguments)
{
	struct net_address client;

	if (!net_can_xclient(conn))
		return ERR_DENIED;
	TRY(xclient_client(arguments, &client));
	return client.len > 0 ? conn_set_peer(conn, &client) : ERR_OK;
}

struct arena *
net_arena(struct net_conn *conn)
{
	return &conn->arena;
}

struct buffer *
net_input(struct net_conn *conn)
{
	return &conn->in;
}

bool
net_has_tls(struct net_conn *conn)
{
	return conn->ssl != NULL;
}

bool
net_is_private(struct net_conn *conn)
{
	struct str peer = net_peer(conn);

	return net_has_tls(conn) || str_starts_with(peer, STR("127.")) || str_equal(peer, STR("::1"));
}

bool
net_can_starttls(struct net_conn *conn)
{
	return conn->ssl == NULL && conn->server->tls != NULL;
}

enum err
net_set_user(struct net_conn *conn, struct str user)
{
	struct tally *users = &conn->server->users;
	struct tally_name *name;

	TRY(tally_take(users, user, conn->server->limits.per_user, &name));
	conn_leave_share(conn);
	tally_drop(users, conn->user);
	conn->user = name;
	conn->log.user = name->text;
	return ERR_OK;
}

void
net_clear_user(struct net_conn *conn)
{
	conn_leave_share(conn);
	tally_drop(&conn->server->users, conn->user);
	conn->user = NULL;
	conn->log.user = STR_NONE;
	conn->unknown_ms = clock_mono_ms();
}

void
net_set_idle(struct net_conn *conn, int64_t idle_ms)
{
	conn->idle_ms = idle_ms;
}

void
net_set_rest(struct net_conn *conn, int64_t rest_ms)
{
	conn->rest_ms = rest_ms;
}

void
net_hold(struct net_conn *conn, bool is_held)
{
	conn->is_held = is_held;
}

void
net_end(struct net_conn *conn, enum net_end end)
{
	conn->end = (uint8_t)end;
}
