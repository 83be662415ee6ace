/* An HTTP/1.1 client over libcurl. */
#include "libcommon/http/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "libcommon/core/buffer.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"

struct http {
	pthread_mutex_t lock;
	struct http_options options;
	char *ca_file;
	CURL **idle;
	size_t idle_count;
};

/* One request under way. */
struct exchange {
	const struct http_request *req;
	struct arena *arena;
	struct http_reply *reply;
	CURL *curl;
	struct curl_slist *headers;
	struct buffer body;
	size_t sent, received;
	bool has_head; /* all of it: the empty line has come */
	enum err err; /* why a callback ended it */
	char problem[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void
curl_begin(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		abort();
}

struct http *
http_new(const struct http_options *options)
{
	struct http *http = MEM_NEW(struct http);

	pthread_once(&curl_once, curl_begin);
	pthread_mutex_init(&http->lock, NULL);
	http->options = *options;
	if (options->ca_file.len > 0) {
		http->ca_file = mem_calloc(options->ca_file.len + 1, 1);
		memcpy(http->ca_file, options->ca_file.ptr, options->ca_file.len);
	}
	http->idle = mem_calloc(options->idle, sizeof(*http->idle));
	return http;
}

void
http_free(struct http *http)
{
	if (http == NULL)
		return;
	for (size_t i = 0; i < http->idle_count; i++)
		curl_easy_cleanup(http->idle[i]);
	pthread_mutex_destroy(&http->lock);
	free(http->idle);
	free(http->ca_file);
	free(http);
}

/* A handle, with the connection that it kept. */
static CURL *
handle_take(struct http *http)
{
	CURL *curl = NULL;

	pthread_mutex_lock(&http->lock);
	if (http->idle_count > 0)
		curl = http->idle[--http->idle_count];
	pthread_mutex_unlock(&http->lock);
	if (curl == NULL && (curl = curl_easy_init()) == NULL)
		abort();
	return curl;
}

static void
handle_give(struct http *http, CURL *curl)
{
	curl_easy_reset(curl);
	pthread_mutex_lock(&http->lock);
	if (http->idle_count < http->options.idle) {
		http->idle[http->idle_count++] = curl;
		curl = NULL;
	}
	pthread_mutex_unlock(&http->lock);
	curl_easy_cleanup(curl);
}

/* ---- libcurl's callbacks */

static size_t
read_body(char *to, size_t size, size_t count, void *user)
{
	struct exchange *ex = user;
	struct str part = str_sub(ex->req->body, ex->sent, size * count);

	if (part.len > 0)
		memcpy(to, part.ptr, part.len);
	ex->sent += part.len;
	return part.len;
}

/* libcurl sends again by itself when a kept connection turns out to be dead. */
static int
seek_body(void *user, curl_off_t offset, int origin)
{
	struct exchange *ex = user;

	if (origin != SEEK_SET || offset < 0 || (size_t)offset > ex->req->body.len)
		return CURL_SEEKFUNC_FAIL;
	ex->sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t
write_body(char *bytes, size_t size, size_t count, void *user)
{
	struct exchange *ex = user;
	struct str part = str_from(bytes, size * count);
	long status = 0;

	ex->received += part.len;
	if (ex->received > ex->req->reply_max) {
		ex->err = ERR_TOO_BIG;
		return CURL_WRITEFUNC_ERROR;
	}
	curl_easy_getinfo(ex->curl, CURLINFO_RESPONSE_CODE, &status);
	if (ex->req->on_body == NULL || status / 100 != 2)
		buffer_add(&ex->body, part);
	else if ((ex->err = ex->req->on_body(ex->req->self, part)) != ERR_OK)
		return CURL_WRITEFUNC_ERROR;
	return part.len;
}

static size_t
read_header(char *bytes, size_t size, size_t count, void *user)
{
	struct exchange *ex = user;
	struct str line = str_from(bytes, size * count), name;
	uint32_t seconds;

	if (str_starts_with(line, STR("HTTP/"))) {
		ex->reply->etag = STR_NONE;
		ex->reply->date_ms = 0;
		ex->reply->retry_ms = 0;
	}
	ex->has_head = str_trim(line).len == 0;
	if (!str_split(&line, ':', &name) || line.ptr == NULL)
		return size * count;
	line = str_trim(line);
	if (str_equal_nocase(name, STR("etag")) && line.len >= 2 && line.ptr[0] == '"')
		ex->reply->etag = arena_copy(ex->arena, str_sub(line, 1, line.len - 2));
	if (str_equal_nocase(name, STR("retry-after")) && str_to_u32(line, &seconds))
		ex->reply->retry_ms = (int64_t)seconds * 1000;
	if (str_equal_nocase(name, STR("date"))) {
		time_t date = curl_getdate(arena_cstr(ex->arena, line), NULL);

		ex->reply->date_ms = date > 0 ? (int64_t)date * 1000 : 0;
	}
	return size * count;
}

/* ---- one request */

#define SET(option, value)                                                                                             \
	do {                                                                                                           \
		if (curl_easy_setopt(ex->curl, (option), (value)) != CURLE_OK)                                         \
			return ERR_INTERNAL;                                                                           \
	} while (0)

static enum err
set_headers(struct exchange *ex)
{
	/* Without these libcurl adds its own, and waits a second for "100 Continue". */
	static const char *const without[] = { "Expect:", "Content-Type:", "Accept:", "Transfer-Encoding:" };

	for (size_t i = 0; i < sizeof(without) / sizeof(*without); i++)
		ex->headers = curl_slist_append(ex->headers, without[i]);
	for (size_t i = 0; i < ex->req->header_count; i++) {
		struct str line = arena_printf(ex->arena, "%.*s: %.*s", STR_ARG(ex->req->headers[i].name),
		    STR_ARG(ex->req->headers[i].value));

		ex->headers = curl_slist_append(ex->headers, line.ptr);
	}
	SET(CURLOPT_HTTPHEADER, ex->headers);
	return ERR_OK;
}

static enum err
set_limits(struct exchange *ex, const struct http *http)
{
	int64_t left_ms = clock_left_ms(ex->req->deadline_ms);
	int64_t connect_ms = http->options.connect_ms < left_ms ? http->options.connect_ms : left_ms;

	if (left_ms <= 0)
		return ERR_DEADLINE;
	SET(CURLOPT_TIMEOUT_MS, (long)left_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	if (http->options.silence_ms > 0) {
		SET(CURLOPT_LOW_SPEED_LIMIT, (long)HTTP_SLOWEST);
		SET(CURLOPT_LOW_SPEED_TIME, (long)(http->options.silence_ms / 1000));
	}
	return ERR_OK;
}

static enum err
set_connection(struct exchange *ex, const struct http *http)
{
	SET(CURLOPT_ERRORBUFFER, ex->problem);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, 128L * 1024);
	SET(CURLOPT_BUFFERSIZE, 128L * 1024);
	if (http->ca_file != NULL)
		SET(CURLOPT_CAINFO, http->ca_file);
	return ERR_OK;
}

static enum err
set_request(struct exchange *ex)
{
	const struct http_request *req = ex->req;

	if (!str_starts_with(req->url, STR("http://")) && !str_starts_with(req->url, STR("https://")))
		return ERR_INVALID;
	SET(CURLOPT_URL, arena_cstr(ex->arena, req->url));
	if (req->has_body) {
		SET(CURLOPT_UPLOAD, 1L);
		SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->body.len);
		SET(CURLOPT_READFUNCTION, read_body);
		SET(CURLOPT_READDATA, ex);
		SET(CURLOPT_SEEKFUNCTION, seek_body);
		SET(CURLOPT_SEEKDATA, ex);
	}
	if (strcmp(req->method, "HEAD") == 0)
		SET(CURLOPT_NOBODY, 1L);
	SET(CURLOPT_CUSTOMREQUEST, req->method);
	SET(CURLOPT_WRITEFUNCTION, write_body);
	SET(CURLOPT_WRITEDATA, ex);
	SET(CURLOPT_HEADERFUNCTION, read_header);
	SET(CURLOPT_HEADERDATA, ex);
	return ERR_OK;
}

/* What libcurl's codes mean to a caller; all others: the answer was cut or is no HTTP. */
static const struct {
	CURLcode code;
	enum err err;
} codes[] = {
	{ CURLE_OK, ERR_OK },
	{ CURLE_URL_MALFORMAT, ERR_INVALID },
	{ CURLE_COULDNT_RESOLVE_HOST, ERR_UNAVAILABLE },
	{ CURLE_COULDNT_CONNECT, ERR_UNAVAILABLE },
	{ CURLE_SSL_CONNECT_ERROR, ERR_UNAVAILABLE },
	{ CURLE_PEER_FAILED_VERIFICATION, ERR_UNAVAILABLE },
	{ CURLE_SSL_CACERT_BADFILE, ERR_UNAVAILABLE },
	{ CURLE_OPERATION_TIMEDOUT, ERR_DEADLINE },
};

static enum err
code_err(CURLcode code)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		if (codes[i].code == code)
			return codes[i].err;
	}
	return ERR_UNKNOWN_OUTCOME;
}

