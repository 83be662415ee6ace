/*
 * A server of a small line protocol, and clients for it.
 *
 *	ECHO text    answers text                    PEER         answers the peer's address
 *	BIG n        answers n bytes and a line end  READ n       reads n more bytes on its thread, answers "got n"
 *	USER name    OK or NO                        BLOCK        waits for fixture_open_gate, answers "done"
 *	STARTTLS     OK, then "hello" under TLS      QUIT         answers "bye" and ends
 *	SELFWAKE     wakes itself, answers "ran"     IDLE ms      sets the idle time
 *	REST ms      sets the time of its rest
 *	BIND         answers its channel binding in hexadecimal, or NO
 * wake() answers "* wake".
 */
#ifndef TEST_NET_FIXTURE_H
#define TEST_NET_FIXTURE_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "libcommon/net/net.h"

enum { WAIT_MS = 20000, LINE_MAX_BYTES = 1024 };

struct session {
	_Atomic int64_t wanted; /* of wakes */
	_Atomic int64_t seen;
	size_t number;
};

struct fixture {
	struct net_server *server;
	struct net_tls *tls;
	uint16_t port;
	struct net_protocol protocol;
	struct net_limits limits;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_gate_open;
	size_t opened, closed, running, ran, wakes;
	size_t framed;                      /* the most bytes that frame has seen at once */
	enum net_end last_end;              /* of the last that was closed, with its bytes */
	uint64_t last_in, last_out;
	struct net_conn *conns[4096];       /* by session->number */
};

/* Limits that a test may change before fixture_start. */
void fixture_init(struct fixture *f);
void fixture_start(struct fixture *f, const struct net_listen *listen, const struct str *trusted, size_t trusted_count);
/* Plain, on a free port. */
void fixture_start_plain(struct fixture *f);
void fixture_stop(struct fixture *f);
/* Wait until `*counter` is at least `value`; false after WAIT_MS. */
bool fixture_wait(struct fixture *f, const size_t *counter, size_t value);
void fixture_open_gate(struct fixture *f);

/* A certificate for `name`, in files of the test's own. */
struct certificate {
	char certificate_file[64], key_file[64];
};
void certificate_make(struct certificate *certificate, const char *name);
void certificate_remove(struct certificate *certificate);

/* Threads of this process now. */
size_t thread_count(void);
void raise_file_limit(void);

struct client {
	int fd;
	SSL *ssl;
	struct buffer in;
};
struct client client_connect(uint16_t port);
/* Whose kernel holds little of what it does not read. */
struct client client_connect_small(uint16_t port);
void client_send(struct client *c, struct str bytes);
/* The next line, without its end; valid until the next call. "(closed)" at the end, "(reset)", "(nothing)" after WAIT_MS. */
const char *client_line(struct client *c);
/* Send a line, give the answer. */
const char *client_ask(struct client *c, const char *line);
/* 1 when done, else what SSL_connect said. `alpn`: in wire form, or NULL. */
int client_tls(struct client *c, struct str alpn);
/* The same with these SSL_OP_ options. */
int client_tls_with(struct client *c, struct str alpn, uint64_t options);
void client_close(struct client *c);

#endif
