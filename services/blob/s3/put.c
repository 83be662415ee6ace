/*
 * Writing an object: one PUT when it is short, parts when it is not, for S3 wants each length beforehand.
 *
 * Bytes wait in a part of their own mapping: only what was written to takes memory, and all of it goes back at the end.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/crypto/hash.h"
#include "services/blob/s3/s3.h"
#include "services/blob/s3/xml.h"

enum { ABORT_MS = 3000 };

struct s3_put {
	struct s3 *s3;
	struct arena arena;     /* key, upload id, ETags of the parts */
	struct str key;
	char *part;
	size_t len, held;       /* in the part; memory that was taken for it */
	struct str upload;      /* empty: no part was sent yet */
	struct buffer parts;    /* the list for the end, as XML */
	unsigned count;
	uint64_t total;
};

enum err
s3_put_begin(void *store, const struct uuid *id, void **ret_put)
{
	char *part = mmap(NULL, S3_PART_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct s3_put *put;

	if (part == MAP_FAILED)
		return ERR_BUSY;
	put = MEM_NEW(struct s3_put);
	put->s3 = store;
	put->part = part;
	put->key = s3_key(&put->arena, id);
	*ret_put = put;
	return ERR_OK;
}

static void
put_free(struct s3_put *put)
{
	atomic_fetch_sub(&put->s3->held, put->held);
	munmap(put->part, S3_PART_BYTES);
	buffer_clear(&put->parts);
	arena_clear(&put->arena);
	free(put);
}

/* Memory for a part of `len` bytes. ERR_BUSY: all puts together have enough. */
static enum err
put_hold(struct s3_put *put, size_t len)
{
	size_t more = len > put->held ? len - put->held : 0;
	size_t most = len > S3_SMALL_BYTES ? S3_PUTS_BYTES - S3_KEPT_BYTES : S3_PUTS_BYTES;

	if (more > 0 && atomic_fetch_add(&put->s3->held, more) + more > most) {
		atomic_fetch_sub(&put->s3->held, more);
		return ERR_BUSY;
	}
	put->held += more;
	return ERR_OK;
}

/*
 * Did the store get these bytes? Where its ETag is the MD5 of what came, that tells. Where it is not (encryption by keys of the
 * store's), the signature's hash of the body has to do.
 */
static enum err
etag_check(struct str etag, struct str bytes)
{
	uint8_t expected[MD5_BYTES], got[MD5_BYTES];

	if (!hex_read(etag, got, sizeof(got)) || !md5(bytes, expected))
		return ERR_OK;
	return memcmp(got, expected, sizeof(got)) == 0 ? ERR_OK : ERR_UNAVAILABLE;
}

/* The object has this length, or it is not there as it should be. */
static enum err
length_check(struct s3_put *put, uint64_t length, int64_t deadline_ms)
{
	struct s3_call call = { .method = "HEAD", .key = put->key, .deadline_ms = deadline_ms, .is_young = true };
	struct arena arena = { 0 };
	struct http_reply reply;
	enum err err = s3_perform(put->s3, &call, &arena, &reply);

	if (err == ERR_OK && reply.length != (int64_t)length)
		err = ERR_UNAVAILABLE;
	arena_clear(&arena);
	return err;
}

static enum err
put_whole(struct s3_put *put, int64_t deadline_ms)
{
	struct str bytes = str_from(put->part, put->len);
	struct s3_call call = { .method = "PUT", .key = put->key, .body = bytes, .has_body = true, .wants_etag = true,
		.deadline_ms = deadline_ms };
	struct arena arena = { 0 };
	struct http_reply reply;
	enum err err = s3_perform(put->s3, &call, &arena, &reply);

	if (err == ERR_OK && (err = etag_check(reply.etag, bytes)) != ERR_OK)
		err = length_check(put, bytes.len, deadline_ms);
	/* No such bucket; the object itself can not be what is missing. */
	if (err == ERR_NONEXISTENT)
		err = ERR_UNAVAILABLE;
	arena_clear(&arena);
	return err;
}

/* ---- parts */

static enum err
parts_begin(struct s3_put *put, int64_t deadline_ms)
{
	struct s3_call call = { .method = "POST", .key = put->key, .query = { { STR("uploads"), STR("") } }, .query_count = 1,
		.has_body = true, .ending = "</InitiateMultipartUploadResult>", .deadline_ms = deadline_ms };
	struct arena arena = { 0 };
	struct http_reply reply;
	enum err err;

	if (put->upload.len > 0)
		return ERR_OK;
	err = s3_perform(put->s3, &call, &arena, &reply);
	if (err == ERR_OK)
		put->upload = arena_copy(&put->arena, xml_text(&arena, reply.body, "UploadId"));
	arena_clear(&arena);
	if (err == ERR_OK && put->upload.len == 0)
		return ERR_UNAVAILABLE;
	return err == ERR_NONEXISTENT ? ERR_UNAVAILABLE : err;
}

static enum err
part_send(struct s3_put *put, int64_t deadline_ms)
{
	struct arena arena = { 0 };
	struct str bytes = str_from(put->part, put->len);
	struct s3_call call = { .method = "PUT", .key = put->key, .query_count = 2, .body = bytes, .has_body = true,
		.wants_etag = true, .deadline_ms = deadline_ms };
	struct http_reply reply;
	enum err err;

	TRY(parts_begin(put, deadline_ms));
	put->count++;
	call.query[0] = (struct sigv4_pair){ STR("partNumber"), arena_printf(&arena, "%u", put->count) };
	call.query[1] = (struct sigv4_pair){ STR("uploadId"), put->upload };
	err = s3_perform(put->s3, &call, &arena, &reply);
	if (err == ERR_OK)
		err = etag_check(reply.etag, bytes);
	if (err == ERR_OK)
		buffer_printf(&put->parts, "<Part><PartNumber>%u</PartNumber><ETag>\"%.*s\"</ETag></Part>", put->count,
		    STR_ARG(reply.etag));
	arena_clear(&arena);
	put->len = 0;
	return err == ERR_NONEXISTENT ? ERR_UNAVAILABLE : err;
}

/*
 * Make one object of the parts. The store says 200 before it begins, so what the body says counts (s3_perform looks at it); and when a cut connection made us ask
 * twice, the upload is gone because it is done: the object's length settles both.
 */
static enum err
parts_finish(struct s3_put *put, int64_t deadline_ms)
{
	struct arena arena = { 0 };
	struct s3_call call = { .method = "POST", .key = put->key, .query = { { STR("uploadId"), put->upload } }, .query_count = 1,
		.has_body = true, .ending = "</CompleteMultipartUploadResult>", .deadline_ms = deadline_ms };
	struct http_reply reply;
	enum err err;

	call.body = arena_printf(&arena, "<CompleteMultipartUpload>%.*s</CompleteMultipartUpload>",
	    STR_ARG(buffer_str(&put->parts)));
	err = s3_perform(put->s3, &call, &arena, &reply);
	arena_clear(&arena);
	if (err != ERR_OK && err != ERR_NONEXISTENT)
		return err;
	return length_check(put, put->total, deadline_ms);
}

static void
parts_abort(struct s3_put *put)
{
	struct s3_call call = { .method = "DELETE", .key = put->key, .query = { { STR("uploadId"), put->upload } },
		.query_count = 1, .deadline_ms = clock_mono_ms() + ABORT_MS, .is_once = true };
	struct arena arena = { 0 };
	struct http_reply reply;

	/* When it fails, s3_clean finds the parts a day later. */
	if (put->upload.len > 0)
		s3_perform(put->s3, &call, &arena, &reply);
	arena_clear(&arena);
}

/* ---- the back end's functions */

enum err
s3_put_write(void *put, struct str bytes, int64_t deadline_ms)
{
	struct s3_put *p = put;

	while (bytes.len > 0) {
		struct str here;

		if (p->len == S3_PART_BYTES)
			TRY(part_send(p, deadline_ms));
		here = str_sub(bytes, 0, S3_PART_BYTES - p->len);
		TRY(put_hold(p, p->len + here.len));
		memcpy(p->part + p->len, here.ptr, here.len);
		p->len += here.len;
		p->total += here.len;
		bytes = str_sub(bytes, here.len, SIZE_MAX);
	}
	return ERR_OK;
}

enum err
s3_put_commit(void *put, int64_t deadline_ms)
{
	struct s3_put *p = put;

	if (p->upload.len == 0) {
		TRY(put_whole(p, deadline_ms));
	} else {
		if (p->len > 0)
			TRY(part_send(p, deadline_ms));
		TRY(parts_finish(p, deadline_ms));
	}
	put_free(p);
	return ERR_OK;
}

void
s3_put_abort(void *put)
{
	parts_abort(put);
	put_free(put);
}
