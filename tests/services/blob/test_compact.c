/* Compact: what is wanted of an object, written anew. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "services/blob/pack.h"
#include "tests/services/blob/stores.h"

enum { BODIES = 10, MANY = 1000 };

static const struct seal_keys some_keys = { .keys = { { .id = 7, .bytes = "one key" }, { .id = 8, .bytes = "another" } }, .count = 2 };

/* One object of several bodies, and a call that asks about them. */
struct scene {
	struct config *config;
	struct blob *blob;
	struct arena arena;
	struct pack pack;
	struct str bodies[MANY];
	struct blob_ref refs[MANY];
	BlobCompactRequest req;
	BlobCompactReply reply;
};

static void
scene_begin(struct scene *s, const char *store)
{
	*s = (struct scene){ .req = BLOB_COMPACT_REQUEST__INIT, .reply = BLOB_COMPACT_REPLY__INIT };
	s->blob = store_open(store, NULL, &s->config);
	pack_init(&s->pack);
	s->req.live = ARENA_ARRAY(&s->arena, ProtobufCBinaryData, MANY + 1);
	s->req.dead = ARENA_ARRAY(&s->arena, ProtobufCBinaryData, MANY + 1);
}

static void
scene_end(struct scene *s)
{
	arena_clear(&s->arena);
	pack_clear(&s->pack);
	store_close(s->blob, s->config);
}

/* Random, so that its stored length is its own. */
static void
add_body(struct scene *s, size_t i, size_t len, const struct seal_key *key)
{
	char *bytes = arena_alloc(&s->arena, len);

	random_bytes(bytes, len);
	s->bodies[i] = str_from(bytes, len);
	pack_add(&s->pack, key, s->bodies[i], &s->refs[i]);
}

static void
name_ref(struct scene *s, ProtobufCBinaryData *list, size_t *count, const struct blob_ref *ref)
{
	uint8_t *bytes = arena_alloc(&s->arena, REF_BYTES);

	ref_encode(ref, bytes);
	list[(*count)++] = (ProtobufCBinaryData){ REF_BYTES, bytes };
}

static void
live(struct scene *s, size_t i)
{
	name_ref(s, s->req.live, &s->req.n_live, &s->refs[i]);
}

static void
dead(struct scene *s, size_t i)
{
	name_ref(s, s->req.dead, &s->req.n_dead, &s->refs[i]);
}

static enum err
compact(struct scene *s)
{
	struct rpc rpc = { .service = s->blob, .arena = &s->arena, .deadline_ms = soon(20) };

	blob_compact_reply__init(&s->reply);
	return compact_rpc(&rpc, &s->req, &s->reply);
}

static size_t
count_objects(struct blob *blob)
{
	struct store_object objects[20];
	size_t count;
	bool is_more;

	cr_assert_eq(blob->ops->list(blob->store, NULL, 20, objects, &count, &is_more, soon(10)), ERR_OK);
	return count;
}

static void
check_body(struct scene *s, const struct blob_ref *ref, struct str body)
{
	for (size_t at = 0; at < body.len || at == 0; at += BUS_CHUNK_MAX) {
		struct arena arena = { 0 };
		struct str got, expected = str_sub(body, at, BUS_CHUNK_MAX);

		cr_assert_eq(body_read(s->blob, ref, at, expected.len, &arena, soon(10), &got), ERR_OK);
		cr_assert(str_equal(got, expected));
		arena_clear(&arena);
	}
}

/* Number `i` of the answer is this body, elsewhere. */
static struct blob_ref
check_answer(struct scene *s, size_t i, const struct blob_ref *was, struct str body)
{
	struct blob_ref now;

	cr_assert_eq(ref_decode(str_from(s->reply.blob[i].data, s->reply.blob[i].len), &now), ERR_OK);
	cr_assert_neq(memcmp(now.object.bytes, was->object.bytes, 16), 0);
	cr_assert(now.size == body.len && s->reply.put_ms <= now.put_ms && s->reply.put_ms >= was->put_ms);
	check_body(s, &now, body);
	return now;
}

