/* Objects in S3: settings, bucket, and the table of what the back end does. */
#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "services/blob/s3/s3.h"
#include "services/blob/s3/xml.h"

/* ---- settings */

static bool
is_printable(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
			return false;
	}
	return true;
}

static bool
is_bucket(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'))
			return false;
	}
	return name.len >= 3 && name.len <= 63;
}

static bool
is_endpoint(struct str url)
{
	struct str host = STR_NONE;

	if (str_starts_with(url, STR("http://")))
		host = str_sub(url, 7, SIZE_MAX);
	if (str_starts_with(url, STR("https://")))
		host = str_sub(url, 8, SIZE_MAX);
	return host.len > 0 && is_printable(host) && str_index(host, '/') == host.len && str_index(host, '?') == host.len &&
	    str_index(host, '@') == host.len;
}

static enum err
settings_check(const struct config *c, struct buffer *problems)
{
	const struct { const char *path, *problem; bool is_good; } rows[] = {
		{ "endpoint", "is not http://HOST[:PORT] or https://HOST[:PORT]", is_endpoint(c->s3_endpoint) },
		{ "region", "is not set", c->s3_region.len > 0 && is_printable(c->s3_region) },
		{ "bucket", "is no name of a bucket", is_bucket(c->s3_bucket) },
		{ "prefix", "has a space or a special character", is_printable(c->s3_prefix) },
		{ "access_key", "is not set", c->s3_access_key.len > 0 && is_printable(c->s3_access_key) },
		{ "secret_key", "is not set", c->s3_secret_key.len > 0 && is_printable(c->s3_secret_key) },
	};
	enum err err = ERR_OK;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].is_good)
			continue;
		buffer_printf(problems, "blob.s3.%s: %s\n", rows[i].path, rows[i].problem);
		err = ERR_CONFIG;
	}
	return err;
}

/* ---- opening */

/* Where requests go. The port that belongs to the scheme is not part of the Host header, and so not of what is signed. */
static void
address_set(struct s3 *s3, const struct config *c)
{
	bool is_tls = str_starts_with(c->s3_endpoint, STR("https://"));
	struct str scheme = is_tls ? STR("https://") : STR("http://");
	struct str port = is_tls ? STR(":443") : STR(":80");
	struct str host = str_sub(c->s3_endpoint, scheme.len, SIZE_MAX);

	if (str_ends_with(host, port))
		host = str_sub(host, 0, host.len - port.len);
	s3->bucket = arena_copy(&s3->arena, c->s3_bucket);
	s3->prefix = arena_copy(&s3->arena, c->s3_prefix);
	if (c->s3_path_style) {
		s3->host = arena_copy(&s3->arena, host);
		s3->path = arena_printf(&s3->arena, "/%.*s", STR_ARG(c->s3_bucket));
	} else {
		s3->host = arena_printf(&s3->arena, "%.*s.%.*s", STR_ARG(c->s3_bucket), STR_ARG(host));
	}
	s3->base = arena_printf(&s3->arena, "%.*s%.*s", STR_ARG(scheme), STR_ARG(s3->host));
}

static enum err
s3_open(const struct config *config, struct buffer *problems, void **ret_store)
{
	struct http_options options = { .ca_file = config->s3_ca, .idle = (size_t)config->blob_threads + 4, .connect_ms = 3000,
		.silence_ms = 7000 };
	struct s3 *s3;

	TRY(settings_check(config, problems));
	s3 = MEM_NEW(struct s3);
	s3->log.service = "blob";
	s3->http = http_new(&options);
	s3->keys.access_key = arena_copy(&s3->arena, config->s3_access_key);
	s3->keys.secret_key = arena_copy(&s3->arena, config->s3_secret_key);
	s3->keys.region = arena_copy(&s3->arena, config->s3_region);
	s3->keys.service = STR("s3");
	s3->young_ms = S3_YOUNG_MS;
	address_set(s3, config);
	pthread_mutex_init(&s3->lock, NULL);
	pthread_cond_init(&s3->stop, NULL);
	*ret_store = s3;
	return ERR_OK;
}

