/* A store that is busy, slow, cut off, or wrong: what passes is tried again, and what is not stored is never said to be. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/blob/s3/s3.h"
#include "tests/services/blob/liar.h"
#include "tests/services/blob/stores.h"

enum { KIB = 1024, MIB = 1024 * 1024, ALWAYS = 1000000 };

/* Calls with 2 s have not waited for something else; a machine with much to do takes its time. */
enum { LATE_MS = 30 * 1000 };

struct scene {
	struct liar liar;
	struct config *config;
	struct blob *blob;
};

static void
scene_begin(struct scene *scene)
{
	struct str s3 = str_c(getenv("SORA_TEST_S3"));
	char endpoint[64];
	uint32_t port = 0;

	cr_assert(str_to_u32(str_sub(s3, str_rindex(s3, ':') + 1, SIZE_MAX), &port), "SORA_TEST_S3 is not http://127.0.0.1:PORT");
	liar_start(&scene->liar, (uint16_t)port);
	snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", scene->liar.port);
	scene->blob = store_open("s3", endpoint, &scene->config);
	/* The bucket is there from the test's direct opening of it. */
	cr_assert_eq(scene->blob->ops->create(scene->blob->store, &(struct buffer){ 0 }, soon(10)), ERR_OK);
}

static void
scene_end(struct scene *scene)
{
	liar_tell(&scene->liar, LIE_NONE, "", 0, 0);
	store_close(scene->blob, scene->config);
	liar_stop(&scene->liar);
}

static size_t
objects(struct scene *scene)
{
	struct store_object found[4];
	size_t count;
	bool is_more;

	liar_tell(&scene->liar, LIE_NONE, "", 0, 0);
	cr_assert_eq(scene->blob->ops->list(scene->blob->store, NULL, 4, found, &count, &is_more, soon(10)), ERR_OK);
	return count;
}

static enum err
put_by(struct scene *scene, struct str body, int64_t deadline_ms, struct blob_ref *ret)
{
	struct upload *up;
	enum err err;

	TRY(upload_new(scene->blob, &up));
	err = upload_add(up, body, deadline_ms);
	if (err == ERR_OK)
		return upload_finish(up, deadline_ms, ret);
	upload_drop(up);
	return err;
}

static enum err
get_by(struct scene *scene, const struct blob_ref *ref, struct str body, int64_t deadline_ms)
{
	struct arena arena = { 0 };
	struct str got = STR_NONE;
	enum err err = ERR_OK;

	for (size_t at = 0; at < body.len && err == ERR_OK; at += BUS_CHUNK_MAX) {
		struct str expected = str_sub(body, at, BUS_CHUNK_MAX);

		arena_reset(&arena);
		err = body_read(scene->blob, ref, at, expected.len, &arena, deadline_ms, &got);
		cr_assert(err != ERR_OK || str_equal(got, expected), "wrong bytes at %zu", at);
	}
	arena_clear(&arena);
	return err;
}

