/* The HTTP client, against a server that answers with the bytes it is given. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/buffer.h"
#include "libcommon/core/clock.h"
#include "libcommon/http/http.h"

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

Test(http, a_status_has_a_meaning)
{
	static const struct { int status; enum err err; } cases[] = {
		{ 200, ERR_OK }, { 204, ERR_OK }, { 206, ERR_OK }, { 301, ERR_UNKNOWN_OUTCOME }, { 400, ERR_INVALID }, { 403, ERR_DENIED },
		{ 404, ERR_NONEXISTENT }, { 429, ERR_BUSY }, { 500, ERR_UNAVAILABLE }, { 503, ERR_BUSY }, { 504, ERR_UNAVAILABLE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_assert_eq(http_status_err(cases[i].status), cases[i].err, "%d", cases[i].status);
}