static enum err
run(struct exchange *ex, const struct http *http)
{
	CURLcode code;
	long status = 0;
	curl_off_t length = -1;

	TRY(set_connection(ex, http));
	TRY(set_request(ex));
	TRY(set_headers(ex));
	TRY(set_limits(ex, http));
	code = curl_easy_perform(ex->curl);
	if (ex->err != ERR_OK)
		return ex->err;
	if (code != CURLE_OK) {
		if (ex->problem[0] == '\0')
			snprintf(ex->problem, sizeof(ex->problem), "%s", curl_easy_strerror(code));
		return code_err(code);
	}
	if (!ex->has_head) {
		snprintf(ex->problem, sizeof(ex->problem), "the connection ended in the middle of the answer's head");
		return ERR_UNKNOWN_OUTCOME;
	}
	curl_easy_getinfo(ex->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(ex->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	ex->reply->status = (int)status;
	ex->reply->length = length;
	ex->reply->body = arena_copy(ex->arena, buffer_str(&ex->body));
	return ERR_OK;
}

enum err
http_perform(struct http *http, const struct http_request *req, struct arena *arena, struct http_reply *ret)
{
	struct http_reply reply = { 0 };
	struct exchange ex = { .req = req, .arena = arena, .reply = &reply };
	enum err err;

	ex.curl = handle_take(http);
	err = run(&ex, http);
	if (err != ERR_OK)
		reply = (struct http_reply){ .problem = arena_copy(arena, str_c(ex.problem)) };
	*ret = reply;
	handle_give(http, ex.curl);
	curl_slist_free_all(ex.headers);
	buffer_clear(&ex.body);
	return err;
}

enum err
http_status_err(int status)
{
	static const struct {
		int from, to;
		enum err err;
	} rows[] = {
		{ 200, 299, ERR_OK }, { 401, 401, ERR_DENIED }, { 403, 403, ERR_DENIED }, { 404, 404, ERR_NONEXISTENT },
		{ 408, 408, ERR_DEADLINE }, { 413, 413, ERR_TOO_BIG }, { 429, 429, ERR_BUSY }, { 503, 503, ERR_BUSY },
		{ 400, 499, ERR_INVALID }, { 500, 599, ERR_UNAVAILABLE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (status >= rows[i].from && status <= rows[i].to)
			return rows[i].err;
	}
	return ERR_UNKNOWN_OUTCOME;
}
