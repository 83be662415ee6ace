/* The HTTP client, against a server that answers with the bytes it is given. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcommon/core/buffer.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/random.h"
#include "libcommon/http/http.h"
#include "tests/harness/free_port.h"

enum { PAUSE = '\1' }; /* in an answer: wait until the client has gone */

/* Answers each request on each connection with `answer`; "" cuts the connection. */
struct server {
	int listener;
	uint16_t port;
	pthread_t thread;
	const char *answer;
	size_t requests, connections;
	struct buffer last; /* the last request */
};

static bool
read_request(int fd, struct buffer *in)
{
	uint64_t length = 0;

	buffer_reset(in);
	for (;;) {
		struct str all = buffer_str(in);
		size_t head = str_find(all, STR("\r\n\r\n")), at = str_find(all, STR("Content-Length: "));
		ssize_t got;

		if (head < all.len && at < head)
			str_to_u64(str_sub(all, at + 16, str_index(str_sub(all, at + 16, SIZE_MAX), '\r')), &length);
		if (head < all.len && all.len >= head + 4 + length)
			return true;
		got = recv(fd, buffer_reserve(in, 4096), 4096, 0);
		if (got <= 0)
			return false;
		buffer_grew(in, (size_t)got);
	}
}

static void
serve(struct server *server, int fd)
{
	while (read_request(fd, &server->last)) {
		struct str answer = str_c(server->answer);
		size_t pause = str_index(answer, PAUSE);
		struct pollfd gone = { .fd = fd, .events = POLLIN };

		server->requests++;
		if (send(fd, answer.ptr, pause, MSG_NOSIGNAL) <= 0 && answer.len == 0)
			break;
		if (pause < answer.len)
			poll(&gone, 1, 20000);
		if (str_find(answer, STR("keep-alive")) == answer.len)
			break;
	}
	shutdown(fd, SHUT_RDWR);
	close(fd);
}

static void *
server_run(void *self)
{
	struct server *server = self;
	int fd;

	while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
		server->connections++;
		serve(server, fd);
	}
	return NULL;
}

static void
server_start(struct server *server, const char *answer)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	*server = (struct server){ .answer = answer, .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	cr_assert(bind(server->listener, (struct sockaddr *)&address, len) == 0 && listen(server->listener, 16) == 0);
	cr_assert(getsockname(server->listener, (struct sockaddr *)&address, &len) == 0);
	server->port = ntohs(address.sin_port);
	pthread_create(&server->thread, NULL, server_run, server);
}

static void
server_stop(struct server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
	buffer_clear(&server->last);
}

static struct http *
client(void)
{
	struct http_options options = { .idle = 4, .connect_ms = 1000 };

	return http_new(&options);
}

static enum err
ask(struct http *http, const struct server *server, const char *method, struct str body, size_t reply_max, struct arena *arena,
    struct http_reply *ret)
{
	struct http_header headers[] = { { STR("X-One"), STR("1") } };
	struct http_request req = { .method = method, .headers = headers, .header_count = 1, .body = body, .has_body = body.ptr != NULL,
		.deadline_ms = clock_mono_ms() + 1000, .reply_max = reply_max };

	req.url = arena_printf(arena, "http://127.0.0.1:%u/a%%2Fb/../c?x=%%2F", server->port);
	return http_perform(http, &req, arena, ret);
}