/* Lies that pass, told once or twice of a body of `len` bytes: what was stored is there, once. */
Test(s3, what_passes_while_storing_is_tried_again, .timeout = 240)
{
	static const struct { enum lie lie; const char *method; int skip, times; size_t len; } cases[] = {
		{ LIE_BUSY, "PUT", 0, 2, 1000 }, { LIE_ERROR, "PUT", 0, 1, 1000 }, { LIE_THROTTLED, "PUT", 0, 1, 1000 },
		{ LIE_RETRY_SOON, "PUT", 0, 1, 1000 }, { LIE_MOVED, "PUT", 0, 1, 1000 }, { LIE_REDIRECT, "PUT", 0, 1, 1000 },
		{ LIE_NO_BUCKET, "PUT", 0, 1, 1000 }, { LIE_NOT_FOUND, "PUT", 0, 1, 1000 }, { LIE_OK_ERROR, "PUT", 0, 1, 1000 },
		{ LIE_OK_EMPTY, "PUT", 0, 1, 1000 }, { LIE_NO_ETAG, "PUT", 0, 1, 1000 }, { LIE_ETAG, "PUT", 0, 1, 1000 },
		{ LIE_CUT_BEFORE, "PUT", 0, 2, 1000 }, { LIE_CUT_HEAD, "PUT", 0, 1, 1000 }, { LIE_CUT_AFTER, "PUT", 0, 1, 1000 },
		{ LIE_HUGE_HEAD, "PUT", 0, 1, 1000 }, { LIE_HUGE_BODY, "PUT", 0, 1, 1000 }, { LIE_NO_HTTP, "PUT", 0, 1, 1000 },
		{ LIE_CONTINUE, "PUT", 0, 1, 1000 }, { LIE_FLIP_UP, "PUT", 0, 1, 300 * KIB },
		{ LIE_BUSY, "POST", 0, 1, 9 * MIB }, { LIE_CUT_AFTER, "POST", 0, 1, 9 * MIB }, { LIE_CUT_XML, "POST", 0, 1, 9 * MIB },
		{ LIE_OK_EMPTY, "POST", 0, 1, 9 * MIB }, { LIE_OK_ERROR, "POST", 0, 1, 9 * MIB },
		{ LIE_BUSY, "PUT", 1, 1, 9 * MIB }, { LIE_CUT_AFTER, "PUT", 1, 1, 9 * MIB }, { LIE_FLIP_UP, "PUT", 1, 1, 9 * MIB },
		{ LIE_OK_EMPTY, "PUT", 1, 1, 9 * MIB }, { LIE_NO_ETAG, "PUT", 1, 1, 9 * MIB },
		{ LIE_CUT_AFTER, "POST", 1, 1, 9 * MIB }, { LIE_CUT_BEFORE, "POST", 1, 1, 9 * MIB }, { LIE_OK_ERROR, "POST", 1, 1, 9 * MIB },
		{ LIE_OK_EMPTY, "POST", 1, 1, 9 * MIB }, { LIE_CUT_XML, "POST", 1, 1, 9 * MIB }, { LIE_NO_KEY, "HEAD", 0, 2, 9 * MIB },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct scene scene;
		char *bytes = body_make(cases[i].len, true);
		struct str body = str_from(bytes, cases[i].len);
		struct blob_ref ref;
		enum err err;

		scene_begin(&scene);
		liar_tell(&scene.liar, cases[i].lie, cases[i].method, cases[i].skip, cases[i].times);
		err = put_by(&scene, body, soon(20), &ref);
		cr_assert_eq(err, ERR_OK, "case %zu: %s", i, err_row(err)->name);
		cr_assert_eq(scene.liar.lied, cases[i].times, "case %zu", i);
		cr_assert_eq(scene.liar.followed, 0, "case %zu", i);
		cr_assert_eq(objects(&scene), 1, "case %zu", i);
		cr_assert_eq(get_by(&scene, &ref, body, soon(10)), ERR_OK, "case %zu", i);
		free(bytes);
		scene_end(&scene);
	}
}

