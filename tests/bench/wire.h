/*
 * What the load generators share: a client's connection that blocks, and times to be summed up. Whatever goes wrong ends the program with
 * what the server said: a benchmark with errors in it measures nothing.
 */
#ifndef SORA_TESTS_BENCH_WIRE_H
#define SORA_TESTS_BENCH_WIRE_H

#include <openssl/ssl.h>

#include "libcommon/core/str.h"

struct wire {
	int fd;
	SSL *ssl; /* NULL: plain */
	struct str said; /* the last line, without its end; valid until the next */
	size_t start, end; /* of `in` */
	char in[65536];
};

/* Connect to 127.0.0.1:`port`, by TLS at once where `tls` is given. */
void wire_open(struct wire *wire, unsigned port, SSL_CTX *tls);
void wire_close(struct wire *wire);
void wire_send(struct wire *wire, struct str bytes);
void wire_printf(struct wire *wire, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The next line: `wire->said`. Lines that are longer than the buffer are taken in pieces. */
struct str wire_line(struct wire *wire);
/* The next line must begin so. */
void wire_expect(struct wire *wire, const char *start);
/* Skip `len` bytes: a literal. */
void wire_skip(struct wire *wire, size_t len);

/* End the program: what was wanted, and `wire->said` (where there is a connection). */
_Noreturn void give_up(const struct wire *wire, const char *wanted);

/* A decimal argument. */
size_t number(const char *text);

/* Durations in microseconds, from as many threads as there are. */
struct times {
	int64_t *us;
	_Atomic size_t count;
};
void times_init(struct times *times, size_t most);
void times_add(struct times *times, int64_t us);
/* Prints `"p50_ms": .., "p99_ms": ..`. */
void times_print(struct times *times);

#endif
