/* A blob service's parts over each back end. */
#include "tests/services/blob/stores.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"

const char *const store_names[2] = { "dir", "s3" };

int64_t
soon(int seconds)
{
	return clock_mono_ms() + seconds * 1000;
}

static struct config *
config_make(const char *name, const char *endpoint)
{
	const char *tmp = getenv("TMPDIR");
	const char *s3 = getenv("SORA_TEST_S3");
	struct buffer yaml = { 0 }, problems = { 0 };
	struct config *config;
	enum err err;

	if (strcmp(name, "s3") == 0 && (s3 == NULL || s3[0] == '\0'))
		cr_assert_fail("SORA_TEST_S3 is not set: this test needs a real S3 (deploy/dev/start-radosgw)");
	buffer_printf(&yaml, "blob:\n  store: %s\n  dir: %s/sora-blob-test-%d-%llx\n", name, tmp ? tmp : "/tmp", getpid(),
	    (unsigned long long)random_u64());
	buffer_printf(&yaml, "  s3:\n    endpoint: %s\n    bucket: %s\n    access_key: %s\n    secret_key: %s\n    prefix: \"t&%llx/\"\n",
	    endpoint ? endpoint : s3 ? s3 : "http://127.0.0.1:1", getenv("SORA_TEST_S3_BUCKET") ? getenv("SORA_TEST_S3_BUCKET") : "sora-test",
	    getenv("SORA_TEST_S3_ACCESS_KEY") ? getenv("SORA_TEST_S3_ACCESS_KEY") : "TESTKEY",
	    getenv("SORA_TEST_S3_SECRET_KEY") ? getenv("SORA_TEST_S3_SECRET_KEY") : "TESTSECRET", (unsigned long long)random_u64());
	err = config_parse(buffer_str(&yaml), "test", true, &config, &problems);
	cr_assert_eq(err, ERR_OK, "%.*s", STR_ARG(buffer_str(&problems)));
	buffer_clear(&yaml);
	buffer_clear(&problems);
	return config;
}

struct blob *
store_open(const char *name, const char *endpoint, struct config **ret_config)
{
	struct buffer problems = { 0 };
	struct blob *blob;
	enum err err;

	*ret_config = config_make(name, endpoint);
	err = blob_new(*ret_config, &problems, &blob);
	if (err == ERR_OK && endpoint == NULL)
		err = blob->ops->create(blob->store, &problems, soon(10));
	cr_assert_eq(err, ERR_OK, "%s: %.*s", name, STR_ARG(buffer_str(&problems)));
	buffer_clear(&problems);
	return blob;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path);
}

void
store_close(struct blob *blob, struct config *config)
{
	struct store_object *objects = mem_calloc(1000, sizeof(*objects));
	size_t count = 0;
	bool is_more;

	if (blob->ops->list(blob->store, NULL, 1000, objects, &count, &is_more, soon(20)) == ERR_OK) {
		for (size_t i = 0; i < count; i++)
			blob->ops->remove(blob->store, &objects[i].id, soon(5));
	}
	if (strcmp(blob->ops->name, "dir") == 0) {
		struct arena arena = { 0 };

		nftw(arena_cstr(&arena, config->blob_dir), remove_one, 16, FTW_DEPTH | FTW_PHYS);
		arena_clear(&arena);
	}
	free(objects);
	blob_free(blob);
	config_free(config);
}

enum err
body_put(struct blob *blob, struct str body, size_t piece, struct blob_ref *ret)
{
	struct upload *up;

	TRY(upload_new(blob, &up));
	for (size_t at = 0; at < body.len; at += piece) {
		enum err err = upload_add(up, str_sub(body, at, piece), soon(20));

		if (err != ERR_OK) {
			upload_drop(up);
			return err;
		}
	}
	return upload_finish(up, soon(20), ret);
}

char *
body_make(size_t len, bool is_random)
{
	char *bytes = mem_alloc(len + 1);

	if (is_random)
		random_bytes(bytes, len);
	for (size_t i = 0; i < len && !is_random; i++)
		bytes[i] = "Received: from mail by mx\r\n"[i * i / 7 % 27];
	return bytes;
}
