/*
 * libcommon/net measured, and stressed without Criterion (which does not start under ThreadSanitizer).
 *
 *	net idle plain|tls COUNT    bytes (PSS) and threads for COUNT idle connections, the clients being another process
 *	net rate COUNT SECONDS      requests a second of COUNT connections, each with one request under way
 *	net stress SECONDS          connections that come and go, talk, time out and are woken, from many threads; then a drain.
 *	                            Exit 1: a wake was lost. Best with SAN=thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/random.h"
#include "libcommon/net/net.h"

enum { SESSIONS_MAX = 32, LOST_MS = 10000 };

/* Who may be woken: the lock is held over net_conn_wake, so that close has not returned. */
struct session {
	pthread_mutex_t lock;
	struct net_conn *conn;
	_Atomic int64_t wanted, seen;
	_Atomic uint64_t life;
};

static struct session sessions[SESSIONS_MAX];
static _Atomic size_t session_count;
static _Atomic bool is_over;
static _Atomic uint64_t ran, woken, lost;

/* ---- the protocol: a line is answered by itself; "T.." is STARTTLS, "S.." may be silent for long, "Q.." ends */

static enum err
open_session(struct net_conn *conn)
{
	size_t number = atomic_fetch_add(&session_count, 1) % SESSIONS_MAX;
	struct session *session = &sessions[number];

	pthread_mutex_lock(&session->lock);
	if (session->conn == NULL) {
		session->conn = conn;
		*(struct session **)net_session(conn) = session;
		atomic_fetch_add(&session->life, 1);
	}
	pthread_mutex_unlock(&session->lock);
	return net_write(conn, STR("* hello\n"));
}

static enum net_frame
frame(struct net_conn *conn, struct str input, size_t *scanned)
{
	(void)conn;
	if (memchr(input.ptr + *scanned, '\n', input.len - *scanned) != NULL)
		return NET_FRAME_READY;
	*scanned = input.len;
	return NET_FRAME_MORE;
}

static enum err
run(struct net_conn *conn)
{
	struct str input = buffer_str(net_input(conn));
	struct str line = str_sub(input, 0, str_index(input, '\n') + 1);
	char verb = input.ptr[0];

	atomic_fetch_add(&ran, 1);
	if (line.len > input.len)
		return ERR_LIMIT;
	net_write(conn, line);
	buffer_consume(net_input(conn), line.len);
	if (verb == 'T')
		return net_starttls(conn);
	if (verb == 'S')
		net_set_idle(conn, 3600000);
	if (verb == 'Q') {
		net_end(conn, NET_END_QUIT);
		return ERR_CLOSED;
	}
	return ERR_OK;
}

static enum err
wake(struct net_conn *conn)
{
	struct session *session = *(struct session **)net_session(conn);

	if (session == NULL)
		return ERR_OK;
	atomic_store(&session->seen, atomic_load(&session->wanted));
	atomic_fetch_add(&woken, 1);
	return net_write(conn, STR("* wake\n"));
}

static void
close_session(struct net_conn *conn)
{
	struct session *session = *(struct session **)net_session(conn);

	if (session == NULL)
		return;
	pthread_mutex_lock(&session->lock);
	session->conn = NULL;
	atomic_fetch_add(&session->life, 1);
	pthread_mutex_unlock(&session->lock);
}

static const struct net_protocol protocol = { "bench", sizeof(struct session *), 4096, open_session, frame, run, wake, NULL,
	close_session };

/* ---- server and clients */

static void
write_certificate(char certificate_file[32], char key_file[32])
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();
	FILE *file;

	snprintf(certificate_file, 32, "/tmp/bench-net-XXXXXX");
	snprintf(key_file, 32, "/tmp/bench-net-XXXXXX");
	X509_gmtime_adj(X509_getm_notBefore(x509), -60);
	X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	X509_set_pubkey(x509, key);
	X509_sign(x509, key, EVP_sha256());
	file = fdopen(mkstemp(certificate_file), "w");
	PEM_write_X509(file, x509);
	fclose(file);
	file = fdopen(mkstemp(key_file), "w");
	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	X509_free(x509);
	EVP_PKEY_free(key);
}

static struct net_server *
make_server(const struct net_limits *limits, bool is_tls, struct net_tls **ret_tls, uint16_t *ret_port)
{
	char certificate_file[32], key_file[32];
	struct net_server *server;

	log_setup(LOG_WARN, LOG_LOGFMT);
	write_certificate(certificate_file, key_file);
	if (net_tls_new(certificate_file, key_file, NULL, ret_tls) != ERR_OK ||
	    net_server_new(&protocol, NULL, limits, *ret_tls, NULL, 0, &server) != ERR_OK ||
	    net_server_listen(server, &(struct net_listen){ .address = STR("127.0.0.1:0"), .is_tls = is_tls }, ret_port) != ERR_OK)
		exit(1);
	unlink(certificate_file);
	unlink(key_file);
	return server;
}

