/* Reading, removing and listing objects in S3. */
#include <inttypes.h>

#include "libcommon/core/clock.h"
#include "services/blob/s3/s3.h"
#include "services/blob/s3/xml.h"

/* A page of S3's; it gives no more. */
enum { PAGE = 1000 };

/* By the time in its name: put so lately that the store may say it is not there. Clocks differ; then it is young for longer. */
static bool
is_young(const struct s3 *s3, const struct uuid *id)
{
	return clock_wall_ms() - uuid_ms(*id) < s3->young_ms;
}

enum err
s3_read(void *store, const struct uuid *id, uint64_t offset, size_t len, char *ret, int64_t deadline_ms)
{
	struct arena arena = { 0 };
	struct s3_call call = { .method = "GET", .key = s3_key(&arena, id), .into = ret, .into_bytes = len,
		.deadline_ms = deadline_ms, .is_young = is_young(store, id) };
	struct http_reply reply;
	enum err err;

	if (len == 0)
		return ERR_OK;
	call.range = arena_printf(&arena, "bytes=%" PRIu64 "-%" PRIu64, offset, offset + len - 1);
	err = s3_perform(store, &call, &arena, &reply);
	/* The whole object, by a store that knows no ranges: only right if that is what was asked for. */
	if (err == ERR_OK && reply.status != 206 && offset != 0)
		err = ERR_UNAVAILABLE;
	arena_clear(&arena);
	return err;
}

enum err
s3_remove(void *store, const struct uuid *id, int64_t deadline_ms)
{
	struct arena arena = { 0 };
	struct s3_call call = { .method = "DELETE", .key = s3_key(&arena, id), .deadline_ms = deadline_ms };
	struct http_reply reply;
	enum err err = s3_perform(store, &call, &arena, &reply);

	arena_clear(&arena);
	return err == ERR_NONEXISTENT ? ERR_OK : err;
}

/* ---- listing */

struct listing {
	struct s3 *s3;
	struct arena arena;
	struct str after; /* a key, with the prefix */
	size_t limit, count;
	struct store_object *objects;
	bool is_more;
};

/* One <Contents>. Keys that are not ours are passed over: the bucket may hold other things. */
static void
add_object(struct listing *l, struct str contents)
{
	struct store_object *object = &l->objects[l->count];
	struct str key = xml_text(&l->arena, contents, "Key");

	l->after = key;
	if (str_starts_with(key, l->s3->prefix) && store_path_read(str_sub(key, l->s3->prefix.len, SIZE_MAX), &object->id) &&
	    xml_time(xml_text(&l->arena, contents, "LastModified"), &object->put_ms) &&
	    str_to_u64(xml_text(&l->arena, contents, "Size"), &object->size))
		l->count++;
}

static enum err
list_page(struct listing *l, int64_t deadline_ms)
{
	size_t want = l->limit - l->count < PAGE ? l->limit - l->count : PAGE;
	struct s3_call call = { .method = "GET", .query_count = 4, .ending = "</ListBucketResult>", .deadline_ms = deadline_ms };
	struct http_reply reply;
	struct str rest, contents, before = l->after;

	call.query[0] = (struct sigv4_pair){ STR("list-type"), STR("2") };
	call.query[1] = (struct sigv4_pair){ STR("max-keys"), arena_printf(&l->arena, "%zu", want) };
	call.query[2] = (struct sigv4_pair){ STR("prefix"), l->s3->prefix };
	call.query[3] = (struct sigv4_pair){ STR("start-after"), l->after };
	TRY(s3_perform(l->s3, &call, &l->arena, &reply));
	rest = reply.body;
	l->is_more = str_equal(xml_text(&l->arena, rest, "IsTruncated"), STR("true"));
	while (l->count < l->limit && xml_next(&rest, "Contents", &contents))
		add_object(l, contents);
	/* "There is more", but nothing was given: that would go on for ever. */
	return l->is_more && str_equal(before, l->after) ? ERR_UNAVAILABLE : ERR_OK;
}

enum err
s3_list(void *store, const struct uuid *after, size_t limit, struct store_object *ret, size_t *ret_count, bool *ret_more,
    int64_t deadline_ms)
{
	struct listing l = { .s3 = store, .limit = limit, .objects = ret };
	enum err err = ERR_OK;

	if (after != NULL)
		l.after = arena_printf(&l.arena, "%.*s%.*s", STR_ARG(l.s3->prefix), STR_ARG(s3_key(&l.arena, after)));
	do {
		err = list_page(&l, deadline_ms);
	} while (err == ERR_OK && l.is_more && l.count < l.limit);
	if (err == ERR_OK) {
		*ret_count = l.count;
		*ret_more = l.is_more;
	}
	arena_clear(&l.arena);
	return err == ERR_NONEXISTENT ? ERR_UNAVAILABLE : err;
}

/* ---- parts that nobody will finish */

static enum err
clean_one(struct s3 *s3, struct str upload, int64_t before_ms, int64_t deadline_ms, struct arena *arena)
{
	struct str key = xml_text(arena, upload, "Key");
	struct s3_call call = { .method = "DELETE", .query_count = 1, .deadline_ms = deadline_ms };
	struct http_reply reply;
	struct uuid id;
	int64_t begun_ms;
	enum err err;

	if (!str_starts_with(key, s3->prefix) || !store_path_read(str_sub(key, s3->prefix.len, SIZE_MAX), &id) ||
	    !xml_time(xml_text(arena, upload, "Initiated"), &begun_ms) || begun_ms >= before_ms)
		return ERR_OK;
	call.key = str_sub(key, s3->prefix.len, SIZE_MAX);
	call.query[0] = (struct sigv4_pair){ STR("uploadId"), xml_text(arena, upload, "UploadId") };
	err = s3_perform(s3, &call, arena, &reply);
	return err == ERR_NONEXISTENT ? ERR_OK : err;
}

enum err
s3_clean(void *store, int64_t age_ms, int64_t deadline_ms)
{
	struct s3 *s3 = store;
	struct arena arena = { 0 };
	struct s3_call call = { .method = "GET", .query = { { STR("uploads"), STR("") }, { STR("prefix"), s3->prefix } },
		.query_count = 2, .ending = "</ListMultipartUploadsResult>", .deadline_ms = deadline_ms };
	struct http_reply reply;
	struct str rest, upload;
	enum err err = s3_perform(s3, &call, &arena, &reply);

	rest = err == ERR_OK ? reply.body : STR_NONE;
	while (err == ERR_OK && xml_next(&rest, "Upload", &upload))
		err = clean_one(s3, upload, clock_wall_ms() - age_ms, deadline_ms, &arena);
	arena_clear(&arena);
	return err;
}
