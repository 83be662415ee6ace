/* Bodies through the bus: the frontends' helper and the real blob service over a directory. */
#include <criterion/criterion.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libcommon/blob/blob.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "proto/blob.client.h"
#include "proto/blob.server.h"
#include "services/blob/service.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

struct stage {
	struct config *config;
	struct service_context context;
	struct bus *client; /* the frontend's, as if in a process of its own */
	void *service;
	struct arena arena;
	struct bus_call call;
	char dir[100];
};

static void
start_service(struct stage *stage)
{
	stage->context.bus = bus_new(stage->config);
	cr_assert_eq(blob_service.start(&stage->context, &stage->service), ERR_OK);
}

static void
stage_begin(struct stage *stage)
{
	struct buffer yaml = { 0 }, problems = { 0 };
	unsigned long long name = random_u64();

	*stage = (struct stage){ 0 };
	snprintf(stage->dir, sizeof(stage->dir), "/tmp/sora-blob-bus-%llx", name);
	buffer_printf(&yaml, "bus: {blob: [inproc://blob-%llx]}\nblob: {listen: [inproc://blob-%llx], store: dir, dir: %s}\n", name, name,
	    stage->dir);
	cr_assert_eq(config_parse(buffer_str(&yaml), "test", true, &stage->config, &problems), ERR_OK, "%.*s",
	    STR_ARG(buffer_str(&problems)));
	buffer_clear(&yaml);
	buffer_clear(&problems);
	stage->context.config = stage->config;
	start_service(stage);
	stage->client = bus_new(stage->config);
	stage->call = (struct bus_call){ .bus = stage->client, .arena = &stage->arena, .role = BUS_ROLE_IMAP };
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path);
}

static void
stop_service(struct stage *stage)
{
	if (stage->service != NULL)
		blob_service.stop(stage->service);
	bus_free(stage->context.bus);
	stage->service = NULL;
	stage->context.bus = NULL;
}

static void
stage_end(struct stage *stage)
{
	bus_free(stage->client);
	stop_service(stage);
	config_free(stage->config);
	arena_clear(&stage->arena);
	nftw(stage->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char *
make_body(size_t len)
{
	char *bytes = mem_alloc(len + 1);

	random_bytes(bytes, len);
	return bytes;
}

static struct blob_stored
put(struct stage *stage, struct str body, size_t piece)
{
	struct blob_upload up;
	struct blob_stored stored = { 0 };
	enum err err;

	blob_upload_begin(&up, &stage->call);
	for (size_t at = 0; at < body.len; at += piece)
		cr_assert_eq(blob_upload_add(&up, str_sub(body, at, piece)), ERR_OK, "at %zu of %zu", at, body.len);
	err = blob_upload_finish(&up, &stage->arena, &stored);
	cr_assert_eq(err, ERR_OK, "%zu bytes by %zu: %s", body.len, piece, err_row(err)->name);
	cr_assert_eq(stored.size, body.len);
	return stored;
}

static size_t
count_objects(struct stage *stage)
{
	struct bus_call call = stage->call;
	BlobListRequest req = BLOB_LIST_REQUEST__INIT;
	BlobListReply *reply;

	call.role = BUS_ROLE_WORKER;
	cr_assert_eq(blob_list(&call, &req, &reply), ERR_OK);
	return reply->n_object;
}

Test(blob, a_body_comes_back_whatever_its_size_and_pieces, .timeout = 120)
{
	static const size_t sizes[] = { 0, 1, 5000, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 512 * KIB, 3 * MIB + 17 };
	static const size_t pieces[] = { 999, 64 * KIB, 256 * KIB, 4 * MIB };
	struct stage stage;

	stage_begin(&stage);
	for (size_t i = 0; i < 4 * sizeof(sizes) / sizeof(*sizes); i++) {
		size_t len = sizes[i / 4];
		char *bytes = make_body(len);
		struct blob_stored stored = put(&stage, str_from(bytes, len), pieces[i % 4]);
		struct str got;

		cr_assert_eq(blob_read(&stage.call, stored.ref, 0, SIZE_MAX, &stage.arena, &got), ERR_OK, "%zu", len);
		cr_assert(str_equal(got, str_from(bytes, len)), "%zu", len);
		arena_reset(&stage.arena);
		free(bytes);
	}
	stage_end(&stage);
}

Test(blob, a_body_of_one_chunk_is_one_call)
{
	static const struct { size_t len; int64_t calls; } cases[] = {
		{ 0, 1 }, { 5000, 1 }, { 256 * KIB, 1 }, { 256 * KIB + 1, 2 }, { 512 * KIB, 2 },
	};
	struct stage stage;

	stage_begin(&stage);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *bytes = make_body(cases[i].len);
		int64_t before = metric_get(METRIC_BUS_SERVED);

		put(&stage, str_from(bytes, cases[i].len), 1000);
		cr_assert_eq(metric_get(METRIC_BUS_SERVED) - before, cases[i].calls, "%zu bytes", cases[i].len);
		free(bytes);
	}
	stage_end(&stage);
}

Test(blob, any_range_is_read_and_ends_with_the_body)
{
	static const struct { uint64_t offset; uint64_t len; } cases[] = {
		{ 0, 0 }, { 0, 1 }, { 0, UINT64_MAX }, { 1, UINT64_MAX }, { 256 * KIB - 1, 2 }, { 100000, 600000 }, { 999999, 1 }, { 999999, 5 },
		{ 1000000, 5 }, { 1000001, 5 }, { UINT64_MAX, UINT64_MAX }, { 0, 256 * KIB }, { 0, 512 * KIB }, { 700000, 300000 },
	};
	struct stage stage;
	char *bytes = make_body(1000000);
	struct str body = str_from(bytes, 1000000);
	struct blob_stored stored;

	stage_begin(&stage);
	stored = put(&stage, body, body.len);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str got, expected = cases[i].offset < body.len ? str_sub(body, cases[i].offset, cases[i].len) : STR_NONE;

		cr_assert_eq(blob_read(&stage.call, stored.ref, cases[i].offset, cases[i].len, &stage.arena, &got), ERR_OK, "case %zu", i);
		cr_assert(str_equal(got, expected), "case %zu: %zu bytes, not %zu", i, got.len, expected.len);
	}
	free(bytes);
	stage_end(&stage);
}

