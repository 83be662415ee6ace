/* AWS Signature Version 4. */
#include "libcommon/crypto/sigv4.h"

#include <stdlib.h>
#include <time.h>

#include "libcommon/core/buffer.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/crypto/hash.h"

struct str
sigv4_time(struct arena *arena, int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	return arena_printf(arena, "%04d%02d%02dT%02d%02d%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	    tm.tm_min, tm.tm_sec);
}

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("-._~", c) != NULL);
}

struct str
sigv4_encode(struct arena *arena, struct str text, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_calloc(arena, text.len + 1, 3);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (is_unreserved(c) || (c == '/' && keep_slash)) {
			out[len++] = c;
			continue;
		}
		out[len++] = '%';
		out[len++] = digits[(uint8_t)c >> 4];
		out[len++] = digits[c & 15];
	}
	return str_from(out, len);
}

static int
pair_compare(const void *left, const void *right)
{
	const struct sigv4_pair *a = left, *b = right;
	int order = str_compare(a->name, b->name);

	return order ? order : str_compare(a->value, b->value);
}

struct str
sigv4_query(struct arena *arena, struct sigv4_pair *pairs, size_t count)
{
	struct str query = STR("");

	/* The order is that of the encoded names: '-' stands before '%2F', which '/' would not. */
	for (size_t i = 0; i < count; i++) {
		pairs[i].name = sigv4_encode(arena, pairs[i].name, false);
		pairs[i].value = sigv4_encode(arena, pairs[i].value, false);
	}
	if (count > 0)
		qsort(pairs, count, sizeof(*pairs), pair_compare);
	for (size_t i = 0; i < count; i++)
		query = arena_printf(arena, "%.*s%s%.*s=%.*s", STR_ARG(query), i ? "&" : "", STR_ARG(pairs[i].name),
		    STR_ARG(pairs[i].value));
	return query;
}

static struct str
signed_headers(struct arena *arena, const struct sigv4_request *req)
{
	struct str names = STR("");

	for (size_t i = 0; i < req->header_count; i++)
		names = arena_printf(arena, "%.*s%s%.*s", STR_ARG(names), i ? ";" : "", STR_ARG(req->headers[i].name));
	return names;
}

/* The request as both sides write it down, hashed. */
static struct str
canonical_hash(struct arena *arena, const struct sigv4_request *req, struct str names)
{
	struct buffer text = { 0 };
	uint8_t hash[SHA256_BYTES];

	buffer_printf(&text, "%.*s\n%.*s\n%.*s\n", STR_ARG(req->method), STR_ARG(req->path), STR_ARG(req->query));
	for (size_t i = 0; i < req->header_count; i++)
		buffer_printf(&text, "%.*s:%.*s\n", STR_ARG(req->headers[i].name), STR_ARG(str_trim(req->headers[i].value)));
	buffer_printf(&text, "\n%.*s\n%.*s", STR_ARG(names), STR_ARG(req->payload));
	sha256(buffer_str(&text), hash);
	buffer_clear(&text);
	return hex_encode(arena, str_from(hash, sizeof(hash)));
}

/* A key that is good for one day, region and service. */
static void
signing_key(struct arena *arena, const struct sigv4_keys *keys, struct str day, uint8_t ret[SHA256_BYTES])
{
	struct str key = arena_printf(arena, "AWS4%.*s", STR_ARG(keys->secret_key));
	const struct str steps[] = { day, keys->region, keys->service, STR("aws4_request") };

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		uint8_t next[SHA256_BYTES];

		hmac_sha256(key, steps[i], next);
		memcpy(ret, next, sizeof(next));
		key = str_from(ret, SHA256_BYTES);
	}
}

struct str
sigv4_authorization(struct arena *arena, const struct sigv4_keys *keys, const struct sigv4_request *req)
{
	struct str day = str_sub(req->time, 0, 8);
	struct str names = signed_headers(arena, req);
	struct str scope = arena_printf(arena, "%.*s/%.*s/%.*s/aws4_request", STR_ARG(day), STR_ARG(keys->region),
	    STR_ARG(keys->service));
	struct str to_sign = arena_printf(arena, "AWS4-HMAC-SHA256\n%.*s\n%.*s\n%.*s", STR_ARG(req->time), STR_ARG(scope),
	    STR_ARG(canonical_hash(arena, req, names)));
	uint8_t key[SHA256_BYTES], signature[SHA256_BYTES];

	signing_key(arena, keys, day, key);
	hmac_sha256(str_from(key, sizeof(key)), to_sign, signature);
	return arena_printf(arena, "AWS4-HMAC-SHA256 Credential=%.*s/%.*s, SignedHeaders=%.*s, Signature=%.*s",
	    STR_ARG(keys->access_key), STR_ARG(scope), STR_ARG(names),
	    STR_ARG(hex_encode(arena, str_from(signature, sizeof(signature)))));
}