Test(http, an_answer_is_told_as_it_is_and_how_it_failed_too, .timeout = 60)
{
	static const struct { const char *answer, *method; enum err err; int status; const char *body; } cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"abc\"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nhi", "GET", ERR_OK, 200, "hi" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"abc\"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", "GET", ERR_OK, 200, "" },
		{ "HTTP/1.1 503 Slow\r\nContent-Length: 3\r\n\r\nxyz", "GET", ERR_OK, 503, "xyz" },
		{ "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", "PUT", ERR_OK, 429, "" },
		{ "HTTP/1.1 301 Gone\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "GET", ERR_OK, 301, "" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "HEAD", ERR_OK, 200, "" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "GET", ERR_OK, 200, "hi" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", "GET", ERR_UNKNOWN_OUTCOME, 0, "" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", "GET", ERR_UNKNOWN_OUTCOME, 0, "" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world", "GET", ERR_TOO_BIG, 0, "" },
		{ "", "GET", ERR_UNKNOWN_OUTCOME, 0, "" },
		{ "220 smtp.example.org ESMTP\r\n", "GET", ERR_UNKNOWN_OUTCOME, 0, "" },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "PUT", ERR_OK, 200, "hi" },
		{ "HTTP/1.1 200 OK\r\nContent-Le", "GET", ERR_UNKNOWN_OUTCOME, 0, "" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhi", "GET", ERR_UNKNOWN_OUTCOME, 0, "" },
		{ "\1", "GET", ERR_DEADLINE, 0, "" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi\1", "GET", ERR_DEADLINE, 0, "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct server server;
		struct arena arena = { 0 };
		struct http *http = client();
		struct http_reply reply;
		enum err err;

		server_start(&server, cases[i].answer);
		err = ask(http, &server, cases[i].method, STR_NONE, 10, &arena, &reply);
		cr_assert_eq(err, cases[i].err, "case %zu: %s", i, err_row(err)->name);
		cr_assert_eq(reply.status, cases[i].status, "case %zu", i);
		cr_assert(str_equal(reply.body, str_c(cases[i].body)), "case %zu", i);
		cr_assert_eq(reply.problem.len > 0, err != ERR_OK, "case %zu: %.*s", i, STR_ARG(reply.problem));
		if (i < 2)
			cr_assert(str_equal(reply.etag, STR("abc")) && reply.date_ms == 784111777000, "case %zu", i);
		http_free(http);
		server_stop(&server);
		arena_clear(&arena);
	}
}