Test(blob, what_is_given_up_leaves_nothing)
{
	static const size_t sizes[] = { 0, 10, 256 * KIB + 1, MIB };
	struct stage stage;

	stage_begin(&stage);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *bytes = make_body(sizes[i]);
		struct blob_upload up;

		blob_upload_begin(&up, &stage.call);
		cr_assert_eq(blob_upload_add(&up, str_from(bytes, sizes[i])), ERR_OK);
		blob_upload_abort(&up);
		blob_upload_abort(&up);
		cr_assert_eq(count_objects(&stage), 0, "%zu bytes", sizes[i]);
		free(bytes);
	}
	stage_end(&stage);
}

Test(blob, reading_may_end_early)
{
	struct stage stage;
	char *bytes = make_body(MIB);
	struct blob_stored stored;
	struct blob_reader in;
	struct str piece;

	stage_begin(&stage);
	stored = put(&stage, str_from(bytes, MIB), MIB);
	blob_reader_begin(&in, &stage.call, stored.ref, 0, UINT64_MAX);
	blob_reader_end(&in);
	blob_reader_begin(&in, &stage.call, stored.ref, 0, UINT64_MAX);
	cr_assert_eq(blob_reader_next(&in, &piece), ERR_OK);
	cr_assert(in.size == MIB && piece.len == BUS_CHUNK_MAX && memcmp(piece.ptr, bytes, piece.len) == 0);
	blob_reader_end(&in);
	free(bytes);
	stage_end(&stage);
}

Test(blob, a_missing_body_is_nonexistent_and_a_strange_reference_invalid)
{
	struct stage stage;
	struct blob_stored stored;
	struct str got = STR("untouched");
	struct bus_call worker;
	BlobDeleteRequest req = BLOB_DELETE_REQUEST__INIT;

	stage_begin(&stage);
	stored = put(&stage, STR("x"), 1);
	worker = stage.call;
	worker.role = BUS_ROLE_WORKER;
	req.object = (ProtobufCBinaryData){ stored.ref.len, (uint8_t *)stored.ref.ptr };
	cr_assert_eq(blob_delete(&worker, &req, NULL), ERR_INVALID, "a reference: its object may have other bodies");
	req.object.len = 17;
	cr_assert_eq(blob_delete(&worker, &req, NULL), ERR_OK);
	cr_assert_eq(blob_delete(&worker, &req, NULL), ERR_OK, "done twice is done once");
	cr_assert_eq(blob_read(&stage.call, stored.ref, 0, 10, &stage.arena, &got), ERR_NONEXISTENT);
	cr_assert_eq(blob_read(&stage.call, STR("nonsense"), 0, 10, &stage.arena, &got), ERR_INVALID);
	cr_assert(str_equal(got, STR("untouched")));
	stage_end(&stage);
}

