/* Connections that we make: non-blocking below, so that every wait has its end. */
#include "libcommon/net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"

enum { PATIENCE_MS = 1000 }; /* it is asked so often, and not twice as often */

struct net_dialled {
	const struct net_dial_options *options;
	int fd;
	SSL_CTX *context;
	SSL *ssl; /* NULL: no TLS */
	int64_t ask_ms; /* not before then is the patience asked again */
};

static enum err
ask_patience(struct net_dialled *d)
{
	if (!d->options->patience || clock_left_ms(d->ask_ms) > 0)
		return ERR_OK;
	d->ask_ms = clock_mono_ms() + PATIENCE_MS / 2;
	return d->options->patience(d->options->self);
}

/* Wait until the socket is ready for `events`. */
static enum err
wait_for(struct net_dialled *d, short events, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd fd = { .fd = d->fd, .events = events };
		int64_t left_ms = clock_left_ms(deadline_ms);
		enum err err;
		int ready;

		if (left_ms == 0)
			return ERR_DEADLINE;
		ready = poll(&fd, 1, (int)(left_ms < PATIENCE_MS ? left_ms : PATIENCE_MS));
		if (ready < 0 && errno != EINTR)
			return ERR_UNAVAILABLE;
		/* Of a peer that is slow but never silent, too. What has come is taken, whatever it says: it may be the last answer. */
		err = ask_patience(d);
		if (ready > 0)
			return ERR_OK;
		TRY(err);
	}
}

static enum err
connect_to(struct net_dialled *d, const struct addrinfo *address, int64_t deadline_ms, const char **ret_reason)
{
	int problem = 0, one = 1;
	socklen_t len = sizeof(problem);
	enum err err;

	d->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd < 0) {
		*ret_reason = strerrordesc_np(errno);
		return ERR_UNAVAILABLE;
	}
	(void)setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(d->fd, address->ai_addr, address->ai_addrlen) == 0)
		return ERR_OK;
	if (errno == EINPROGRESS) {
		err = wait_for(d, POLLOUT, deadline_ms);
		if (err != ERR_OK) {
			*ret_reason = "no answer";
			return err;
		}
		(void)getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &problem, &len);
	} else {
		problem = errno;
	}
	*ret_reason = strerrordesc_np(problem);
	return problem == 0 ? ERR_OK : ERR_UNAVAILABLE;
}

/* Each address in turn has its share of the time. */
static enum err
connect_to_any(struct net_dialled *d, const struct addrinfo *addresses, const char **ret_reason)
{
	int64_t deadline_ms = clock_mono_ms() + d->options->connect_ms;
	enum err err = ERR_UNAVAILABLE;
	int left = 0;

	for (const struct addrinfo *a = addresses; a; a = a->ai_next)
		left++;
	for (const struct addrinfo *a = addresses; a; a = a->ai_next) {
		err = connect_to(d, a, clock_mono_ms() + clock_left_ms(deadline_ms) / left--, ret_reason);
		if (err == ERR_OK || (err != ERR_UNAVAILABLE && err != ERR_DEADLINE))
			break;
		if (a->ai_next && d->fd >= 0) {
			close(d->fd);
			d->fd = -1;
		}
	}
	return err;
}

enum err
net_dial(const struct net_dial_options *options, struct net_dialled **ret, struct arena *arena, struct str *reterr_reason)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct net_dialled *d = MEM_NEW(struct net_dialled);
	struct addrinfo *addresses = NULL;
	const char *reason = NULL;
	char port[8];
	int problem;
	enum err err;

	d->options = options;
	d->fd = -1;
	snprintf(port, sizeof(port), "%u", options->port);
	problem = getaddrinfo(options->host, port, &hints, &addresses);
	if (problem != 0) {
		*reterr_reason = arena_printf(arena, "%s: %s", options->host, gai_strerror(problem));
		net_dialled_free(d);
		return ERR_UNAVAILABLE;
	}
	err = connect_to_any(d, addresses, &reason);
	freeaddrinfo(addresses);
	if (err != ERR_OK) {
		*reterr_reason = arena_printf(arena, "%s port %s: %s", options->host, port, reason ? reason : err_row(err)->text);
		net_dialled_free(d);
		return err;
	}
	*ret = d;
	return ERR_OK;
}

void
net_dialled_free(struct net_dialled *d)
{
	if (!d)
		return;
	SSL_free(d->ssl);
	SSL_CTX_free(d->context);
	if (d->fd >= 0)
		close(d->fd);
	free(d);
}

