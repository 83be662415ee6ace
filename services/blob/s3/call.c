/* One request to S3: signed, sent, tried again while that may help. */
#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "libcommon/core/random.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/crypto/hash.h"
#include "services/blob/s3/s3.h"
#include "services/blob/s3/xml.h"

enum { PAUSE_FIRST_MS = 50, PAUSE_LONGEST_MS = 1000 };

/* What is signed, and the same at each try. */
struct s3_signed {
	struct str path, query, payload;
};

/* Where a body of known length goes. */
struct target {
	char *at;
	size_t left;
};

struct str
s3_key(struct arena *arena, const struct uuid *id)
{
	char path[STORE_PATH_BYTES + 1];

	store_path(id, path);
	return arena_copy(arena, str_c(path));
}

static enum err
to_target(void *self, struct str bytes)
{
	struct target *target = self;

	/* More than was asked for: whatever it is, it is not that. */
	if (bytes.len > target->left)
		return ERR_UNKNOWN_OUTCOME;
	memcpy(target->at, bytes.ptr, bytes.len);
	target->at += bytes.len;
	target->left -= bytes.len;
	return ERR_OK;
}

static struct str
call_path(const struct s3 *s3, const struct s3_call *call, struct arena *arena)
{
	struct str key;

	if (call->key.len == 0)
		return s3->path.len ? s3->path : STR("/");
	key = arena_printf(arena, "%.*s%.*s", STR_ARG(s3->prefix), STR_ARG(call->key));
	return arena_printf(arena, "%.*s/%.*s", STR_ARG(s3->path), STR_ARG(sigv4_encode(arena, key, true)));
}

/* A reply that is too long, from one who was asked for something else, is as good as none. */
static enum err
perform(struct s3 *s3, const struct http_request *req, struct arena *arena, struct http_reply *ret)
{
	enum err err = http_perform(s3->http, req, arena, ret);

	return err == ERR_TOO_BIG ? ERR_UNKNOWN_OUTCOME : err;
}

/* The request with its signature, which holds for this time only. */
static enum err
send_once(struct s3 *s3, const struct s3_call *call, const struct s3_signed *s, struct arena *arena, struct http_reply *ret)
{
	struct str time = sigv4_time(arena, clock_wall_ms());
	const struct sigv4_pair headers[] = { { STR("host"), s3->host }, { STR("x-amz-content-sha256"), s->payload },
		{ STR("x-amz-date"), time } };
	struct sigv4_request to_sign = { .method = str_c(call->method), .path = s->path, .query = s->query, .headers = headers,
		.header_count = 3, .payload = s->payload, .time = time };
	struct http_header sent[] = { { STR("Authorization"), sigv4_authorization(arena, &s3->keys, &to_sign) },
		{ STR("x-amz-content-sha256"), s->payload }, { STR("x-amz-date"), time }, { STR("Range"), call->range } };
	struct target target = { call->into, call->into_bytes };
	struct http_request req = { .method = call->method, .headers = sent, .header_count = call->range.len ? 4 : 3,
		.body = call->body, .has_body = call->has_body, .deadline_ms = call->deadline_ms,
		.reply_max = call->into_bytes + S3_REPLY_BYTES };

	req.url = arena_printf(arena, "%.*s%.*s%s%.*s", STR_ARG(s3->base), STR_ARG(s->path), s->query.len ? "?" : "",
	    STR_ARG(s->query));
	if (call->into != NULL) {
		req.on_body = to_target;
		req.self = &target;
	}
	TRY(perform(s3, &req, arena, ret));
	if (ret->date_ms > 0)
		store_clock_note(&s3->clock, ret->date_ms);
	/* It is shorter, says who has looked at the range; who has not may have said anything. */
	if (call->into != NULL && ret->status / 100 == 2 && target.left > 0)
		return ret->status == 206 ? ERR_CORRUPT : ERR_UNKNOWN_OUTCOME;
	return ERR_OK;
}

/* What an answer means, by the code in its body where that says more than the status. */
static const struct {
	struct str code;
	enum err err;
} codes[] = {
	{ STR("RequestTimeTooSkewed"), ERR_CLOCK },
	{ STR("RequestTimeout"), ERR_DEADLINE },
	{ STR("SlowDown"), ERR_BUSY },
	{ STR("InternalError"), ERR_UNAVAILABLE },
	{ STR("InvalidRange"), ERR_CORRUPT },
	{ STR("NoSuchKey"), ERR_NONEXISTENT },
	{ STR("NoSuchUpload"), ERR_NONEXISTENT },
	/* The bucket must be there: without it no object is known to be gone. */
	{ STR("NoSuchBucket"), ERR_UNAVAILABLE },
	/* Damaged on the way there: the same bytes again. */
	{ STR("BadDigest"), ERR_UNAVAILABLE },
	{ STR("IncompleteBody"), ERR_UNAVAILABLE },
	{ STR("XAmzContentSHA256Mismatch"), ERR_UNAVAILABLE },
};

