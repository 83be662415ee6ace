/* Output: collected, sent, queued when the client does not read, and only past that waited for. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "libcommon/core/clock.h"
#include "libcommon/net/internal.h"

enum { PIECE_BYTES = 256 * 1024 };

static enum net_io
send_some(struct net_conn *conn, struct str bytes, size_t *ret_len)
{
	ssize_t sent;

	if (conn->ssl != NULL)
		return tls_write(conn, bytes, ret_len);
	do {
		sent = send(conn->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? IO_WANT_WRITE : IO_ERROR;
	*ret_len = (size_t)sent;
	return IO_OK;
}

/* The client's time to take a step begins, if it does not run already. */
static void
note_blocked(struct net_conn *conn)
{
	if (conn->is_blocked)
		return;
	conn->is_blocked = true;
	conn->progress_ms = clock_mono_ms();
	conn->progress_out = conn->bytes_out;
}

/* Note what sending came to. A byte now and then is no progress: it is a step, or all that there was. */
static void
note(struct net_conn *conn, enum net_io io, size_t sent)
{
	if (io == IO_OK) {
		conn->bytes_out += sent;
		if (conn->bytes_out - conn->progress_out >= OUTPUT_STEP || sent == buffer_len(&conn->out))
			conn->is_blocked = false;
	} else if (io == IO_WANT_READ || io == IO_WANT_WRITE) {
		conn->interest = io == IO_WANT_READ ? EPOLLIN : EPOLLOUT;
		note_blocked(conn);
	} else {
		conn->is_broken = true;
		buffer_clear(&conn->out);
	}
}

enum net_io
output_send(struct net_conn *conn)
{
	enum net_io io = IO_OK;

	if (conn->is_broken)
		return IO_ERROR;
	while (buffer_len(&conn->out) > 0 && io == IO_OK) {
		size_t sent = 0;

		io = send_some(conn, buffer_str(&conn->out), &sent);
		note(conn, io, sent);
		if (io == IO_OK)
			buffer_consume(&conn->out, sent);
	}
	conn->push_at = buffer_len(&conn->out) + OUTPUT_CHUNK;
	return io;
}

int64_t
output_deadline(const struct net_conn *conn)
{
	return conn->progress_ms + conn->server->limits.write_ms;
}

/* Hold the thread until no more than `until` bytes are queued, write_ms in all: others wait for it. */
static enum err
wait_output(struct net_conn *conn, size_t until)
{
	int64_t deadline_ms = clock_mono_ms() + conn->server->limits.write_ms;

	while (buffer_len(&conn->out) > until) {
		enum net_io io = conn->phase == PHASE_TLS ? tls_handshake(conn) : output_send(conn);
		struct pollfd fd = { .fd = conn->fd };

		if (io == IO_ERROR || io == IO_EOF) {
			conn->is_broken = true;
			return ERR_CLOSED;
		}
		if (io == IO_OK) {
			if (conn->phase == PHASE_TLS)
				conn->phase = PHASE_SESSION;
			continue;
		}
		fd.events = io == IO_WANT_READ ? POLLIN : POLLOUT;
		if (poll(&fd, 1, (int)clock_left_ms(deadline_ms)) == 0) {
			conn->is_broken = true;
			conn->end = NET_END_SLOW;
			buffer_clear(&conn->out);
			return ERR_CLOSED;
		}
	}
	return conn->is_broken ? ERR_CLOSED : ERR_OK;
}

/* `out` has grown: send when it is worth a packet, wait when it is too much. */
static enum err
push(struct net_conn *conn)
{
	if (buffer_len(&conn->out) >= conn->push_at && conn->phase != PHASE_TLS)
		output_send(conn);
	if (buffer_len(&conn->out) > OUTPUT_QUEUE)
		return wait_output(conn, OUTPUT_QUEUE / 2);
	return conn->is_broken ? ERR_CLOSED : ERR_OK;
}

enum err
net_write(struct net_conn *conn, struct str bytes)
{
	while (bytes.len > 0 && !conn->is_broken) {
		struct str piece = str_sub(bytes, 0, PIECE_BYTES);
		size_t sent = 0;

		/* What is large is sent from where it is. */
		if (buffer_len(&conn->out) == 0 && piece.len >= OUTPUT_CHUNK && conn->phase != PHASE_TLS) {
			enum net_io io = send_some(conn, piece, &sent);

			note(conn, io, sent);
			bytes = str_sub(bytes, sent, SIZE_MAX);
			if (sent > 0 || conn->is_broken)
				continue;
		}
		buffer_add(&conn->out, piece);
		bytes = str_sub(bytes, piece.len, SIZE_MAX);
		TRY(push(conn));
	}
	return conn->is_broken ? ERR_CLOSED : ERR_OK;
}

enum err
net_printf(struct net_conn *conn, const char *format, ...)
{
	va_list args;

	if (conn->is_broken)
		return ERR_CLOSED;
	va_start(args, format);
	buffer_vprintf(&conn->out, format, args);
	va_end(args);
	return push(conn);
}

enum err
net_flush(struct net_conn *conn)
{
	if (conn->phase != PHASE_TLS)
		output_send(conn);
	return conn->is_broken ? ERR_CLOSED : ERR_OK;
}

enum err
net_starttls(struct net_conn *conn)
{
	if (!net_can_starttls(conn))
		return ERR_INVALID;
	TRY(wait_output(conn, 0));
	buffer_clear(&conn->in);
	conn->scanned = 0;
	conn->phase = PHASE_TLS;
	return tls_accept(conn);
}