struct client {
	int fd;
	SSL *ssl;
	char in[256];
	size_t len;
};

static bool
client_connect(struct client *c, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval wait = { .tv_sec = 30 };
	int on = 1;

	*c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return connect(c->fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool
client_tls(struct client *c, SSL_CTX *context)
{
	c->ssl = SSL_new(context);
	SSL_set_fd(c->ssl, c->fd);
	return SSL_connect(c->ssl) == 1;
}

static bool
client_send(struct client *c, const char *text)
{
	size_t len = strlen(text);

	return (c->ssl ? SSL_write(c->ssl, text, (int)len) : send(c->fd, text, len, MSG_NOSIGNAL)) == (ssize_t)len;
}

/* Read up to a line that is no "* wake". */
static bool
client_line(struct client *c)
{
	for (;;) {
		char *end = memchr(c->in, '\n', c->len);
		ssize_t got;

		if (end != NULL) {
			bool is_wake = c->in[0] == '*' && c->in[2] == 'w';

			c->len -= (size_t)(end + 1 - c->in);
			memmove(c->in, end + 1, c->len);
			if (!is_wake)
				return true;
			continue;
		}
		got = c->ssl ? SSL_read(c->ssl, c->in + c->len, (int)(sizeof(c->in) - c->len)) :
		    recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, 0);
		if (got <= 0)
			return false;
		c->len += (size_t)got;
	}
}

static void
client_close(struct client *c)
{
	SSL_free(c->ssl);
	close(c->fd);
}

/* ---- idle */

static size_t
read_status(const char *file, const char *key)
{
	char line[256];
	size_t value = 0;
	FILE *in = fopen(file, "r");

	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtoul(line + strlen(key), NULL, 10);
	}
	if (in != NULL)
		fclose(in);
	return value;
}

static struct client *
connect_many(uint16_t port, size_t count, bool is_tls)
{
	struct client *clients = calloc(count, sizeof(*clients));
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	for (size_t i = 0; i < count; i++) {
		if (!client_connect(&clients[i], port) || (is_tls && !client_tls(&clients[i], context)) ||
		    !client_line(&clients[i]) || !client_send(&clients[i], "ECHO\n") || !client_line(&clients[i]))
			exit(1);
	}
	return clients;
}