Test(blob, an_upload_whose_service_is_new_has_to_be_sent_again)
{
	struct stage stage;
	char *bytes = make_body(MIB);
	struct blob_upload up;
	struct blob_stored stored;
	enum err err;

	stage_begin(&stage);
	blob_upload_begin(&up, &stage.call);
	cr_assert_eq(blob_upload_add(&up, str_from(bytes, 300 * KIB)), ERR_OK);
	stop_service(&stage);
	start_service(&stage);
	err = blob_upload_add(&up, str_from(bytes, MIB));
	cr_assert(err != ERR_OK && err_row(err)->is_retryable, "%s", err_row(err)->name);
	cr_assert_eq(blob_upload_add(&up, STR("more")), err, "the first error stays");
	cr_assert_eq(blob_upload_finish(&up, &stage.arena, &stored), err);
	free(bytes);
	stage_end(&stage);
}

Test(blob, chunks_out_of_order_or_of_no_upload_are_refused)
{
	static const struct { uint64_t upload, offset, total; bool is_last; enum err err; } cases[] = {
		{ 0, 5, 0, false, ERR_INVALID }, { 1, 0, 0, false, ERR_STALE }, { 0, 0, 4, true, ERR_INVALID }, { 0, 0, 3, true, ERR_OK },
	};
	struct stage stage;

	stage_begin(&stage);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		BlobPutRequest req = BLOB_PUT_REQUEST__INIT;
		BlobPutReply *reply;

		req.upload = cases[i].upload;
		req.offset = cases[i].offset;
		req.last = cases[i].is_last;
		req.total = cases[i].total;
		cr_assert_eq(blob_put(&stage.call, &req, STR("abc"), &reply), cases[i].err, "case %zu", i);
	}
	cr_assert_eq(count_objects(&stage), 1);
	stage_end(&stage);
}

Test(blob, a_chunk_that_comes_twice_counts_once)
{
	struct stage stage;
	BlobPutRequest req = BLOB_PUT_REQUEST__INIT;
	BlobPutReply *reply;
	struct str got;

	stage_begin(&stage);
	cr_assert_eq(blob_put(&stage.call, &req, STR("abc"), &reply), ERR_OK);
	req.upload = reply->upload;
	req.offset = 3;
	cr_assert_eq(blob_put(&stage.call, &req, STR("def"), &reply), ERR_OK);
	cr_assert_eq(blob_put(&stage.call, &req, STR("def"), &reply), ERR_OK);
	req.offset = 6;
	req.last = true;
	req.total = 7;
	cr_assert_eq(blob_put(&stage.call, &req, STR("g"), &reply), ERR_OK);
	cr_assert_eq(blob_read(&stage.call, str_from(reply->blob.data, reply->blob.len), 0, 100, &stage.arena, &got), ERR_OK);
	cr_assert(str_equal(got, STR("abcdefg")));
	stage_end(&stage);
}

/* ---- several at once */

enum { SEVERAL = 20 };

/* Readers of bodies that the test has. */
struct several {
	struct blob_reader in[SEVERAL], *list[SEVERAL];
	struct str bodies[SEVERAL];
	size_t count;
};

static void
add_reader(struct several *several, struct stage *stage, struct str ref, struct str body)
{
	size_t i = several->count++;

	several->list[i] = &several->in[i];
	several->bodies[i] = body;
	blob_reader_begin(&several->in[i], &stage->call, ref, 0, UINT64_MAX);
}

/* The next one's body is `len` bytes from somewhere in `bytes`. */
static void
add_body(struct several *several, struct stage *stage, const char *bytes, size_t len)
{
	struct str body = str_from(bytes + several->count, len);

	add_reader(several, stage, put(stage, body, len).ref, body);
}

/* Read one to its end. */
static enum err
read_out(struct blob_reader *in, struct str body)
{
	struct str piece;

	do {
		TRY(blob_reader_next(in, &piece));
		cr_assert(str_starts_with(body, piece) || piece.len == 0);
		body = str_sub(body, piece.len, SIZE_MAX);
	} while (piece.len > 0);
	cr_assert_eq(body.len, 0, "%zu bytes did not come", body.len);
	return ERR_OK;
}