Test(s3, what_passes_while_reading_is_tried_again, .timeout = 240)
{
	static const struct { enum lie lie; size_t len; int skip; } cases[] = {
		{ LIE_BUSY, 1000, 0 }, { LIE_ERROR, 1000, 0 }, { LIE_THROTTLED, 1000, 0 }, { LIE_RETRY_SOON, 1000, 0 }, { LIE_MOVED, 1000, 0 },
		{ LIE_REDIRECT, 1000, 0 }, { LIE_NO_BUCKET, 1000, 0 }, { LIE_NOT_FOUND, 1000, 0 }, { LIE_NO_KEY, 1000, 0 },
		{ LIE_OK_ERROR, 1000, 0 }, { LIE_OK_EMPTY, 1000, 0 },
		{ LIE_CUT_BEFORE, 1000, 0 }, { LIE_CUT_AFTER, 1000, 0 }, { LIE_CUT_HEAD, 1000, 0 }, { LIE_CUT_MIDDLE, 1000, 0 }, { LIE_CUT_END, 1000, 0 },
		{ LIE_LONGER, 1000, 0 }, { LIE_SHORTER, 1000, 0 }, { LIE_MORE, 1000, 0 }, { LIE_EMPTY, 1000, 0 }, { LIE_OTHER, 1000, 0 },
		{ LIE_FLIP_DOWN, 1000, 0 }, { LIE_ETAG, 1000, 0 }, { LIE_NO_ETAG, 1000, 0 },
		{ LIE_HUGE_HEAD, 1000, 0 }, { LIE_HUGE_BODY, 1000, 0 }, { LIE_CONTINUE, 1000, 0 }, { LIE_NO_HTTP, 1000, 0 },
		/* Some of a megabyte: one that cheats at the second or third read, frames and not index. */
		{ LIE_CUT_MIDDLE, MIB, 1 }, { LIE_LONGER, MIB, 1 }, { LIE_SHORTER, MIB, 2 }, { LIE_FLIP_DOWN, MIB, 0 }, { LIE_FLIP_DOWN, MIB, 3 },
		{ LIE_OTHER, MIB, 1 }, { LIE_MORE, MIB, 2 }, { LIE_EMPTY, MIB, 1 }, { LIE_CUT_END, MIB, 2 }, { LIE_NO_KEY, MIB, 2 },
		{ LIE_TRICKLE, 1000, 0 }, { LIE_SILENT, 1000, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct scene scene;
		char *bytes = body_make(cases[i].len, true);
		struct str body = str_from(bytes, cases[i].len);
		struct blob_ref ref;
		enum err err;

		scene_begin(&scene);
		cr_assert_eq(put_by(&scene, body, soon(20), &ref), ERR_OK);
		liar_tell(&scene.liar, cases[i].lie, "GET", cases[i].skip, 1);
		err = get_by(&scene, &ref, body, soon(25));
		cr_assert_eq(err, ERR_OK, "case %zu: %s", i, err_row(err)->name);
		cr_assert_eq(scene.liar.lied, 1, "case %zu", i);
		cr_assert_eq(scene.liar.followed, 0, "case %zu", i);
		free(bytes);
		scene_end(&scene);
	}
}

/* The last try may be the one that the deadline ends: to clients both are the same. */
static bool
is_expected(enum err err, enum err expected)
{
	return err == expected || (expected == ERR_UNAVAILABLE && err == ERR_DEADLINE);
}

/* To whoever sent the mail all of these are 451: nothing of it is that mail's fault. */
Test(s3, what_does_not_pass_is_an_error_in_time_and_leaves_nothing, .timeout = 240)
{
	static const struct { enum lie lie; const char *method; int skip; size_t len; enum err err; } cases[] = {
		{ LIE_BUSY, "PUT", 0, 1000, ERR_UNAVAILABLE }, { LIE_ERROR, "PUT", 0, 1000, ERR_UNAVAILABLE },
		{ LIE_RETRY_LATE, "PUT", 0, 1000, ERR_UNAVAILABLE }, { LIE_MOVED, "PUT", 0, 1000, ERR_UNAVAILABLE },
		{ LIE_REDIRECT, "PUT", 0, 1000, ERR_UNAVAILABLE }, { LIE_DENIED, "PUT", 0, 1000, ERR_UNAVAILABLE },
		{ LIE_NO_BUCKET, "PUT", 0, 1000, ERR_UNAVAILABLE }, { LIE_NOT_FOUND, "PUT", 0, 1000, ERR_UNAVAILABLE },
		{ LIE_OK_ERROR, "PUT", 0, 1000, ERR_UNAVAILABLE }, { LIE_OK_EMPTY, "PUT", 0, 1000, ERR_UNAVAILABLE },
		{ LIE_HUGE_HEAD, "PUT", 0, 1000, ERR_UNAVAILABLE }, { LIE_HUGE_BODY, "PUT", 0, 1000, ERR_UNAVAILABLE },
		{ LIE_CUT_BEFORE, "PUT", 0, 1000, ERR_UNAVAILABLE }, { LIE_SILENT, "PUT", 0, 1000, ERR_DEADLINE },
		{ LIE_FLIP_UP, "PUT", 0, 1000, ERR_UNAVAILABLE }, { LIE_BUSY, "POST", 0, 9 * MIB, ERR_UNAVAILABLE },
		{ LIE_BUSY, "PUT", 1, 9 * MIB, ERR_UNAVAILABLE }, { LIE_BUSY, "POST", 1, 9 * MIB, ERR_UNAVAILABLE },
		{ LIE_OK_ERROR, "POST", 1, 9 * MIB, ERR_UNAVAILABLE }, { LIE_OK_EMPTY, "POST", 0, 9 * MIB, ERR_UNAVAILABLE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct scene scene;
		char *bytes = body_make(cases[i].len, true);
		int64_t begun_ms = soon(0);
		struct blob_ref ref;
		enum err err;

		scene_begin(&scene);
		liar_tell(&scene.liar, cases[i].lie, cases[i].method, cases[i].skip, ALWAYS);
		err = put_by(&scene, str_from(bytes, cases[i].len), soon(2), &ref);
		cr_assert(is_expected(err, cases[i].err), "case %zu: %s", i, err_row(err)->name);
		cr_assert_lt(soon(0) - begun_ms, LATE_MS, "case %zu", i);
		cr_assert_eq(objects(&scene), 0, "case %zu", i);
		cr_assert_eq(put_by(&scene, STR("x"), soon(10), &ref), ERR_OK, "case %zu: well again", i);
		free(bytes);
		scene_end(&scene);
	}
}

Test(s3, damage_that_stays_is_corrupt_and_an_outage_is_not, .timeout = 240)
{
	static const struct { enum lie lie; enum err err; } cases[] = {
		{ LIE_SHORTER, ERR_CORRUPT }, { LIE_FLIP_DOWN, ERR_CORRUPT }, { LIE_OTHER, ERR_CORRUPT }, { LIE_EMPTY, ERR_CORRUPT },
		{ LIE_LONGER, ERR_UNAVAILABLE }, { LIE_MORE, ERR_UNAVAILABLE }, { LIE_CUT_MIDDLE, ERR_UNAVAILABLE }, { LIE_CUT_HEAD, ERR_UNAVAILABLE },
		{ LIE_CUT_END, ERR_UNAVAILABLE }, { LIE_BUSY, ERR_UNAVAILABLE }, { LIE_ERROR, ERR_UNAVAILABLE }, { LIE_THROTTLED, ERR_UNAVAILABLE },
		{ LIE_RETRY_LATE, ERR_UNAVAILABLE }, { LIE_MOVED, ERR_UNAVAILABLE }, { LIE_REDIRECT, ERR_UNAVAILABLE }, { LIE_DENIED, ERR_UNAVAILABLE },
		{ LIE_NO_BUCKET, ERR_UNAVAILABLE }, { LIE_NOT_FOUND, ERR_UNAVAILABLE }, { LIE_NO_KEY, ERR_UNAVAILABLE },
		{ LIE_OK_ERROR, ERR_UNAVAILABLE }, { LIE_OK_EMPTY, ERR_UNAVAILABLE }, { LIE_HUGE_HEAD, ERR_UNAVAILABLE },
		{ LIE_HUGE_BODY, ERR_UNAVAILABLE }, { LIE_NO_HTTP, ERR_UNAVAILABLE }, { LIE_SILENT, ERR_DEADLINE }, { LIE_TRICKLE, ERR_DEADLINE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct str body = STR("a body that is long enough");
		struct scene scene;
		struct blob_ref ref;
		int64_t begun_ms;
		enum err err;

		scene_begin(&scene);
		cr_assert_eq(put_by(&scene, body, soon(5), &ref), ERR_OK);
		liar_tell(&scene.liar, cases[i].lie, "GET", 0, ALWAYS);
		begun_ms = soon(0);
		err = get_by(&scene, &ref, body, soon(2));
		cr_assert(is_expected(err, cases[i].err), "case %zu: %s", i, err_row(err)->name);
		cr_assert_lt(soon(0) - begun_ms, LATE_MS, "case %zu", i);
		liar_tell(&scene.liar, LIE_NONE, "", 0, 0);
		cr_assert_eq(get_by(&scene, &ref, body, soon(10)), ERR_OK, "case %zu: well again", i);
		scene_end(&scene);
	}
}

Test(s3, retry_after_is_kept_to_or_not_waited_for)
{
	struct scene scene;
	struct blob_ref ref;
	int64_t begun_ms;

	scene_begin(&scene);
	liar_tell(&scene.liar, LIE_RETRY_SOON, "PUT", 0, 1);
	begun_ms = soon(0);
	cr_assert_eq(put_by(&scene, STR("x"), soon(20), &ref), ERR_OK);
	cr_assert_geq(soon(0) - begun_ms, 1000);
	liar_tell(&scene.liar, LIE_RETRY_LATE, "GET", 0, ALWAYS);
	begun_ms = soon(0);
	cr_assert_eq(get_by(&scene, &ref, STR("x"), soon(60)), ERR_UNAVAILABLE);
	cr_assert_eq(scene.liar.lied, 1);
	cr_assert_lt(soon(0) - begun_ms, LATE_MS, "an hour is longer than the deadline: no use to wait for that");
	scene_end(&scene);
}

/* By its name it was put long ago: then a 404 of the store's own is the truth. */
Test(s3, an_old_object_that_is_not_there_is_gone_and_a_young_one_may_come)
{
	struct uuid id = uuid_v7();
	struct scene scene;
	char got[10];

	scene_begin(&scene);
	cr_assert(is_expected(scene.blob->ops->read(scene.blob->store, &id, 0, 10, got, soon(1)), ERR_UNAVAILABLE));
	memset(id.bytes, 0, 4); /* in 1970 */
	cr_assert_eq(scene.blob->ops->read(scene.blob->store, &id, 0, 10, got, soon(5)), ERR_NONEXISTENT);
	liar_tell(&scene.liar, LIE_NOT_FOUND, "GET", 0, ALWAYS);
	cr_assert(is_expected(scene.blob->ops->read(scene.blob->store, &id, 0, 10, got, soon(1)), ERR_UNAVAILABLE), "not by the store itself");
	scene_end(&scene);
}

Test(s3, a_list_that_is_cut_is_no_list, .timeout = 60)
{
	static const enum lie lies[] = { LIE_CUT_XML, LIE_EMPTY, LIE_OK_ERROR, LIE_OK_EMPTY, LIE_NOT_FOUND, LIE_BUSY, LIE_CUT_MIDDLE };
	struct store_object found[20];
	struct blob_ref refs[12];
	struct scene scene;

	scene_begin(&scene);
	for (size_t i = 0; i < 12; i++)
		cr_assert_eq(put_by(&scene, STR("x"), soon(5), &refs[i]), ERR_OK);
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		size_t count = 0;
		bool is_more;

		liar_tell(&scene.liar, lies[i], "GET", 0, 1);
		cr_assert_eq(scene.blob->ops->list(scene.blob->store, NULL, 20, found, &count, &is_more, soon(10)), ERR_OK, "case %zu", i);
		cr_assert(scene.liar.lied == 1 && count == 12 && !is_more, "case %zu: %zu", i, count);
		liar_tell(&scene.liar, lies[i], "GET", 0, ALWAYS);
		cr_assert_neq(scene.blob->ops->list(scene.blob->store, NULL, 20, found, &count, &is_more, soon(1)), ERR_OK, "case %zu", i);
	}
	scene_end(&scene);
}

Test(s3, a_delete_is_done_when_the_store_says_so, .timeout = 60)
{
	static const enum lie lies[] = { LIE_BUSY, LIE_NOT_FOUND, LIE_NO_BUCKET, LIE_CUT_AFTER, LIE_MOVED, LIE_OK_ERROR };
	struct blob_ref ref;
	struct scene scene;

	scene_begin(&scene);
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		cr_assert_eq(put_by(&scene, STR("x"), soon(5), &ref), ERR_OK);
		liar_tell(&scene.liar, lies[i], "DELETE", 0, ALWAYS);
		cr_assert_neq(scene.blob->ops->remove(scene.blob->store, &ref.object, soon(1)), ERR_OK, "case %zu", i);
		liar_tell(&scene.liar, lies[i], "DELETE", 0, 1);
		cr_assert_eq(scene.blob->ops->remove(scene.blob->store, &ref.object, soon(10)), ERR_OK, "case %zu", i);
		cr_assert_eq(objects(&scene), 0, "case %zu", i);
	}
	scene_end(&scene);
}

Test(s3, a_silent_store_is_left_for_another_try, .timeout = 60)
{
	struct scene scene;
	struct blob_ref ref;

	scene_begin(&scene);
	liar_tell(&scene.liar, LIE_SILENT, "PUT", 0, 1);
	cr_assert_eq(put_by(&scene, STR("x"), soon(25), &ref), ERR_OK);
	cr_assert_eq(objects(&scene), 1);
	scene_end(&scene);
}

Test(s3, clocks_too_far_apart_refuse_the_put_and_leave_nothing)
{
	struct scene scene;
	struct blob_ref ref;

	scene_begin(&scene);
	liar_tell(&scene.liar, LIE_DATE, "PUT", 0, 1);
	cr_assert_eq(put_by(&scene, STR("x"), soon(5), &ref), ERR_CLOCK);
	cr_assert_eq(objects(&scene), 0);
	cr_assert_eq(put_by(&scene, STR("x"), soon(5), &ref), ERR_OK, "the next answer shows the right time");
	liar_tell(&scene.liar, LIE_DATE, "PUT", 0, 1);
	cr_assert_eq(scene.blob->ops->create(scene.blob->store, &(struct buffer){ 0 }, soon(5)), ERR_OK);
	cr_assert_eq(put_by(&scene, STR("x"), soon(5), &ref), ERR_CLOCK, "refused before anything is sent");
	((struct s3 *)scene.blob->store)->clock.seen_ms -= STORE_CLOCK_KEPT_MS;
	cr_assert_eq(put_by(&scene, STR("x"), soon(5), &ref), ERR_OK, "a minute later the clock may be right again");
	scene_end(&scene);
}

Test(s3, parts_that_nobody_finished_are_cleaned, .timeout = 60)
{
	struct scene scene;
	struct uuid id = uuid_v7();
	char *bytes = body_make(9 * MIB, true);
	void *put;

	scene_begin(&scene);
	cr_assert_eq(scene.blob->ops->put_begin(scene.blob->store, &id, &put), ERR_OK);
	cr_assert_eq(scene.blob->ops->put_write(put, str_from(bytes, 9 * MIB), soon(10)), ERR_OK);
	cr_assert_eq(scene.blob->ops->clean(scene.blob->store, 3600 * 1000, soon(10)), ERR_OK);
	cr_assert_eq(scene.blob->ops->put_write(put, str_from(bytes, 8 * MIB), soon(10)), ERR_OK, "a young one goes on");
	cr_assert_eq(scene.blob->ops->clean(scene.blob->store, -5000, soon(10)), ERR_OK);
	cr_assert_neq(scene.blob->ops->put_commit(put, soon(2)), ERR_OK, "an old one is gone");
	scene.blob->ops->put_abort(put);
	cr_assert_eq(objects(&scene), 0);
	free(bytes);
	scene_end(&scene);
}

Test(s3, all_puts_together_have_a_bounded_memory, .timeout = 60)
{
	struct scene scene;
	char *bytes = body_make(8 * MIB, true);
	void *puts[20];
	size_t count = 0;
	enum err err = ERR_OK;

	scene_begin(&scene);
	while (err == ERR_OK && count < 20) {
		struct uuid id = uuid_v7();

		cr_assert_eq(scene.blob->ops->put_begin(scene.blob->store, &id, &puts[count]), ERR_OK);
		err = scene.blob->ops->put_write(puts[count++], str_from(bytes, 8 * MIB), soon(5));
	}
	cr_assert_eq(err, ERR_BUSY);
	cr_assert_eq(body_put(scene.blob, STR("x"), 1, &(struct blob_ref){ 0 }), ERR_OK, "what is short does not wait for what is long");
	cr_assert_eq(count, 15);
	while (count > 0)
		scene.blob->ops->put_abort(puts[--count]);
	cr_assert_eq(body_put(scene.blob, STR("x"), 1, &(struct blob_ref){ 0 }), ERR_OK, "and it comes back");
	free(bytes);
	scene_end(&scene);
}

/* ---- the bucket in the host's name */

struct ear {
	int listener;
	char heard[2000];
};

/* Hear one request's head, and say yes. */
static void *
ear_run(void *self)
{
	static const char yes[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	struct ear *ear = self;
	int fd = accept(ear->listener, NULL, NULL);
	size_t len = 0;
	ssize_t got = 1;

	while (got > 0 && strstr(ear->heard, "\r\n\r\n") == NULL && len < sizeof(ear->heard) - 1) {
		got = recv(fd, ear->heard + len, sizeof(ear->heard) - 1 - len, 0);
		len += got > 0 ? (size_t)got : 0;
	}
	if (send(fd, yes, sizeof(yes) - 1, MSG_NOSIGNAL) < 0)
		ear->heard[0] = '\0';
	close(fd);
	return NULL;
}

Test(s3, the_bucket_stands_in_the_path_or_before_the_host)
{
	for (int i = 0; i < 2; i++) {
		struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t len = sizeof(address);
		struct ear ear = { .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
		struct config *config;
		struct buffer yaml = { 0 }, problems = { 0 };
		struct blob *blob;
		char expected[200];
		pthread_t thread;
		uint16_t port;

		cr_assert(bind(ear.listener, (struct sockaddr *)&address, len) == 0 && listen(ear.listener, 4) == 0);
		cr_assert(getsockname(ear.listener, (struct sockaddr *)&address, &len) == 0);
		port = ntohs(address.sin_port);
		pthread_create(&thread, NULL, ear_run, &ear);
		buffer_printf(&yaml, "blob: {store: s3, s3: {endpoint: \"http://localhost:%u\", bucket: mails, access_key: A, secret_key: B, "
		    "path_style: %s}}\n", port, i ? "false" : "true");
		cr_assert_eq(config_parse(buffer_str(&yaml), "test", true, &config, &problems), ERR_OK);
		cr_assert_eq(blob_new(config, &problems, &blob), ERR_OK, "%.*s", STR_ARG(buffer_str(&problems)));
		cr_assert_eq(blob->ops->check(blob->store, &problems, soon(5)), ERR_OK, "%.*s", STR_ARG(buffer_str(&problems)));
		pthread_join(thread, NULL);
		snprintf(expected, sizeof(expected), i ? "HEAD / HTTP/1.1\r\nHost: mails.localhost:%u\r\n" :
		    "HEAD /mails HTTP/1.1\r\nHost: localhost:%u\r\n", port);
		cr_assert(str_starts_with(str_c(ear.heard), str_c(expected)), "%s", ear.heard);
		close(ear.listener);
		buffer_clear(&yaml);
		blob_free(blob);
		config_free(config);
	}
}
