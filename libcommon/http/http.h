/*
 * An HTTP/1.1 client (the only includer of libcurl): one request, one answer, by a deadline, on connections that are kept.
 *
 * Redirects are not followed, no proxy is taken from the environment, nothing is sent or asked for in compressed form. A head of more than
 * 300 KB ends the request (libcurl's limit). An answer of any status is ERR_OK: whether 503 is worth another try is the caller's to say. Bodies
 * are sent from memory with their length, so that every try sends the same bytes from the first.
 */
#ifndef SORA_HTTP_HTTP_H
#define SORA_HTTP_HTTP_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

/* A pool of connections; any number of threads may use it. */
struct http;

/* A peer that sends a byte now and then is as good as silent. */
enum { HTTP_SLOWEST = 1024 };

struct http_options {
	struct str ca_file;    /* PEM; empty: the system's authorities */
	size_t idle;           /* connections that are kept when nobody uses them */
	int64_t connect_ms;    /* the longest wait for a connection */
	/* Fewer than HTTP_SLOWEST bytes a second for so long, in both directions: ERR_DEADLINE; whole seconds. 0: only the request's deadline */
	int64_t silence_ms;
};

struct http *http_new(const struct http_options *options);
/* Nobody may be using it. */
void http_free(struct http *http);

struct http_header {
	struct str name, value;
};

struct http_request {
	const char *method;
	struct str url;                     /* encoded as it is to be sent: nothing in it is changed */
	const struct http_header *headers;  /* Host, Content-Length and Connection are made here */
	size_t header_count;
	struct str body;
	bool has_body;                      /* false: no Content-Length either, as GET and DELETE want it */
	int64_t deadline_ms;                /* monotonic */
	size_t reply_max;                   /* a longer body is ERR_TOO_BIG */
	/* Where a 2xx answer's body goes as it comes; NULL: http_reply.body. Not ERR_OK ends the request with that. */
	enum err (*on_body)(void *self, struct str bytes);
	void *self;
};

struct http_reply {
	int status;
	struct str etag;     /* without quotes; empty: none */
	int64_t date_ms;     /* of the Date header; 0: none */
	int64_t retry_ms;    /* Retry-After in seconds; 0: none, or a date */
	int64_t length;      /* Content-Length, -1: none. The body had as many bytes, else the answer is an error. HEAD has no body. */
	struct str body;     /* in the arena; with on_body, only that of an answer that is not 2xx */
	struct str problem;  /* with an error: what went wrong, for the log */
};

/*
 * Send it, read the answer. Strings of *ret live in `arena`; on failure only `problem` is set.
 *
 * ERR_UNAVAILABLE      no connection: wrong name, refused, TLS not trusted. Nothing was sent.
 * ERR_DEADLINE         not answered in time, or silent for too long: perhaps done
 * ERR_UNKNOWN_OUTCOME  cut in the middle of head or body, a body shorter than its Content-Length, or no HTTP: perhaps done
 * ERR_TOO_BIG          the body is longer than reply_max
 * ERR_INVALID          the URL is none
 * others               what on_body returned
 */
enum err http_perform(struct http *http, const struct http_request *req, struct arena *arena, struct http_reply *ret);

/* What a status means where nothing better is known: OK for 2xx, NONEXISTENT for 404, DENIED, BUSY for 429 and 503, UNAVAILABLE .. */
enum err http_status_err(int status);

#endif
