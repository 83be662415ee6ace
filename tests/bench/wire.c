/* A client's connection that blocks, and times to be summed up. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/wire.h"

void
give_up(const struct wire *wire, const char *wanted)
{
	if (wire == NULL)
		fprintf(stderr, "%s: %m\n", wanted);
	else
		fprintf(stderr, "wanted %s, got: %.*s\n", wanted, STR_ARG(wire->said));
	exit(1);
}

size_t
number(const char *text)
{
	uint32_t value;

	if (!str_to_u32(str_c(text), &value)) {
		fprintf(stderr, "not a number: %s\n", text);
		exit(2);
	}
	return value;
}

void
wire_open(struct wire *wire, unsigned port, SSL_CTX *tls)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval wait = { .tv_sec = 60 };
	int on = 1;

	wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	wire->ssl = NULL;
	wire->start = wire->end = 0;
	setsockopt(wire->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(wire->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		give_up(NULL, "connect");
	if (tls == NULL)
		return;
	wire->ssl = SSL_new(tls);
	SSL_set_fd(wire->ssl, wire->fd);
	if (SSL_connect(wire->ssl) != 1)
		give_up(NULL, "TLS");
}

void
wire_close(struct wire *wire)
{
	SSL_free(wire->ssl);
	close(wire->fd);
}

void
wire_send(struct wire *wire, struct str bytes)
{
	while (bytes.len > 0) {
		ssize_t sent = wire->ssl ? SSL_write(wire->ssl, bytes.ptr, (int)bytes.len) : send(wire->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

		if (sent <= 0)
			give_up(NULL, "send");
		bytes = str_sub(bytes, (size_t)sent, SIZE_MAX);
	}
}

void
wire_printf(struct wire *wire, const char *format, ...)
{
	char line[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(line))
		abort();
	wire_send(wire, str_from(line, (size_t)len));
}

static void
fill(struct wire *wire)
{
	ssize_t got;

	if (wire->start > 0) {
		memmove(wire->in, wire->in + wire->start, wire->end - wire->start);
		wire->end -= wire->start;
		wire->start = 0;
	}
	got = wire->ssl ? SSL_read(wire->ssl, wire->in + wire->end, (int)(sizeof(wire->in) - wire->end)) :
	    recv(wire->fd, wire->in + wire->end, sizeof(wire->in) - wire->end, 0);
	if (got <= 0)
		give_up(NULL, got == 0 ? "an answer, but the connection ended" : "an answer");
	wire->end += (size_t)got;
}

struct str
wire_line(struct wire *wire)
{
	size_t scanned = 0;

	for (;;) {
		size_t len = wire->end - wire->start;
		const char *newline = memchr(wire->in + wire->start + scanned, '\n', len - scanned);

		if (newline != NULL || len == sizeof(wire->in)) {
			const char *begin = wire->in + wire->start;
			const char *end = newline != NULL ? newline + 1 : begin + len;

			wire->start += (size_t)(end - begin);
			while (end > begin && (end[-1] == '\n' || end[-1] == '\r'))
				end--;
			return wire->said = str_from(begin, (size_t)(end - begin));
		}
		scanned = len;
		fill(wire);
	}
}

void
wire_expect(struct wire *wire, const char *start)
{
	if (!str_starts_with(wire_line(wire), str_c(start)))
		give_up(wire, start);
}

void
wire_skip(struct wire *wire, size_t len)
{
	for (;;) {
		size_t has = wire->end - wire->start;

		if (has >= len) {
			wire->start += len;
			return;
		}
		len -= has;
		wire->start = wire->end;
		fill(wire);
	}
}

void
times_init(struct times *times, size_t most)
{
	times->us = calloc(most, sizeof(*times->us));
	if (times->us == NULL)
		give_up(NULL, "memory");
	times->count = 0;
}

void
times_add(struct times *times, int64_t us)
{
	times->us[atomic_fetch_add(&times->count, 1)] = us;
}

static int
compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

void
times_print(struct times *times)
{
	size_t count = times->count;

	if (count == 0)
		return;
	qsort(times->us, count, sizeof(*times->us), compare);
	printf("\"p50_ms\": %.3f, \"p99_ms\": %.3f", (double)times->us[count / 2] / 1000, (double)times->us[count * 99 / 100] / 1000);
}