/* An answer that says yes: does it mean it? It may have an error in its body, be cut, or be none of S3's at all. */
static enum err
success_err(const struct s3_call *call, const struct http_reply *reply)
{
	struct str body = reply->body;

	if (str_find(body, STR("<Error>")) < body.len || (call->wants_etag && reply->etag.len == 0))
		return ERR_UNAVAILABLE;
	return call->ending == NULL || str_find(body, str_c(call->ending)) < body.len ? ERR_OK : ERR_UNAVAILABLE;
}

static enum err
reply_err(const struct s3_call *call, const struct http_reply *reply, struct str code)
{
	if (reply->status / 100 == 2)
		return success_err(call, reply);
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		if (str_equal(code, codes[i].code))
			return codes[i].err;
	}
	/* The store says what it has not; HEAD has no body to say it in. */
	if (reply->status == 404 && strcmp(call->method, "HEAD") != 0)
		return ERR_UNAVAILABLE;
	return reply->status == 416 ? ERR_CORRUPT : http_status_err(reply->status);
}

/* One try. *ret_code: S3's word for the error, if it said one. */
static enum err
try_once(struct s3 *s3, const struct s3_call *call, const struct s3_signed *sent, struct arena *arena, struct http_reply *ret,
    struct str *ret_code)
{
	enum err err = send_once(s3, call, sent, arena, ret);

	*ret_code = err == ERR_OK ? xml_text(arena, ret->body, "Code") : STR_NONE;
	if (err == ERR_OK)
		err = reply_err(call, ret, *ret_code);
	return err == ERR_NONEXISTENT && call->is_young ? ERR_UNAVAILABLE : err;
}

/* Everything that S3 is asked here may be asked twice, so what passes is worth another try. */
static bool
may_pass(enum err err)
{
	return err == ERR_UNAVAILABLE || err == ERR_BUSY || err == ERR_DEADLINE || err == ERR_UNKNOWN_OUTCOME;
}

/* Wait before the next try, `least_ms` at least. False: there is no time for another one, or the process ends. */
static bool
pause_before(struct s3 *s3, unsigned tries, int64_t least_ms, int64_t deadline_ms)
{
	int64_t longest_ms = tries < 5 ? PAUSE_FIRST_MS << tries : PAUSE_LONGEST_MS;
	int64_t until_ms = clock_mono_ms() + least_ms + longest_ms / 2 + (int64_t)(random_u64() % (uint64_t)longest_ms) / 2;
	struct timespec until = clock_timespec(until_ms);
	bool goes_on;

	if (until_ms >= deadline_ms)
		return false;
	pthread_mutex_lock(&s3->lock);
	while (!s3->is_stopping && clock_left_ms(until_ms) > 0)
		pthread_cond_clockwait(&s3->stop, &s3->lock, CLOCK_MONOTONIC, &until);
	goes_on = !s3->is_stopping;
	pthread_mutex_unlock(&s3->lock);
	return goes_on;
}

/* What is unknown here is asked again under another id, or found by the sweep: to the caller it did not happen. */
static enum err
told_err(const struct s3_call *call, enum err err)
{
	if (err == ERR_UNKNOWN_OUTCOME)
		return ERR_UNAVAILABLE;
	if (call->key.len == 0 || err == ERR_CORRUPT || err == ERR_CLOCK || err == ERR_DEADLINE || err == ERR_NONEXISTENT)
		return err;
	return ERR_UNAVAILABLE;
}

enum err
s3_perform(struct s3 *s3, const struct s3_call *call, struct arena *arena, struct http_reply *ret)
{
	struct s3_signed sent = { .path = call_path(s3, call, arena) };
	struct sigv4_pair pairs[4];
	uint8_t hash[SHA256_BYTES];
	struct str code;
	enum err err;

	memcpy(pairs, call->query, sizeof(pairs));
	sent.query = sigv4_query(arena, pairs, call->query_count);
	sha256(call->body, hash);
	sent.payload = hex_encode(arena, str_from(hash, sizeof(hash)));
	for (unsigned tries = 0;; tries++) {
		err = try_once(s3, call, &sent, arena, ret, &code);
		if (err == ERR_OK || err == ERR_NONEXISTENT)
			return err;
		metric_add(METRIC_BLOB_FAILED, 1);
		if (!may_pass(err) || call->is_once || !pause_before(s3, tries, ret->retry_ms, call->deadline_ms))
			break;
	}
	if (!call->is_check && (err != ERR_CLOCK || log_seldom(&s3->clock_refused) > 0))
		log_warn(&s3->log, "blob.s3", KV_C("method", call->method), KV_STR("path", sent.path), KV_INT("status", ret->status),
		    KV_STR("code", code), KV_STR("problem", ret->problem), KV_ERR(err));
	return told_err(call, err);
}