Test(http, what_an_answer_takes_is_bounded, .timeout = 60)
{
	struct buffer head = { 0 };
	struct server server;
	struct arena arena = { 0 };
	struct http *http = client();
	struct http_reply reply;

	buffer_add(&head, STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"));
	while (buffer_len(&head) < 400 * 1024)
		buffer_add(&head, STR("X-Filler: 01234567890123456789012345678901234567890123456789\r\n"));
	buffer_add(&head, STR("\r\n\0"));
	server_start(&server, buffer_str(&head).ptr);
	cr_assert_eq(ask(http, &server, "GET", STR_NONE, 10, &arena, &reply), ERR_UNKNOWN_OUTCOME);
	cr_assert_lt(arena.used_bytes, 100 * 1024);
	http_free(http);
	server_stop(&server);
	buffer_clear(&head);
	arena_clear(&arena);
}

Test(http, retry_after_is_told_when_it_is_a_number)
{
	static const struct { const char *value; int64_t retry_ms; } cases[] = { { "3", 3000 }, { " 120 ", 120000 }, { "0", 0 }, { "-1", 0 },
		{ "Wed, 21 Oct 2026 07:28:00 GMT", 0 }, { "99999999999", 0 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char answer[200];
		struct server server;
		struct arena arena = { 0 };
		struct http *http = client();
		struct http_reply reply;

		snprintf(answer, sizeof(answer), "HTTP/1.1 429 Slow\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", cases[i].value);
		server_start(&server, answer);
		cr_assert_eq(ask(http, &server, "GET", STR_NONE, 10, &arena, &reply), ERR_OK);
		cr_assert_eq(reply.retry_ms, cases[i].retry_ms, "%s", cases[i].value);
		http_free(http);
		server_stop(&server);
		arena_clear(&arena);
	}
}

Test(http, a_request_goes_out_as_it_was_written)
{
	struct server server;
	struct arena arena = { 0 };
	struct http *http = client();
	struct http_reply reply;
	char expected[200];

	server_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	cr_assert_eq(ask(http, &server, "PUT", STR("the body"), 10, &arena, &reply), ERR_OK);
	snprintf(expected, sizeof(expected), "PUT /a%%2Fb/../c?x=%%2F HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-One: 1\r\nContent-Length: 8\r\n\r\nthe body",
	    server.port);
	cr_assert(str_equal(buffer_str(&server.last), str_c(expected)), "%.*s", STR_ARG(buffer_str(&server.last)));
	cr_assert_eq(ask(http, &server, "PUT", STR(""), 10, &arena, &reply), ERR_OK);
	cr_assert_lt(str_find(buffer_str(&server.last), STR("Content-Length: 0\r\n")), buffer_len(&server.last));
	cr_assert_eq(ask(http, &server, "DELETE", STR_NONE, 10, &arena, &reply), ERR_OK);
	cr_assert_eq(str_find(buffer_str(&server.last), STR("Content-Length")), buffer_len(&server.last));
	http_free(http);
	server_stop(&server);
	arena_clear(&arena);
}

Test(http, a_connection_is_kept_and_a_dead_one_replaced)
{
	struct server server;
	struct arena arena = { 0 };
	struct http *http = client();
	struct http_reply reply;

	server_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
	for (int i = 0; i < 5; i++)
		cr_assert_eq(ask(http, &server, "PUT", STR("x"), 10, &arena, &reply), ERR_OK);
	cr_assert(server.requests == 5 && server.connections == 1);
	server.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	for (int i = 0; i < 3; i++)
		cr_assert_eq(ask(http, &server, "PUT", STR("x"), 10, &arena, &reply), ERR_OK, "%.*s", STR_ARG(reply.problem));
	http_free(http);
	server_stop(&server);
	arena_clear(&arena);
}

static enum err
take(void *self, struct str bytes)
{
	buffer_add(self, bytes);
	return buffer_len(self) > 3 ? ERR_LIMIT : ERR_OK;
}

Test(http, a_body_streams_to_who_wants_it_and_their_error_ends_it)
{
	static const struct { const char *answer; enum err err; const char *streamed, *kept; } cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", ERR_OK, "abc", "" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", ERR_LIMIT, "abcd", "" },
		{ "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nabcd", ERR_OK, "", "abcd" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct server server;
		struct arena arena = { 0 };
		struct http *http = client();
		struct buffer streamed = { 0 };
		struct http_request req = { .method = "GET", .deadline_ms = clock_mono_ms() + 1000, .reply_max = 100, .on_body = take,
			.self = &streamed };
		struct http_reply reply;

		server_start(&server, cases[i].answer);
		req.url = arena_printf(&arena, "http://127.0.0.1:%u/", server.port);
		cr_assert_eq(http_perform(http, &req, &arena, &reply), cases[i].err, "case %zu", i);
		cr_assert(str_equal(buffer_str(&streamed), str_c(cases[i].streamed)), "case %zu", i);
		cr_assert(str_equal(reply.body, str_c(cases[i].kept)), "case %zu", i);
		buffer_clear(&streamed);
		http_free(http);
		server_stop(&server);
		arena_clear(&arena);
	}
}

Test(http, what_can_not_be_reached_is_unavailable)
{
	static const struct { const char *url; enum err err; } cases[] = {
		{ "http://127.0.0.1:1/", ERR_UNAVAILABLE }, { "http://no-such-host.invalid/", ERR_UNAVAILABLE },
		{ "file:///etc/passwd", ERR_INVALID }, { "http://[bad/", ERR_INVALID },
	};
	struct http *http = client();

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct arena arena = { 0 };
		struct http_request req = { .method = "GET", .url = str_c(cases[i].url), .deadline_ms = clock_mono_ms() + 2000 };
		struct http_reply reply;
		enum err err = http_perform(http, &req, &arena, &reply);

		cr_assert_eq(err, cases[i].err, "%s: %s", cases[i].url, err_row(err)->name);
		arena_clear(&arena);
	}
	http_free(http);
}

/* ---- TLS, against openssl's own server */

