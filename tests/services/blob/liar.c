/* A proxy in front of a real S3 that lies, cuts and stalls as it is told to. */
#include "tests/services/blob/liar.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/arena.h"
#include "libcommon/core/buffer.h"
#include "libcommon/core/mem.h"

struct visit {
	struct liar *liar;
	int client;
	struct buffer request, reply;
};

static void
send_all(int fd, struct str bytes)
{
	while (bytes.len > 0) {
		ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		bytes = str_sub(bytes, (size_t)sent, SIZE_MAX);
	}
}

/* The value of a header in a message's head. */
static struct str
header(struct str message, const char *name)
{
	struct str head = str_sub(message, 0, str_find(message, STR("\r\n\r\n")) + 2);
	size_t at = str_find_nocase(head, str_c(name));
	struct str rest = str_sub(head, at + strlen(name), SIZE_MAX);

	return str_trim(str_sub(rest, 0, str_index(rest, '\r')));
}

static size_t
body_at(struct str message)
{
	return str_find(message, STR("\r\n\r\n")) + 4;
}

static bool
is_whole(struct str message)
{
	uint64_t length = 0;

	str_to_u64(header(message, "\r\ncontent-length:"), &length);
	return message.len >= body_at(message) + length;
}

static bool
read_more(int fd, struct buffer *in)
{
	ssize_t got = recv(fd, buffer_reserve(in, 65536), 65536, 0);

	if (got <= 0)
		return false;
	buffer_grew(in, (size_t)got);
	return true;
}

/* Pass the request on, as one that ends its connection, and read the answer to its end. */
static void
ask_store(struct visit *v)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(v->liar->store_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct str request = buffer_str(&v->request);
	size_t line = str_find(request, STR("\r\n")) + 2;
	int store = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(store, (struct sockaddr *)&address, sizeof(address)) == 0) {
		send_all(store, str_sub(request, 0, line));
		send_all(store, STR("Connection: close\r\n"));
		send_all(store, str_sub(request, line, SIZE_MAX));
		while (read_more(store, &v->reply))
			continue;
	}
	close(store);
}

/* Answers that the store is not asked for. */
static const struct {
	enum lie lie;
	const char *head, *code;
} sayings[] = {
	{ LIE_BUSY, "503 Slow Down", "SlowDown" },
	{ LIE_ERROR, "500 Internal Server Error", "InternalError" },
	{ LIE_THROTTLED, "429 Too Many Requests", "TooManyRequests" },
	{ LIE_OK_ERROR, "200 OK", "InternalError" },
	{ LIE_RETRY_SOON, "429 Too Many Requests\r\nRetry-After: 1", "TooManyRequests" },
	{ LIE_RETRY_LATE, "503 Slow Down\r\nRetry-After: 3600", "SlowDown" },
	{ LIE_MOVED, "301 Moved Permanently", "PermanentRedirect" },
	{ LIE_REDIRECT, "307 Temporary Redirect", "TemporaryRedirect" },
	{ LIE_DENIED, "403 Forbidden", "AccessDenied" },
	{ LIE_NO_BUCKET, "404 Not Found", "NoSuchBucket" },
	{ LIE_NO_KEY, "404 Not Found", "NoSuchKey" },
	{ LIE_NOT_FOUND, "404 Not Found", NULL },
	{ LIE_OK_EMPTY, "200 OK", "" },
};

