#include "tests/libcommon/net/fixture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/net/internal.h"

/* ---- the protocol */

static void
note(struct fixture *f, size_t *counter)
{
	pthread_mutex_lock(&f->lock);
	++*counter;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static enum err
open_session(struct net_conn *conn)
{
	struct fixture *f = net_self(conn);
	struct session *session = net_session(conn);

	pthread_mutex_lock(&f->lock);
	session->number = f->opened;
	if (f->opened < sizeof(f->conns) / sizeof(f->conns[0]))
		f->conns[f->opened] = conn;
	pthread_mutex_unlock(&f->lock);
	net_write(conn, STR("* hello\r\n"));
	note(f, &f->opened);
	return ERR_OK;
}

static enum net_frame
frame(struct net_conn *conn, struct str input, size_t *scanned)
{
	struct fixture *f = net_self(conn);

	cr_assert(*scanned <= input.len, "scanned %zu of %zu", *scanned, input.len);
	if (memchr(input.ptr + *scanned, '\n', input.len - *scanned) != NULL)
		return NET_FRAME_READY;
	*scanned = input.len;
	if (input.len > f->framed) {
		f->framed = input.len - 1;
		note(f, &f->framed);
	}
	return input.len >= LINE_MAX_BYTES ? NET_FRAME_TOO_LONG : NET_FRAME_MORE;
}

static enum err
run_big(struct net_conn *conn, size_t size)
{
	char block[10000];

	memset(block, 'x', sizeof(block));
	while (size > 0) {
		size_t piece = size < sizeof(block) ? size : sizeof(block);

		TRY(net_write(conn, str_from(block, piece)));
		size -= piece;
	}
	return net_write(conn, STR("\r\n"));
}

static enum err
run_read(struct net_conn *conn, size_t size)
{
	size_t total = 0;

	while (total < size) {
		size_t held = buffer_len(net_input(conn));
		size_t piece = held < size - total ? held : size - total;

		buffer_consume(net_input(conn), piece);
		total += piece;
		if (piece == 0)
			TRY(net_read(conn, 1000));
	}
	return net_printf(conn, "got %zu\r\n", total);
}

static enum err
run_block(struct net_conn *conn)
{
	struct fixture *f = net_self(conn);

	note(f, &f->running);
	pthread_mutex_lock(&f->lock);
	while (!f->is_gate_open)
		pthread_cond_wait(&f->changed, &f->lock);
	f->running--;
	pthread_mutex_unlock(&f->lock);
	return net_write(conn, STR("done\r\n"));
}

static enum err
run_bind(struct net_conn *conn)
{
	bool can_bind = net_can_bind(conn) && !net_is_bound(conn);
	uint8_t binding[NET_BINDING_BYTES];
	char text[2 * NET_BINDING_BYTES];

	if (net_take_binding(conn, binding) != can_bind)
		return net_write(conn, STR("they do not agree\r\n"));
	hex_write(str_from(binding, sizeof(binding)), text);
	return can_bind ? net_printf(conn, "%.*s\r\n", (int)sizeof(text), text) : net_write(conn, STR("NO\r\n"));
}

static enum err
run_starttls(struct net_conn *conn)
{
	if (!net_can_starttls(conn))
		return net_write(conn, STR("NO\r\n"));
	net_write(conn, STR("OK\r\n"));
	TRY(net_starttls(conn));
	return net_write(conn, STR("hello\r\n"));
}

static enum err
run_line(struct net_conn *conn, struct str line)
{
	struct str verb, rest = line;
	uint64_t number = 0;

	str_split(&rest, ' ', &verb);
	str_to_u64(rest, &number);
	if (str_equal(verb, STR("ECHO")))
		return net_printf(conn, "%.*s\r\n", STR_ARG(rest));
	if (str_equal(verb, STR("BIG")))
		return run_big(conn, number);
	if (str_equal(verb, STR("READ")))
		return run_read(conn, number);
	if (str_equal(verb, STR("PEER")))
		return net_printf(conn, "%.*s\r\n", STR_ARG(net_peer(conn)));
	if (str_equal(verb, STR("USER")))
		return net_printf(conn, "%s\r\n", net_set_user(conn, rest) == ERR_OK ? "OK" : "NO");
	if (str_equal(verb, STR("NOBODY"))) {
		net_clear_user(conn);
		return net_write(conn, STR("OK\r\n"));
	}
	if (str_equal(verb, STR("BLOCK")))
		return run_block(conn);
	if (str_equal(verb, STR("STARTTLS")))
		return run_starttls(conn);
	if (str_equal(verb, STR("IDLE"))) {
		net_set_idle(conn, (int64_t)number);
		return net_write(conn, STR("OK\r\n"));
	}
	if (str_equal(verb, STR("REST"))) {
		net_set_rest(conn, (int64_t)number);
		return net_write(conn, STR("OK\r\n"));
	}
	if (str_equal(verb, STR("BIND")))
		return run_bind(conn);
	if (str_equal(verb, STR("SELFWAKE"))) {
		net_conn_wake(conn);
		return net_write(conn, STR("ran\r\n"));
	}
	net_write(conn, STR("bye\r\n"));
	net_end(conn, NET_END_QUIT);
	return ERR_CLOSED;
}

/* One request a call, so that the rest of the input is framed again. */
static enum err
run(struct net_conn *conn)
{
	struct fixture *f = net_self(conn);
	struct str input = buffer_str(net_input(conn));
	size_t end = str_index(input, '\n');
	char line[LINE_MAX_BYTES];
	enum err err;

	if (end == input.len) {
		net_write(conn, STR("too long\r\n"));
		net_end(conn, NET_END_LIMIT);
		return ERR_LIMIT;
	}
	memcpy(line, input.ptr, end);
	buffer_consume(net_input(conn), end + 1);
	err = run_line(conn, str_trim(str_from(line, end)));
	note(f, &f->ran);
	return err;
}

static enum err
wake(struct net_conn *conn)
{
	struct fixture *f = net_self(conn);
	struct session *session = net_session(conn);
	int64_t wanted = atomic_load(&session->wanted);
	enum err err = net_write(conn, STR("* wake\r\n"));

	atomic_store(&session->seen, wanted);
	note(f, &f->wakes);
	return err;
}

static void
bye(struct net_conn *conn, enum net_end end)
{
	net_printf(conn, "* bye %s\r\n", net_end_name(end));
}

static void
close_session(struct net_conn *conn)
{
	struct fixture *f = net_self(conn);

	pthread_mutex_lock(&f->lock);
	f->last_end = conn->end;
	f->last_in = conn->bytes_in;
	f->last_out = conn->bytes_out;
	pthread_mutex_unlock(&f->lock);
	note(f, &f->closed);
}

/* ---- the server */

void
fixture_init(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	f->protocol = (struct net_protocol){ "test", sizeof(struct session), LINE_MAX_BYTES, open_session, frame, run, wake, bye,
		close_session };
	f->limits = (struct net_limits){ .threads_min = 2, .threads_max = 8, .connections = 3000, .login_ms = 60000,
		.idle_ms = 60000, .write_ms = 10000, .drain_ms = 100 };
	log_setup(LOG_ERROR, LOG_LOGFMT);
}

void
fixture_start(struct fixture *f, const struct net_listen *listen, const struct str *trusted, size_t trusted_count)
{
	cr_assert_eq(net_server_new(&f->protocol, f, &f->limits, f->tls, trusted, trusted_count, &f->server), ERR_OK);
	cr_assert_eq(net_server_listen(f->server, listen, &f->port), ERR_OK);
	cr_assert_eq(net_server_start(f->server), ERR_OK);
}

void
fixture_start_plain(struct fixture *f)
{
	fixture_start(f, &(struct net_listen){ .address = STR("127.0.0.1:0") }, NULL, 0);
}

void
fixture_stop(struct fixture *f)
{
	fixture_open_gate(f);
	net_server_free(f->server);
	net_tls_free(f->tls);
	cr_assert_eq(f->opened, f->closed, "%zu opened, %zu closed", f->opened, f->closed);
}

bool
fixture_wait(struct fixture *f, const size_t *counter, size_t value)
{
	struct timespec until = clock_timespec(clock_mono_ms() + WAIT_MS);
	int failed = 0;
	bool is_there;

	pthread_mutex_lock(&f->lock);
	while (*counter < value && failed == 0)
		failed = pthread_cond_clockwait(&f->changed, &f->lock, CLOCK_MONOTONIC, &until);
	is_there = *counter >= value;
	pthread_mutex_unlock(&f->lock);
	return is_there;
}

void
fixture_open_gate(struct fixture *f)
{
	pthread_mutex_lock(&f->lock);
	f->is_gate_open = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

/* ---- certificates */

static FILE *
temporary(char path[64])
{
	int fd;

	snprintf(path, 64, "/tmp/sora-test-XXXXXX");
	fd = mkstemp(path);
	cr_assert(fd >= 0);
	return fdopen(fd, "w");
}

void
certificate_make(struct certificate *certificate, const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();
	FILE *file;

	ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
	X509_gmtime_adj(X509_getm_notBefore(x509), -60);
	X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	X509_set_pubkey(x509, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x509, X509_get_subject_name(x509));
	cr_assert(X509_sign(x509, key, EVP_sha256()) > 0);
	file = temporary(certificate->certificate_file);
	PEM_write_X509(file, x509);
	fclose(file);
	file = temporary(certificate->key_file);
	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	X509_free(x509);
	EVP_PKEY_free(key);
}

void
certificate_remove(struct certificate *certificate)
{
	unlink(certificate->certificate_file);
	unlink(certificate->key_file);
}

/* ---- this process */

size_t
thread_count(void)
{
	DIR *tasks = opendir("/proc/self/task");
	size_t count = 0;

	while (readdir(tasks) != NULL)
		count++;
	closedir(tasks);
	return count - 2;
}

void
raise_file_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- clients */

static struct client
connect_with(uint16_t port, int receive_bytes)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval wait = { .tv_sec = WAIT_MS / 1000 };
	struct client c = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	int on = 1;

	cr_assert(c.fd >= 0);
	setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (receive_bytes > 0)
		setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	cr_assert_eq(connect(c.fd, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return c;
}

struct client
client_connect(uint16_t port)
{
	return connect_with(port, 0);
}

struct client
client_connect_small(uint16_t port)
{
	return connect_with(port, 8192);
}

void
client_send(struct client *c, struct str bytes)
{
	while (bytes.len > 0) {
		ssize_t sent = c->ssl ? SSL_write(c->ssl, bytes.ptr, (int)bytes.len) : send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		bytes = str_sub(bytes, (size_t)sent, SIZE_MAX);
	}
}

const char *
client_line(struct client *c)
{
	static _Thread_local char line[LINE_MAX_BYTES * 2];

	for (;;) {
		struct str held = buffer_str(&c->in);
		size_t end = str_index(held, '\n');
		ssize_t got;

		if (end < held.len) {
			struct str text = str_trim(str_sub(held, 0, end < sizeof(line) - 1 ? end : sizeof(line) - 1));

			snprintf(line, sizeof(line), "%.*s", STR_ARG(text));
			buffer_consume(&c->in, end + 1);
			return line;
		}
		buffer_reserve(&c->in, 65536);
		got = c->ssl ? SSL_read(c->ssl, c->in.bytes + c->in.end, 65536) : recv(c->fd, c->in.bytes + c->in.end, 65536, 0);
		if (got <= 0)
			return got == 0 ? "(closed)" : errno == EAGAIN ? "(nothing)" : "(reset)";
		buffer_grew(&c->in, (size_t)got);
	}
}

const char *
client_ask(struct client *c, const char *line)
{
	struct buffer out = { 0 };

	buffer_printf(&out, "%s\r\n", line);
	client_send(c, buffer_str(&out));
	buffer_clear(&out);
	return client_line(c);
}

int
client_tls(struct client *c, struct str alpn)
{
	return client_tls_with(c, alpn, 0);
}

int
client_tls_with(struct client *c, struct str alpn, uint64_t options)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int result;

	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | options);
	c->ssl = SSL_new(context);
	SSL_CTX_free(context);
	if (alpn.len > 0)
		SSL_set_alpn_protos(c->ssl, (const unsigned char *)alpn.ptr, (unsigned)alpn.len);
	SSL_set_fd(c->ssl, c->fd);
	result = SSL_connect(c->ssl);
	return result;
}

void
client_close(struct client *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	buffer_clear(&c->in);
	*c = (struct client){ .fd = -1 };
}