bool
net_dialled_has_tls(const struct net_dialled *d)
{
	return d->ssl != NULL;
}

/* What OpenSSL wants before it goes on; ERR_OK: try again. */
static enum err
wait_for_ssl(struct net_dialled *d, int result, int64_t deadline_ms)
{
	switch (SSL_get_error(d->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return wait_for(d, POLLIN, deadline_ms);
	case SSL_ERROR_WANT_WRITE:
		return wait_for(d, POLLOUT, deadline_ms);
	default:
		return ERR_CLOSED;
	}
}

/* RFC 6125: the certificate must be for the name or the address that was dialled. */
static bool
expect_host(SSL *ssl, const char *host)
{
	unsigned char address[16];

	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static const char *
why(const struct net_dialled *d, enum err err)
{
	long verified = d->ssl ? SSL_get_verify_result(d->ssl) : X509_V_OK;
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (verified != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	return err == ERR_CLOSED && reason ? reason : err_row(err)->text;
}

static enum err
handshake(struct net_dialled *d, int64_t deadline_ms)
{
	const char *ca_file = d->options->ca_file;
	enum err err = ERR_OK;
	int result;

	ERR_clear_error();
	d->context = SSL_CTX_new(TLS_client_method());
	if (!d->context || SSL_CTX_set_min_proto_version(d->context, TLS1_2_VERSION) != 1)
		return ERR_INTERNAL;
	if ((ca_file ? SSL_CTX_load_verify_file(d->context, ca_file) : SSL_CTX_set_default_verify_paths(d->context)) != 1)
		return ERR_CONFIG;
	SSL_CTX_set_mode(d->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(d->context, SSL_VERIFY_PEER, NULL);
	d->ssl = SSL_new(d->context);
	if (!d->ssl || !expect_host(d->ssl, d->options->host) || SSL_set_fd(d->ssl, d->fd) != 1)
		return ERR_INTERNAL;
	while (err == ERR_OK && (result = SSL_connect(d->ssl)) != 1)
		err = wait_for_ssl(d, result, deadline_ms);
	return err;
}

enum err
net_dialled_tls(struct net_dialled *d, int64_t deadline_ms, struct arena *arena, struct str *reterr_reason)
{
	enum err err = handshake(d, deadline_ms);

	if (err == ERR_OK)
		return ERR_OK;
	*reterr_reason = arena_printf(arena, "TLS with %s: %s", d->options->host,
	    err == ERR_CONFIG ? "the file of authorities cannot be used" : why(d, err));
	if (d->ssl && SSL_get_verify_result(d->ssl) != X509_V_OK)
		err = ERR_DENIED;
	ERR_clear_error();
	return err;
}

enum err
net_dialled_read(struct net_dialled *d, char *to, size_t size, int64_t deadline_ms, size_t *ret_len)
{
	for (;;) {
		ssize_t got;

		if (d->ssl) {
			int result;

			ERR_clear_error();
			result = SSL_read(d->ssl, to, size > INT32_MAX ? INT32_MAX : (int)size);
			if (result <= 0) {
				TRY(wait_for_ssl(d, result, deadline_ms));
				continue;
			}
			*ret_len = (size_t)result;
			return ERR_OK;
		}
		got = recv(d->fd, to, size, 0);
		if (got > 0) {
			*ret_len = (size_t)got;
			return ERR_OK;
		}
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return ERR_CLOSED;
		TRY(wait_for(d, POLLIN, deadline_ms));
	}
}

enum err
net_dialled_write(struct net_dialled *d, struct str bytes, int64_t deadline_ms)
{
	while (bytes.len > 0) {
		ssize_t sent;

		if (d->ssl) {
			int result;

			ERR_clear_error();
			result = SSL_write(d->ssl, bytes.ptr, bytes.len > INT32_MAX ? INT32_MAX : (int)bytes.len);
			if (result <= 0) {
				TRY(wait_for_ssl(d, result, deadline_ms));
				continue;
			}
			sent = result;
		} else {
			sent = send(d->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
			if (sent < 0 && errno != EAGAIN && errno != EINTR)
				return ERR_CLOSED;
			if (sent < 0) {
				TRY(wait_for(d, POLLOUT, deadline_ms));
				continue;
			}
		}
		bytes = str_sub(bytes, (size_t)sent, SIZE_MAX);
	}
	return ERR_OK;
}