static void
s3_close(void *store)
{
	struct s3 *s3 = store;

	if (s3 == NULL)
		return;
	http_free(s3->http);
	pthread_mutex_destroy(&s3->lock);
	pthread_cond_destroy(&s3->stop);
	arena_clear(&s3->arena);
	free(s3);
}

static void
s3_stop(void *store)
{
	struct s3 *s3 = store;

	pthread_mutex_lock(&s3->lock);
	s3->is_stopping = true;
	pthread_cond_broadcast(&s3->stop);
	pthread_mutex_unlock(&s3->lock);
}

/* ---- the bucket */

static enum err
bucket_problem(struct s3 *s3, struct buffer *problems, enum err err, const struct http_reply *reply)
{
	static const struct { enum err err; const char *text; bool is_config; } rows[] = {
		{ ERR_NONEXISTENT, "the bucket does not exist: `sora-blob create-bucket` makes it", true },
		{ ERR_DENIED, "the keys are wrong, or may not use the bucket: see blob.s3.access_key and blob.s3.secret_key", true },
		{ ERR_INVALID, "the store does not take the request: is the region right?", true },
		{ ERR_CLOCK, "the store's clock and ours are too far apart: they must agree within 10 minutes, run an NTP client such as chrony", false },
		{ ERR_DEADLINE, "the store does not answer in time: is it up, and blob.s3.endpoint right?", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].err != err)
			continue;
		buffer_printf(problems, "blob.s3.bucket: %.*s: %s\n", STR_ARG(s3->bucket), rows[i].text);
		return rows[i].is_config ? ERR_CONFIG : err;
	}
	buffer_printf(problems, "blob.s3.endpoint: %.*s: status %d: %.*s: is the store up, and this its address?\n", STR_ARG(s3->base),
	    reply->status, STR_ARG(reply->problem));
	return err;
}

static enum err
s3_check(void *store, struct buffer *problems, int64_t deadline_ms)
{
	struct s3 *s3 = store;
	struct s3_call call = { .method = "HEAD", .deadline_ms = deadline_ms, .is_once = true, .is_check = true };
	struct arena arena = { 0 };
	struct http_reply reply;
	enum err err = s3_perform(s3, &call, &arena, &reply);

	/* HEAD has no body to say it in. */
	if (err == ERR_DENIED && store_clock_is_apart(&s3->clock))
		err = ERR_CLOCK;
	if (err != ERR_OK)
		err = bucket_problem(s3, problems, err, &reply);
	arena_clear(&arena);
	return err;
}

static enum err
s3_create(void *store, struct buffer *problems, int64_t deadline_ms)
{
	struct s3 *s3 = store;
	struct s3_call call = { .method = "PUT", .has_body = true, .deadline_ms = deadline_ms };
	struct arena arena = { 0 };
	struct http_reply reply;
	enum err err;

	/* The first region is the one that may not be named. */
	if (!str_equal(s3->keys.region, STR("us-east-1")))
		call.body = arena_printf(&arena, "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
		    "<LocationConstraint>%.*s</LocationConstraint></CreateBucketConfiguration>", STR_ARG(s3->keys.region));
	err = s3_perform(s3, &call, &arena, &reply);
	if (err != ERR_OK && str_equal(xml_text(&arena, reply.body, "Code"), STR("BucketAlreadyOwnedByYou")))
		err = ERR_OK;
	if (err != ERR_OK)
		err = bucket_problem(s3, problems, err, &reply);
	arena_clear(&arena);
	return err;
}

static const struct store_clock *
s3_clock(const void *store)
{
	return &((const struct s3 *)store)->clock;
}

const struct store_ops s3_store = {
	.name = "s3",
	.open = s3_open,
	.stop = s3_stop,
	.close = s3_close,
	.create = s3_create,
	.check = s3_check,
	.put_begin = s3_put_begin,
	.put_write = s3_put_write,
	.put_commit = s3_put_commit,
	.put_abort = s3_put_abort,
	.read = s3_read,
	.remove = s3_remove,
	.list = s3_list,
	.clock = s3_clock,
	.clean = s3_clean,
};