static void
end_all(struct several *several)
{
	for (size_t i = 0; i < several->count; i++)
		blob_reader_end(several->list[i]);
}

Test(blob, short_bodies_come_together_in_one_answer)
{
	static const size_t lens[] = { 5000, 1, 20000, 100, 64 * KIB + 1, 1, 30000 };
	struct several several = { 0 };
	struct stage stage;
	char *bytes = make_body(MIB);
	int64_t before;

	stage_begin(&stage);
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++)
		add_body(&several, &stage, bytes, lens[i]);
	before = metric_get(METRIC_BUS_SERVED);
	blob_readers_start(several.list, several.count);
	/* In any order. */
	for (size_t i = several.count; i-- > 0;) {
		cr_assert_eq(read_out(&several.in[i], several.bodies[i]), ERR_OK, "%zu", i);
		cr_assert_eq(several.in[i].size, several.bodies[i].len);
	}
	cr_assert_eq(metric_get(METRIC_BUS_SERVED) - before, 1);
	end_all(&several);
	free(bytes);
	stage_end(&stage);
}

Test(blob, what_does_not_come_with_the_others_is_asked_for_by_itself)
{
	struct several several = { 0 };
	struct stage stage;
	char *bytes = make_body(MIB);
	struct bus_call worker;
	BlobDeleteRequest req = BLOB_DELETE_REQUEST__INIT;
	int64_t before;

	stage_begin(&stage);
	add_body(&several, &stage, bytes, 5000);
	add_body(&several, &stage, bytes, 900 * KIB);
	add_body(&several, &stage, bytes, 200 * KIB);
	add_body(&several, &stage, bytes, 200 * KIB);
	add_body(&several, &stage, bytes, 5000);
	add_reader(&several, &stage, STR("nonsense"), STR(""));
	add_body(&several, &stage, bytes, 5000);
	worker = stage.call;
	worker.role = BUS_ROLE_WORKER;
	req.object = (ProtobufCBinaryData){ 17, (uint8_t *)several.in[4].ref_bytes };
	cr_assert_eq(blob_delete(&worker, &req, NULL), ERR_OK);
	before = metric_get(METRIC_BUS_SERVED);
	blob_readers_start(several.list, several.count);
	for (size_t i = 0; i < several.count; i++) {
		enum err err = read_out(&several.in[i], several.bodies[i]);

		cr_assert_eq(err, i == 4 ? ERR_NONEXISTENT : i == 5 ? ERR_INVALID : ERR_OK, "%zu: %s", i, err_row(err)->name);
	}
	/* All together; four pieces of the long one, the second of 200 KiB, the two that are wrong. */
	cr_assert_eq(metric_get(METRIC_BUS_SERVED) - before, 1 + 4 + 1 + 2);
	end_all(&several);
	free(bytes);
	stage_end(&stage);
}

Test(blob, readers_that_were_started_together_may_end_at_any_time)
{
	struct stage stage;
	char *bytes = make_body(MIB);

	stage_begin(&stage);
	/* So many are ended before the first piece, then so many behind it. */
	for (size_t early = 0; early <= 4; early++) {
		struct several several = { 0 };

		for (size_t i = 0; i < 4; i++)
			add_body(&several, &stage, bytes, i == 2 ? 300 * KIB : 1000);
		blob_readers_start(several.list, several.count);
		for (size_t i = 0; i < early; i++)
			blob_reader_end(&several.in[i]);
		for (size_t i = early; i < 4; i += 2)
			cr_assert_eq(read_out(&several.in[i], several.bodies[i]), ERR_OK);
		end_all(&several);
	}
	free(bytes);
	stage_end(&stage);
}

Test(blob, what_was_asked_for_already_is_not_asked_for_again)
{
	struct several several = { 0 };
	struct stage stage;
	struct str piece;
	char *bytes = make_body(MIB);
	int64_t before;

	stage_begin(&stage);
	for (size_t i = 0; i < 3; i++)
		add_body(&several, &stage, bytes, 1000);
	add_body(&several, &stage, bytes, 0);
	before = metric_get(METRIC_BUS_SERVED);
	blob_reader_start(&several.in[0]);
	for (size_t i = 0; i < 3; i++)
		blob_readers_start(several.list, several.count - 1);
	cr_assert_eq(blob_reader_next(&several.in[2], &piece), ERR_OK);
	blob_readers_start(several.list, several.count - 1);
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(read_out(&several.in[i], several.bodies[i]), ERR_OK);
	cr_assert_eq(blob_reader_next(&several.in[2], &piece), ERR_OK);
	cr_assert_eq(piece.len, 0);
	blob_readers_start(several.list, several.count - 1);
	cr_assert_eq(metric_get(METRIC_BUS_SERVED) - before, 2);
	end_all(&several);
	free(bytes);
	stage_end(&stage);
}

