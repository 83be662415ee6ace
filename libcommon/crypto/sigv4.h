/*
 * AWS Signature Version 4: the Authorization header of a request. A pure function.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
#ifndef SORA_CRYPTO_SIGV4_H
#define SORA_CRYPTO_SIGV4_H

#include "libcommon/core/arena.h"

struct sigv4_pair {
	struct str name, value;
};

struct sigv4_keys {
	struct str access_key, secret_key, region, service; /* service: "s3" */
};

struct sigv4_request {
	struct str method;
	struct str path;   /* as sent, already encoded by sigv4_encode: "/bucket/key" */
	struct str query;  /* as sent, without "?": what sigv4_query made */
	/* What is signed: "host" and every "x-amz-.." at least; names in lower case, ascending. Values are trimmed. */
	const struct sigv4_pair *headers;
	size_t header_count;
	struct str payload; /* hex SHA-256 of the body, or "UNSIGNED-PAYLOAD" */
	struct str time;    /* sigv4_time; the value of x-amz-date */
};

/* "20130524T000000Z" for milliseconds since 1970. */
struct str sigv4_time(struct arena *arena, int64_t wall_ms);

/* Percent-encode all but RFC 3986's unreserved characters; `keep_slash` for paths. */
struct str sigv4_encode(struct arena *arena, struct str text, bool keep_slash);

/* A query string, encoded and in the order that is signed; also the one to send. `pairs` is sorted in place. */
struct str sigv4_query(struct arena *arena, struct sigv4_pair *pairs, size_t count);

/* The value of the Authorization header. */
struct str sigv4_authorization(struct arena *arena, const struct sigv4_keys *keys, const struct sigv4_request *req);

#endif