/* What was sealed by the key of before is sealed by the one of now. */
Test(compact, writes_what_is_wanted_into_one_object_under_the_present_key, .timeout = 60)
{
	for (size_t i = 0; i < 2; i++) {
		static const size_t wanted[] = { 7, 0, 3 };
		struct scene s;
		struct blob_ref now[3];

		scene_begin(&s, store_names[i]);
		s.blob->seal_keys = some_keys;
		for (size_t b = 0; b < BODIES; b++)
			add_body(&s, b, b ? 1000 : 0, &some_keys.keys[1]);
		cr_assert_eq(pack_store(s.blob, &s.pack, soon(10)), ERR_OK);
		for (size_t w = 0; w < 3; w++)
			live(&s, wanted[w]);
		for (size_t b = 0; b < BODIES; b++) {
			if (b != 7 && b != 0 && b != 3)
				dead(&s, b);
		}
		cr_assert_eq(compact(&s), ERR_OK);
		cr_assert(s.reply.done && s.reply.n_blob == 3);
		for (size_t w = 0; w < 3; w++)
			now[w] = check_answer(&s, w, &s.refs[wanted[w]], s.bodies[wanted[w]]);
		cr_assert_eq(count_objects(s.blob), 2, "the old one and one new one");
		cr_assert(now[0].key_id == 7 && memcmp(now[0].object.bytes, now[2].object.bytes, 16) == 0);
		for (size_t b = 0; b < BODIES; b++)
			check_body(&s, &s.refs[b], s.bodies[b]);
		scene_end(&s);
	}
}

Test(compact, a_long_body_gets_an_object_of_its_own_and_short_ones_as_many_as_they_need, .timeout = 60)
{
	struct scene s;

	scene_begin(&s, "dir");
	for (size_t b = 0; b < BODIES; b++)
		add_body(&s, b, b == 2 ? 700 * 1024 : PACK_BODY_MAX, NULL);
	add_body(&s, BODIES, 3 * 1024 * 1024, NULL);
	cr_assert_eq(pack_store(s.blob, &s.pack, soon(10)), ERR_OK);
	for (size_t b = 0; b < BODIES; b++)
		live(&s, b);
	dead(&s, BODIES);
	cr_assert_eq(compact(&s), ERR_OK);
	cr_assert_eq(s.reply.n_blob, BODIES);
	for (size_t b = 0; b < BODIES; b++)
		check_answer(&s, b, &s.refs[b], s.bodies[b]);
	cr_assert_eq(count_objects(s.blob), 1 + 1 + 2, "before, the long one, nine of 128 KiB in two of at most 1 MiB");
	scene_end(&s);
}

Test(compact, is_not_worth_it_while_more_is_wanted_than_not)
{
	struct scene s;

	scene_begin(&s, "dir");
	add_body(&s, 0, 1000, NULL);
	add_body(&s, 1, 999, NULL);
	add_body(&s, 2, 1, NULL);
	cr_assert_eq(pack_store(s.blob, &s.pack, soon(10)), ERR_OK);
	live(&s, 0);
	dead(&s, 1);
	cr_assert_eq(compact(&s), ERR_OK);
	cr_assert(!s.reply.done && s.reply.n_blob == 0 && count_objects(s.blob) == 1);
	dead(&s, 2);
	cr_assert_eq(compact(&s), ERR_OK);
	cr_assert(s.reply.done && s.reply.n_blob == 1 && count_objects(s.blob) == 2);
	scene_end(&s);
}

static void
damage(struct scene *s, size_t at)
{
	void *put;

	s->pack.bytes.bytes[s->pack.bytes.start + at] ^= 1;
	cr_assert_eq(s->blob->ops->remove(s->blob->store, &s->pack.object, soon(5)), ERR_OK);
	cr_assert_eq(s->blob->ops->put_begin(s->blob->store, &s->pack.object, &put), ERR_OK);
	cr_assert_eq(s->blob->ops->put_write(put, buffer_str(&s->pack.bytes), soon(5)), ERR_OK);
	cr_assert_eq(s->blob->ops->put_commit(put, soon(5)), ERR_OK);
}