/* ---- replicas that answer otherwise */

/* A body is its reference. */
static enum err
echo(struct rpc *rpc, const BlobGetRequest *req, BlobGetReply *reply)
{
	rpc->reply_chunk = arena_copy(rpc->arena, str_from(req->blob.data, req->blob.len));
	reply->size = req->blob.len;
	return ERR_OK;
}

/* Rows of an answer that the test says. */
struct said {
	uint32_t places[8], lengths[8];
	uint64_t sizes[8];
	size_t count, sizes_count;
	struct str chunk;
	enum err err;
};

static enum err
say(struct rpc *rpc, const BlobGetManyRequest *req, BlobGetManyReply *reply)
{
	struct said *said = rpc->service;

	(void)req;
	reply->place = said->places;
	reply->length = said->lengths;
	reply->size = said->sizes;
	reply->n_place = reply->n_length = said->count;
	reply->n_size = said->sizes_count;
	rpc->reply_chunk = said->chunk;
	return said->err;
}

/* Three bodies, "one", "two" and "three", from a service of these handlers; what each reader says, "!" where it is CORRUPT. */
static struct str
three_from(struct stage *stage, const struct blob_handlers *handlers, struct said *said)
{
	static const struct str refs[] = { { "one", 3 }, { "two", 3 }, { "three", 5 } };
	struct several several = { 0 };
	struct buffer out = { 0 };
	struct str piece, all;

	stop_service(stage);
	stage->context.bus = bus_new(stage->config);
	cr_assert_eq(blob_serve(stage->context.bus, handlers, said, NULL), ERR_OK);
	for (size_t i = 0; i < 3; i++)
		add_reader(&several, stage, refs[i], refs[i]);
	blob_readers_start(several.list, several.count);
	for (size_t i = 0; i < 3; i++) {
		enum err err = blob_reader_next(&several.in[i], &piece);

		cr_assert(err == ERR_OK || err == ERR_CORRUPT, "%s", err_row(err)->name);
		buffer_add(&out, err == ERR_OK ? piece : STR("!"));
		buffer_add(&out, STR(" "));
	}
	end_all(&several);
	all = arena_copy(&stage->arena, buffer_str(&out));
	buffer_clear(&out);
	return all;
}

Test(blob, an_older_replica_that_knows_no_getmany_is_asked_for_each)
{
	static const struct blob_handlers old = { .get = echo };
	struct stage stage;

	stage_begin(&stage);
	cr_assert(str_equal(three_from(&stage, &old, NULL), STR("one two three ")));
	stage_end(&stage);
}

Test(blob, an_answer_that_makes_no_sense_gives_nobody_what_is_not_his)
{
	static const struct blob_handlers handlers = { .get = echo, .get_many = say };
	static const struct {
		struct said said;
		const char *got;
	} cases[] = {
		{ { .places = { 0, 2 }, .lengths = { 1, 2 }, .sizes = { 1, 2 }, .count = 2, .sizes_count = 2, .chunk = { "abc", 3 } }, "a two bc " },
		{ { .err = ERR_INTERNAL }, "one two three " },
		{ { .places = { 7, UINT32_MAX }, .lengths = { 1, 1 }, .sizes = { 1, 1 }, .count = 2, .sizes_count = 2, .chunk = { "abc", 3 } },
			"one two three " },
		{ { .places = { 1, 1 }, .lengths = { 1, 1 }, .sizes = { 1, 1 }, .count = 2, .sizes_count = 2, .chunk = { "ab", 2 } }, "one a three " },
		{ { .places = { 0, 1 }, .lengths = { 4, 1 }, .sizes = { 4, 1 }, .count = 2, .sizes_count = 2, .chunk = { "abc", 3 } },
			"one two three " },
		{ { .places = { 0, 1 }, .lengths = { 1, 1 }, .sizes = { 1 }, .count = 2, .sizes_count = 1, .chunk = { "ab", 2 } }, "a two three " },
		/* Shorter, or longer, than the body is said to be. */
		{ { .places = { 0, 1 }, .lengths = { 1, 2 }, .sizes = { 2, 1 }, .count = 2, .sizes_count = 2, .chunk = { "abc", 3 } }, "! ! three " },
	};
	struct stage stage;

	stage_begin(&stage);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct said said = cases[i].said;
		struct str got = three_from(&stage, &handlers, &said);

		cr_assert(str_equal(got, str_c(cases[i].got)), "case %zu: %.*s", i, STR_ARG(got));
	}
	stage_end(&stage);
}