struct tls_server {
	pid_t pid;
	unsigned port;
	char directory[100], certificate[120], other[120];
};

static void
make_certificate(const char *path)
{
	char command[700];

	snprintf(command, sizeof(command), "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=store "
	    "-addext subjectAltName=IP:127.0.0.1 -keyout %s.key -out %s 2>/dev/null", path, path);
	cr_assert_eq(system(command), 0);
}

static void
await_listener(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	for (int64_t end_ms = clock_mono_ms() + 10000; clock_mono_ms() < end_ms; usleep(10000)) {
		int fd = socket(AF_INET, SOCK_STREAM, 0), refused = connect(fd, (struct sockaddr *)&address, sizeof(address));

		close(fd);
		if (!refused)
			return;
	}
	cr_assert_fail("openssl s_server does not listen on %u", port);
}

static void
tls_server_start(struct tls_server *server)
{
	char key[130], port[10];

	server->port = free_port();
	snprintf(server->directory, sizeof(server->directory), "%s/sora-http-test-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	cr_assert_not_null(mkdtemp(server->directory));
	snprintf(server->certificate, sizeof(server->certificate), "%s/cert.pem", server->directory);
	snprintf(server->other, sizeof(server->other), "%s/other.pem", server->directory);
	snprintf(key, sizeof(key), "%s.key", server->certificate);
	snprintf(port, sizeof(port), "%u", server->port);
	make_certificate(server->certificate);
	make_certificate(server->other);
	server->pid = fork();
	if (server->pid == 0) {
		execlp("openssl", "openssl", "s_server", "-quiet", "-www", "-accept", port, "-cert", server->certificate, "-key", key, NULL);
		_exit(1);
	}
	await_listener(server->port);
}

static void
tls_server_stop(struct tls_server *server)
{
	char command[200];

	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", server->directory);
	cr_assert_eq(system(command), 0);
}

Test(http, who_is_not_who_he_should_be_is_unavailable, .timeout = 60)
{
	struct tls_server server;
	const struct { const char *scheme, *host, *ca; enum err err; } cases[] = {
		{ "https", "127.0.0.1", server.certificate, ERR_OK }, { "https", "127.0.0.1", "", ERR_UNAVAILABLE },
		{ "https", "127.0.0.1", server.other, ERR_UNAVAILABLE }, { "https", "localhost", server.certificate, ERR_UNAVAILABLE },
		{ "https", "127.0.0.1", "/no/such/file", ERR_UNAVAILABLE }, { "http", "127.0.0.1", "", ERR_UNKNOWN_OUTCOME },
	};

	tls_server_start(&server);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct http_options options = { .ca_file = str_c(cases[i].ca), .idle = 1, .connect_ms = 3000 };
		struct http *http = http_new(&options);
		struct arena arena = { 0 };
		struct http_request req = { .method = "GET", .deadline_ms = clock_mono_ms() + 5000, .reply_max = 100000 };
		struct http_reply reply;
		enum err err;

		req.url = arena_printf(&arena, "%s://%s:%u/", cases[i].scheme, cases[i].host, server.port);
		err = http_perform(http, &req, &arena, &reply);
		cr_assert_eq(err, cases[i].err, "case %zu: %s: %.*s", i, err_row(err)->name, STR_ARG(reply.problem));
		http_free(http);
		arena_clear(&arena);
	}
	tls_server_stop(&server);
}

Test(http, a_status_has_a_meaning)
{
	static const struct { int status; enum err err; } cases[] = {
		{ 200, ERR_OK }, { 204, ERR_OK }, { 206, ERR_OK }, { 301, ERR_UNKNOWN_OUTCOME }, { 400, ERR_INVALID }, { 403, ERR_DENIED },
		{ 404, ERR_NONEXISTENT }, { 429, ERR_BUSY }, { 500, ERR_UNAVAILABLE }, { 503, ERR_BUSY }, { 504, ERR_UNAVAILABLE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_assert_eq(http_status_err(cases[i].status), cases[i].err, "%d", cases[i].status);
}