static int
idle(bool is_tls, size_t count)
{
	struct net_limits limits = { .threads_min = 2, .threads_max = 16, .connections = 20000, .idle_ms = 3600000, .write_ms = 1000,
		.drain_ms = 100 };
	struct net_tls *tls;
	uint16_t port;
	struct net_server *server = make_server(&limits, is_tls, &tls, &port);
	size_t warm = 100, before_kib, after_kib, threads;
	int go[2], done[2];
	char byte = 0;
	pid_t child;

	if (pipe(go) < 0 || pipe(done) < 0)
		return 1;
	child = fork();
	if (child == 0) {
		connect_many(port, warm, is_tls);
		if (write(done[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		connect_many(port, count, is_tls);
		if (write(done[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(0);
	}
	if (net_server_start(server) != ERR_OK || read(done[0], &byte, 1) != 1)
		return 1;
	usleep(200000);
	before_kib = read_status("/proc/self/smaps_rollup", "Pss:");
	threads = read_status("/proc/self/status", "Threads:");
	if (write(go[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1)
		return 1;
	usleep(200000);
	after_kib = read_status("/proc/self/smaps_rollup", "Pss:");
	printf("%zu idle %s connections: %zu bytes each, threads %zu -> %zu\n", count, is_tls ? "TLS" : "plain",
	    (after_kib - before_kib) * 1024 / count, threads, read_status("/proc/self/status", "Threads:"));
	if (write(go[1], &byte, 1) != 1)
		return 1;
	waitpid(child, NULL, 0);
	net_server_free(server);
	net_tls_free(tls);
	return 0;
}

/* ---- rate */

/* Of this process, in microseconds. */
static uint64_t
cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	    (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int
rate(size_t count, int64_t seconds)
{
	struct net_limits limits = { .threads_min = 4, .threads_max = 16, .connections = 20000, .idle_ms = 3600000, .write_ms = 1000,
		.drain_ms = 100 };
	struct net_tls *tls;
	uint16_t port;
	struct net_server *server = make_server(&limits, false, &tls, &port);
	pid_t child = fork();
	uint64_t count_ran, began_us;
	int64_t began_ms;

	if (child == 0) {
		struct client *clients = connect_many(port, count, false);

		for (;;) {
			for (size_t i = 0; i < count; i++)
				client_send(&clients[i], "ECHO\n");
			for (size_t i = 0; i < count; i++)
				client_line(&clients[i]);
		}
	}
	net_server_start(server);
	while (atomic_load(&ran) < 2 * count)
		usleep(1000);
	began_ms = clock_mono_ms();
	began_us = cpu_us();
	atomic_store(&ran, 0);
	usleep((useconds_t)(seconds * 1000000));
	count_ran = atomic_load(&ran);
	printf("%zu connections: %" PRIu64 " requests a second, %.1f us of CPU each\n", count,
	    count_ran * 1000 / (uint64_t)(clock_mono_ms() - began_ms), (double)(cpu_us() - began_us) / (double)count_ran);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	net_server_free(server);
	net_tls_free(tls);
	return 0;
}

/* ---- stress */

static uint16_t stress_port;

static void *
comer(void *arg)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&is_over)) {
		struct client c;
		bool is_alive = client_connect(&c, stress_port) && client_line(&c);

		if (is_alive && rand_r(&seed) % 4 == 0)
			is_alive = client_send(&c, "TLS\n") && client_line(&c) && client_tls(&c, context);
		for (int i = rand_r(&seed) % 100; is_alive && i > 0; i--) {
			if (rand_r(&seed) % 50 == 0)
				usleep(60000); /* longer than may be idle */
			is_alive = client_send(&c, "half a line, ") && client_send(&c, "the other\nECHO\n") && client_line(&c) && client_line(&c);
		}
		if (is_alive && rand_r(&seed) % 2 == 0 && client_send(&c, "QUIT\n"))
			client_line(&c);
		client_close(&c);
	}
	SSL_CTX_free(context);
	return NULL;
}

/* Wake one that lives; unless its life ends, a wake() that began later must come. */
static void *
waker(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&is_over)) {
		struct session *session = &sessions[(unsigned)rand_r(&seed) % SESSIONS_MAX];
		int64_t deadline_ms = clock_mono_ms() + LOST_MS;
		int64_t mine = 0;
		uint64_t life;

		pthread_mutex_lock(&session->lock);
		life = atomic_load(&session->life);
		if (session->conn != NULL) {
			mine = atomic_fetch_add(&session->wanted, 1) + 1;
			net_conn_wake(session->conn);
		}
		pthread_mutex_unlock(&session->lock);
		while (mine > 0 && atomic_load(&session->seen) < mine && atomic_load(&session->life) == life) {
			if (clock_mono_ms() > deadline_ms) {
				atomic_fetch_add(&lost, 1);
				break;
			}
			sched_yield();
		}
	}
	return NULL;
}

/* Says nothing more: nothing hides a wake that is lost. */
static void *
listener(void *arg)
{
	struct client c;

	(void)arg;
	if (client_connect(&c, stress_port) && client_line(&c) && client_send(&c, "SILENT\n")) {
		while (client_line(&c))
			;
	}
	client_close(&c);
	return NULL;
}

static int
stress(int64_t seconds)
{
	enum { LISTENERS = 8, COMERS = 12, WAKERS = 4, ALL = LISTENERS + COMERS + WAKERS };
	struct net_limits limits = { .threads_min = 2, .threads_max = 6, .connections = 1000, .idle_ms = 50, .write_ms = 1000,
		.drain_ms = 300 };
	pthread_t threads[ALL];
	struct net_tls *tls;
	struct net_server *server = make_server(&limits, false, &tls, &stress_port);

	for (size_t i = 0; i < SESSIONS_MAX; i++)
		pthread_mutex_init(&sessions[i].lock, NULL);
	net_server_start(server);
	for (uintptr_t i = 0; i < ALL; i++)
		pthread_create(&threads[i], NULL, i < LISTENERS ? listener : i < LISTENERS + COMERS ? comer : waker, (void *)(i + 1));
	for (int64_t i = 0; i < seconds * 5; i++) {
		usleep(200000);
		net_server_connections(server);
	}
	net_server_drain(server);
	atomic_store(&is_over, true);
	net_server_free(server);
	for (size_t i = 0; i < ALL; i++)
		pthread_join(threads[i], NULL);
	net_tls_free(tls);
	printf("%zu sessions, %" PRIu64 " requests, %" PRIu64 " wakes, %" PRIu64 " lost\n", atomic_load(&session_count),
	    atomic_load(&ran), atomic_load(&woken), atomic_load(&lost));
	return atomic_load(&lost) > 0;
}

int
main(int argc, char **argv)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (argc == 4 && strcmp(argv[1], "idle") == 0)
		return idle(strcmp(argv[2], "tls") == 0, strtoul(argv[3], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "rate") == 0)
		return rate(strtoul(argv[2], NULL, 10), strtol(argv[3], NULL, 10));
	if (argc == 3 && strcmp(argv[1], "stress") == 0)
		return stress(strtol(argv[2], NULL, 10));
	fprintf(stderr, "usage: net idle plain|tls COUNT, net rate COUNT SECONDS, net stress SECONDS\n");
	return 2;
}