/* True: this lie is one of them, and said. */
static bool
say(struct visit *v, enum lie kind)
{
	char body[200] = "<html><h1>Not Found</h1></html>";

	for (size_t i = 0; i < sizeof(sayings) / sizeof(*sayings); i++) {
		if (sayings[i].lie != kind)
			continue;
		if (sayings[i].code != NULL)
			snprintf(body, sizeof(body), "<?xml version=\"1.0\"?><Error><Code>%s</Code></Error>", sayings[i].code);
		if (kind == LIE_OK_EMPTY)
			body[0] = '\0';
		buffer_reset(&v->reply);
		buffer_printf(&v->reply, "HTTP/1.1 %s\r\n", sayings[i].head);
		if (kind == LIE_MOVED || kind == LIE_REDIRECT)
			buffer_printf(&v->reply, "Location: http://127.0.0.1:%u/elsewhere\r\n", v->liar->port);
		buffer_printf(&v->reply, "Content-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(body), body);
		return true;
	}
	return false;
}

/* The answer again with `length` as its Content-Length and `keep` bytes of its body. */
static void
resize(struct visit *v, uint64_t length, size_t keep)
{
	struct str reply = buffer_str(&v->reply);
	struct str old = header(reply, "\r\ncontent-length:");
	struct buffer made = { 0 };

	buffer_add(&made, str_from(reply.ptr, (size_t)(old.ptr - reply.ptr)));
	buffer_printf(&made, "%llu", (unsigned long long)length);
	buffer_add(&made, str_from(old.ptr + old.len, body_at(reply) + keep - (size_t)(old.ptr + old.len - reply.ptr)));
	buffer_clear(&v->reply);
	v->reply = made;
}

static void
change_date(struct visit *v)
{
	struct str date = header(buffer_str(&v->reply), "\r\ndate:");

	/* "Sun, 22 Nov 2026 23:56:45 GMT": another year. */
	if (date.len == 29)
		memcpy((char *)date.ptr + 12, "2019", 4);
}

/* The value of a header in the answer, other bytes of the same length. */
static void
overwrite(struct visit *v, const char *name, char byte)
{
	struct str value = header(buffer_str(&v->reply), name);

	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] != '"')
			((char *)value.ptr)[i] = byte;
	}
}

/* Bytes that do not end before the other side has had enough, or so many that it must have. */
static void
pour(struct visit *v, const char *first, const char *again, unsigned count, int pause_ms)
{
	struct pollfd gone = { .fd = v->client, .events = POLLIN };

	send_all(v->client, str_c(first));
	for (unsigned i = 0; i < count && poll(&gone, 1, pause_ms) == 0; i++)
		send_all(v->client, str_c(again));
}

/* Answers that do not end. True: this lie is one of them. */
static bool
drone(struct visit *v, enum lie kind)
{
	static const char line[] = "X-Filler: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n";

	if (kind == LIE_SILENT)
		pour(v, "", "", 1, 30000);
	else if (kind == LIE_HUGE_HEAD)
		pour(v, "HTTP/1.1 200 OK\r\n", line, 1000000, 0);
	else if (kind == LIE_HUGE_BODY)
		pour(v, "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n\r\n", line, 1000000, 0);
	else if (kind == LIE_TRICKLE)
		pour(v, "HTTP/1.1 206 Partial Content\r\nContent-Length: 100000\r\n\r\n", "x", 120, 250);
	else if (kind == LIE_NO_HTTP)
		pour(v, "220 mail.example.org ESMTP\r\n", "", 1, 0);
	return kind == LIE_SILENT || kind == LIE_HUGE_HEAD || kind == LIE_HUGE_BODY || kind == LIE_TRICKLE || kind == LIE_NO_HTTP;
}