/* ---- what does not come together */

/* Gets under way now, the most that there were, and all. The first ones are answered when so many are there. */
struct counted {
	atomic_int now, most, all;
	int together;
};

static enum err
get_counted(struct rpc *rpc, const BlobGetRequest *req, BlobGetReply *reply)
{
	struct counted *counted = rpc->service;
	int now = ++counted->now;

	counted->all++;
	while (counted->most < now)
		counted->most = now;
	for (int64_t end_ms = clock_mono_ms() + 5000; counted->most < counted->together && clock_mono_ms() < end_ms;)
		usleep(1000);
	/* More than these would come now. */
	usleep(20000);
	counted->now--;
	return echo(rpc, req, reply);
}

static enum err
none_at_hand(struct rpc *rpc, const BlobGetManyRequest *req, BlobGetManyReply *reply)
{
	(void)rpc;
	(void)req;
	(void)reply;
	return ERR_OK;
}

static enum err
too_busy(struct rpc *rpc, const BlobGetManyRequest *req, BlobGetManyReply *reply)
{
	(void)none_at_hand(rpc, req, reply);
	return ERR_BUSY;
}

static void
add_letters(struct several *several, struct stage *stage)
{
	static const char letters[] = "abcdefghijklmnopqrst";

	for (size_t i = 0; i < SEVERAL; i++)
		add_reader(several, stage, str_from(letters + i, 1), str_from(letters + i, 1));
}

Test(blob, what_was_left_out_is_asked_for_few_at_a_time, .timeout = 60)
{
	static const struct { struct blob_handlers handlers; int most; } cases[] = { { { .get = get_counted, .get_many = none_at_hand }, 5 },
		{ { .get = get_counted }, 5 }, { { .get = get_counted, .get_many = too_busy }, 1 } };
	static const struct bus_limits limits = { .threads = 2 * SEVERAL };
	struct stage stage;

	stage_begin(&stage);
	for (size_t n = 0; n < sizeof(cases) / sizeof(*cases); n++) {
		struct counted counted = { .together = cases[n].most };
		struct several several = { 0 };

		stop_service(&stage);
		stage.context.bus = bus_new(stage.config);
		cr_assert_eq(blob_serve(stage.context.bus, &cases[n].handlers, &counted, &limits), ERR_OK);
		add_letters(&several, &stage);
		blob_readers_start(several.list, several.count);
		/* Some that were asked for before their turn are not wanted any more. */
		for (size_t i = 0; i < SEVERAL; i++) {
			if (i == 7 || i == 8)
				blob_reader_end(&several.in[i]);
			else
				cr_assert_eq(read_out(&several.in[i], several.bodies[i]), ERR_OK, "case %zu: %zu", n, i);
			blob_readers_start(several.list + i, several.count - i);
		}
		cr_assert_eq(counted.most, cases[n].most, "case %zu: %d", n, counted.most);
		cr_assert(counted.all <= SEVERAL, "case %zu: %d", n, counted.all);
		end_all(&several);
	}
	stage_end(&stage);
}

Test(blob, while_no_replica_is_there_nobody_waits_for_all, .timeout = 60)
{
	struct several several = { 0 };
	struct stage stage;
	struct str piece;
	int64_t begin_ms;

	stage_begin(&stage);
	stop_service(&stage);
	add_letters(&several, &stage);
	begin_ms = clock_mono_ms();
	blob_readers_start(several.list, several.count);
	cr_assert_eq(blob_reader_next(&several.in[0], &piece), ERR_UNAVAILABLE);
	end_all(&several);
	/* Two calls, each of which waits for a connection for 2 s. */
	cr_assert_lt(clock_mono_ms() - begin_ms, 8000);
	stage_end(&stage);
}