Test(compact, what_can_not_be_read_ends_it_and_nothing_is_lost, .timeout = 60)
{
	struct scene s;

	scene_begin(&s, "dir");
	for (size_t b = 0; b < 3; b++)
		add_body(&s, b, 1000, NULL);
	add_body(&s, 3, 10000, NULL);
	add_body(&s, 4, 700 * 1024, NULL);
	add_body(&s, 5, 800 * 1024, NULL);
	cr_assert_eq(pack_store(s.blob, &s.pack, soon(10)), ERR_OK);
	for (size_t b = 0; b < 3; b++)
		live(&s, b);
	dead(&s, 3);
	damage(&s, (size_t)s.refs[2].offset + 500);
	cr_assert_eq(compact(&s), ERR_CORRUPT);
	cr_assert(count_objects(s.blob) == 1 && !s.reply.done);
	check_body(&s, &s.refs[0], s.bodies[0]);
	/* A damaged one that nobody wants is no trouble; a long one is looked at to its end. */
	s.req.n_live = s.req.n_dead = 0;
	live(&s, 4);
	dead(&s, 5);
	dead(&s, 2);
	cr_assert_eq(compact(&s), ERR_OK);
	cr_assert_eq(count_objects(s.blob), 2);
	damage(&s, (size_t)s.refs[4].offset + 650 * 1024);
	index_cache_clear(&s.blob->indexes);
	index_cache_init(&s.blob->indexes);
	cr_assert_eq(compact(&s), ERR_CORRUPT);
	cr_assert_eq(count_objects(s.blob), 2);
	cr_assert_eq(s.blob->ops->remove(s.blob->store, &s.pack.object, soon(5)), ERR_OK);
	cr_assert_eq(compact(&s), ERR_NONEXISTENT);
	scene_end(&s);
}

Test(compact, a_key_that_is_not_here_ends_it)
{
	struct scene s;

	scene_begin(&s, "dir");
	add_body(&s, 0, 1000, &some_keys.keys[1]);
	add_body(&s, 1, 1000, &some_keys.keys[1]);
	cr_assert_eq(pack_store(s.blob, &s.pack, soon(10)), ERR_OK);
	live(&s, 0);
	dead(&s, 1);
	cr_assert_eq(compact(&s), ERR_CONFIG);
	cr_assert_eq(count_objects(s.blob), 1);
	scene_end(&s);
}

Test(compact, what_it_is_asked_about_must_be_of_one_object)
{
	struct scene s;
	struct blob_ref other;

	scene_begin(&s, "dir");
	for (size_t b = 0; b < MANY; b++)
		add_body(&s, b, 1, NULL);
	cr_assert_eq(compact(&s), ERR_INVALID, "nothing is wanted: that is a Delete");
	live(&s, 0);
	other = s.refs[1];
	other.object = uuid_v7();
	name_ref(&s, s.req.dead, &s.req.n_dead, &other);
	cr_assert_eq(compact(&s), ERR_INVALID, "a dead one of another object");
	s.req.n_dead = 0;
	name_ref(&s, s.req.live, &s.req.n_live, &other);
	cr_assert_eq(compact(&s), ERR_INVALID, "a live one of another object");
	s.req.n_live = 1;
	s.req.dead[s.req.n_dead++] = (ProtobufCBinaryData){ 5, (uint8_t *)"wrong" };
	cr_assert_eq(compact(&s), ERR_INVALID, "no reference");
	s.req.n_live = s.req.n_dead = 0;
	for (size_t b = 0; b < MANY; b++)
		live(&s, b);
	cr_assert(compact(&s) == ERR_OK && !s.reply.done);
	live(&s, 0);
	cr_assert_eq(compact(&s), ERR_INVALID, "more than 1000");
	scene_end(&s);
}