/* Change the store's answer. */
static void
twist(struct visit *v, enum lie kind)
{
	size_t body = body_at(buffer_str(&v->reply)), len = buffer_len(&v->reply) - body;
	char *bytes = v->reply.bytes + v->reply.start;

	if (kind == LIE_CUT_MIDDLE)
		buffer_truncate(&v->reply, body + len / 2);
	if (kind == LIE_CUT_HEAD)
		buffer_truncate(&v->reply, body / 2);
	if (kind == LIE_CUT_END)
		buffer_truncate(&v->reply, body + len - 1);
	if (kind == LIE_LONGER)
		resize(v, len + 100, len);
	if (kind == LIE_SHORTER)
		resize(v, len - len / 10, len - len / 10);
	if (kind == LIE_CUT_XML)
		resize(v, len / 2, len / 2);
	if (kind == LIE_EMPTY)
		resize(v, 0, 0);
	if (kind == LIE_MORE) {
		resize(v, len + 100, len);
		buffer_printf(&v->reply, "%0100d", 0);
	}
	if (kind == LIE_FLIP_DOWN)
		bytes[body + len / 2] ^= 1;
	if (kind == LIE_OTHER)
		memset(bytes + body, 'x', len);
	if (kind == LIE_ETAG)
		overwrite(v, "\r\netag:", 'a');
	if (kind == LIE_NO_ETAG)
		memcpy((char *)header(buffer_str(&v->reply), "\r\netag:").ptr - 6, "XTag", 4);
	if (kind == LIE_DATE)
		change_date(v);
}

/* True: there is an answer to send. */
static bool
lie(struct visit *v, enum lie kind)
{
	size_t up = body_at(buffer_str(&v->request));

	if (say(v, kind))
		return true;
	if (drone(v, kind) || kind == LIE_CUT_BEFORE)
		return false;
	if (kind == LIE_FLIP_UP && buffer_len(&v->request) > up)
		v->request.bytes[v->request.start + up] ^= 1;
	ask_store(v);
	twist(v, kind);
	if (kind == LIE_CONTINUE)
		send_all(v->client, STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"));
	return kind != LIE_CUT_AFTER;
}

static enum lie
choose(struct liar *liar, struct str request)
{
	if (str_find(request, STR("/elsewhere")) < request.len)
		liar->followed++;
	if (!str_starts_with(request, str_c(liar->method)) || liar->lie == LIE_NONE)
		return LIE_NONE;
	if (atomic_fetch_sub(&liar->skip, 1) > 0 || atomic_fetch_sub(&liar->times, 1) <= 0)
		return LIE_NONE;
	liar->lied++;
	return liar->lie;
}

static void *
visit_run(void *self)
{
	struct visit *v = self;
	bool is_there = true;

	while (is_there && (str_find(buffer_str(&v->request), STR("\r\n\r\n")) == buffer_len(&v->request) ||
	    !is_whole(buffer_str(&v->request))))
		is_there = read_more(v->client, &v->request);
	if (is_there && lie(v, choose(v->liar, buffer_str(&v->request))))
		send_all(v->client, buffer_str(&v->reply));
	shutdown(v->client, SHUT_RDWR);
	close(v->client);
	buffer_clear(&v->request);
	buffer_clear(&v->reply);
	free(v);
	return NULL;
}

static void *
liar_run(void *self)
{
	struct liar *liar = self;

	while (!liar->is_ending) {
		struct visit *v;
		pthread_t thread;
		int client = accept4(liar->listener, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			break;
		v = MEM_NEW(struct visit);
		v->liar = liar;
		v->client = client;
		pthread_create(&thread, NULL, visit_run, v);
		pthread_detach(thread);
	}
	return NULL;
}

void
liar_start(struct liar *liar, uint16_t store_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);

	*liar = (struct liar){ .store_port = store_port, .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	if (bind(liar->listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(liar->listener, 64) < 0 ||
	    getsockname(liar->listener, (struct sockaddr *)&address, &len) < 0)
		abort();
	liar->port = ntohs(address.sin_port);
	pthread_create(&liar->thread, NULL, liar_run, liar);
}

void
liar_tell(struct liar *liar, enum lie kind, const char *method, int skip, int times)
{
	snprintf(liar->method, sizeof(liar->method), "%s", method);
	liar->skip = skip;
	liar->times = times;
	liar->lied = 0;
	liar->lie = kind;
}

void
liar_stop(struct liar *liar)
{
	liar->is_ending = true;
	shutdown(liar->listener, SHUT_RDWR);
	pthread_join(liar->thread, NULL);
	close(liar->listener);
}
