/* Bodies that are written together: who shares an object with whom, who is told what, and when. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcommon/core/mem.h"
#include "services/blob/pack.h"
#include "tests/services/blob/stores.h"

enum { WRITERS = 4, MANY = 300 };

static const struct seal_keys some_keys = { .keys = { { .id = 7, .bytes = "one key" }, { .id = 8, .bytes = "another" } }, .count = 2 };

/* ---- a real store whose commits wait at a gate */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const struct store_ops *ops;
	size_t waiting, told;
	bool is_open;
	enum err err;        /* what a commit says instead of being done */
	int64_t deadline_ms; /* of the last commit */
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static enum err
gate_commit(void *put, int64_t deadline_ms)
{
	enum err err;

	pthread_mutex_lock(&gate.lock);
	gate.waiting++;
	gate.deadline_ms = deadline_ms;
	pthread_cond_broadcast(&gate.changed);
	while (!gate.is_open)
		pthread_cond_wait(&gate.changed, &gate.lock);
	err = gate.err;
	pthread_mutex_unlock(&gate.lock);
	return err == ERR_OK ? gate.ops->put_commit(put, deadline_ms) : err;
}

static struct blob *
gate_store(const char *name, struct config **ret_config)
{
	static struct store_ops ops;
	struct blob *blob = store_open(name, NULL, ret_config);

	gate.ops = blob->ops;
	gate.waiting = gate.told = 0;
	gate.is_open = false;
	gate.err = ERR_OK;
	ops = *blob->ops;
	ops.put_commit = gate_commit;
	blob->ops = &ops;
	return blob;
}

static void
gate_open(enum err err)
{
	pthread_mutex_lock(&gate.lock);
	gate.is_open = true;
	gate.err = err;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

static void
wait_for(size_t *count, size_t wanted)
{
	pthread_mutex_lock(&gate.lock);
	while (*count < wanted)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

/* ---- bodies */

struct mail {
	struct packed packed; /* first */
	struct blob *blob;
	struct str body;
	int64_t deadline_ms;
	size_t told;
	enum err err;
	pthread_t thread;
};

static void
mail_done(struct packed *packed, enum err err)
{
	struct mail *mail = (struct mail *)packed;

	pthread_mutex_lock(&gate.lock);
	mail->told++;
	mail->err = err;
	gate.told++;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

static struct mail
mail_make(struct blob *blob, size_t len, size_t number)
{
	char *bytes = body_make(len, number % 2);

	memcpy(bytes, &number, len < sizeof(number) ? len : sizeof(number));
	return (struct mail){ .packed.done = mail_done, .blob = blob, .body = str_from(bytes, len), .deadline_ms = soon(60), .err = ERR_AGAIN };
}

static void *
mail_put(void *arg)
{
	struct mail *mail = arg;

	packer_put(mail->blob->packer, mail->body, mail->deadline_ms, &mail->packed);
	return NULL;
}

static enum err
mail_read(const struct mail *mail)
{
	struct arena arena = { 0 };
	struct str got = STR_NONE;
	enum err err = body_read(mail->blob, &mail->packed.ref, 0, mail->body.len, &arena, soon(60), &got);
	bool is_right = err != ERR_OK || str_equal(got, mail->body);

	arena_clear(&arena);
	cr_assert(is_right, "what is read is what was put");
	return err;
}

static bool
is_same_object(const struct mail *a, const struct mail *b)
{
	return memcmp(a->packed.ref.object.bytes, b->packed.ref.object.bytes, 16) == 0;
}

static size_t
count_objects(struct blob *blob)
{
	struct store_object objects[100];
	size_t count;
	bool is_more;

	cr_assert_eq(blob->ops->list(blob->store, NULL, 100, objects, &count, &is_more, soon(10)), ERR_OK);
	return count;
}

/* As many packs at the gate as may be written at once: what comes now waits for them, however long that takes. */
static void
keep_writers_busy(struct blob *blob, struct mail mails[WRITERS])
{
	for (size_t i = 0; i < WRITERS; i++) {
		mails[i] = mail_make(blob, 100, i);
		cr_assert_eq(pthread_create(&mails[i].thread, NULL, mail_put, &mails[i]), 0);
		wait_for(&gate.waiting, i + 1);
	}
}

static void
release_writers(struct mail mails[WRITERS])
{
	for (size_t i = 0; i < WRITERS; i++) {
		pthread_join(mails[i].thread, NULL);
		free((char *)mails[i].body.ptr);
	}
}

/* ---- the cases */

Test(pack, a_lone_body_is_written_at_once_by_who_brings_it, .timeout = 120)
{
	for (size_t i = 0; i < 2; i++) {
		struct config *config;
		struct blob *blob = store_open(store_names[i], NULL, &config);
		size_t lens[] = { 0, 1, 5000, PACK_BODY_MAX };

		for (size_t l = 0; l < sizeof(lens) / sizeof(*lens); l++) {
			struct mail mail = mail_make(blob, lens[l], l);

			mail_put(&mail);
			cr_assert(mail.told == 1 && mail.err == ERR_OK && mail.packed.ref.offset == 0);
			cr_assert_eq(mail_read(&mail), ERR_OK);
			cr_assert_eq(count_objects(blob), l + 1);
			free((char *)mail.body.ptr);
		}
		store_close(blob, config);
	}
}

Test(pack, bodies_that_wait_share_an_object_and_are_told_when_it_is_durable, .timeout = 120)
{
	for (size_t i = 0; i < 4; i++) {
		struct config *config;
		struct blob *blob = gate_store(store_names[i % 2], &config);
		struct mail first[WRITERS], mails[40];

		if (i >= 2)
			blob->seal_keys = some_keys;
		keep_writers_busy(blob, first);
		for (size_t m = 0; m < 40; m++) {
			mails[m] = mail_make(blob, m * 100, m);
			mail_put(&mails[m]);
		}
		cr_assert(gate.told == 0 && count_objects(blob) == 0, "nothing is durable, nobody was told");
		gate_open(ERR_OK);
		wait_for(&gate.told, WRITERS + 40);
		release_writers(first);
		cr_assert_eq(count_objects(blob), WRITERS + 1);
		for (size_t m = 0; m < 40; m++) {
			cr_assert(mails[m].told == 1 && mails[m].err == ERR_OK && is_same_object(&mails[m], &mails[0]));
			cr_assert_eq(mail_read(&mails[m]), ERR_OK, "%s: body %zu", store_names[i % 2], m);
			free((char *)mails[m].body.ptr);
		}
		store_close(blob, config);
	}
}

Test(pack, when_it_can_not_be_stored_all_are_told_and_the_next_try_is_another_object, .timeout = 120)
{
	for (size_t i = 0; i < 2; i++) {
		struct config *config;
		struct blob *blob = gate_store(store_names[i], &config);
		struct mail first[WRITERS], mails[10], again;

		keep_writers_busy(blob, first);
		for (size_t m = 0; m < 10; m++) {
			mails[m] = mail_make(blob, 1000, m);
			mails[m].deadline_ms = 1000 + (int64_t)(m * 7 % 10);
			mail_put(&mails[m]);
		}
		gate_open(ERR_UNAVAILABLE);
		wait_for(&gate.told, WRITERS + 10);
		release_writers(first);
		cr_assert_eq(gate.deadline_ms, 1009, "the store has until the last of them gives up");
		cr_assert_eq(count_objects(blob), 0);
		for (size_t m = 0; m < 10; m++)
			cr_assert(mails[m].told == 1 && mails[m].err == ERR_UNAVAILABLE);
		gate_open(ERR_OK);
		again = mails[0];
		again.deadline_ms = soon(60);
		mail_put(&again);
		cr_assert(again.err == ERR_OK && !is_same_object(&again, &mails[0]) && mail_read(&again) == ERR_OK);
		for (size_t m = 0; m < 10; m++)
			free((char *)mails[m].body.ptr);
		store_close(blob, config);
	}
}

Test(pack, has_at_most_256_bodies_and_a_mebibyte, .timeout = 120)
{
	static const struct { size_t len, count, packs; } cases[] = { { 10, MANY, 2 }, { 100000, 25, 3 }, { PACK_BODY_MAX, 9, 2 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct config *config;
		struct blob *blob = gate_store("dir", &config);
		struct mail first[WRITERS], *mails = mem_calloc(MANY, sizeof(*mails));
		struct store_object objects[20];
		size_t count;
		bool is_more;

		keep_writers_busy(blob, first);
		for (size_t m = 0; m < cases[i].count; m++) {
			mails[m] = mail_make(blob, cases[i].len, 1);
			random_bytes((char *)mails[m].body.ptr, cases[i].len);
			mail_put(&mails[m]);
		}
		gate_open(ERR_OK);
		wait_for(&gate.told, WRITERS + cases[i].count);
		release_writers(first);
		cr_assert_eq(blob->ops->list(blob->store, NULL, 20, objects, &count, &is_more, soon(10)), ERR_OK);
		cr_assert_eq(count, WRITERS + cases[i].packs, "case %zu: %zu", i, count);
		for (size_t n = 0; n < count; n++)
			cr_assert_leq(objects[n].size, (uint64_t)PACK_BYTES + 1000);
		for (size_t m = 0; m < cases[i].count; m++) {
			cr_assert(mails[m].err == ERR_OK && mail_read(&mails[m]) == ERR_OK, "case %zu body %zu", i, m);
			free((char *)mails[m].body.ptr);
		}
		free(mails);
		store_close(blob, config);
	}
}

/* Through the back end's own ways. */
static void
damage(struct blob *blob, const struct uuid *object, struct pack *pack, size_t at)
{
	void *put;

	pack->bytes.bytes[pack->bytes.start + at] ^= 0x10;
	cr_assert_eq(blob->ops->remove(blob->store, object, soon(5)), ERR_OK);
	cr_assert_eq(blob->ops->put_begin(blob->store, object, &put), ERR_OK);
	cr_assert_eq(blob->ops->put_write(put, buffer_str(&pack->bytes), soon(5)), ERR_OK);
	cr_assert_eq(blob->ops->put_commit(put, soon(5)), ERR_OK);
	pack->bytes.bytes[pack->bytes.start + at] ^= 0x10;
}

Test(pack, damage_of_one_body_leaves_the_others_readable, .timeout = 120)
{
	for (size_t i = 0; i < 4; i++) {
		struct config *config;
		struct blob *blob = store_open(store_names[i % 2], NULL, &config);
		struct mail mails[5];
		struct pack pack;

		if (i >= 2)
			blob->seal_keys = some_keys;
		pack_init(&pack);
		for (size_t m = 0; m < 5; m++) {
			mails[m] = mail_make(blob, 700, m);
			pack_add(&pack, seal_keys_first(&blob->seal_keys), mails[m].body, &mails[m].packed.ref);
		}
		cr_assert_eq(pack_store(blob, &pack, soon(10)), ERR_OK);
		for (size_t bad = 0; bad < 5; bad++) {
			const struct blob_ref *ref = &mails[bad].packed.ref;
			size_t places[] = { 0, 9, (size_t)ref->stored / 2, (size_t)ref->stored - 1 };

			for (size_t p = 0; p < sizeof(places) / sizeof(*places); p++) {
				damage(blob, &pack.object, &pack, (size_t)ref->offset + places[p]);
				for (size_t m = 0; m < 5; m++)
					cr_assert_eq(mail_read(&mails[m]), m == bad ? ERR_CORRUPT : ERR_OK, "body %zu, %zu damaged", m, bad);
			}
		}
		for (size_t m = 0; m < 5; m++)
			free((char *)mails[m].body.ptr);
		pack_clear(&pack);
		store_close(blob, config);
	}
}

/* ---- many at once */

enum { CLIENTS = 32, EACH = 20 };

struct client {
	struct blob *blob;
	size_t number, wrong;
};

static void *
client_run(void *arg)
{
	struct client *client = arg;

	for (size_t i = 0; i < EACH; i++) {
		struct mail mail = mail_make(client->blob, random_u64() % (i % 5 ? 6000 : PACK_BODY_MAX), client->number);

		mail_put(&mail);
		pthread_mutex_lock(&gate.lock);
		while (mail.told == 0)
			pthread_cond_wait(&gate.changed, &gate.lock);
		pthread_mutex_unlock(&gate.lock);
		client->wrong += mail.told != 1 || mail.err != ERR_OK || mail_read(&mail) != ERR_OK;
		free((char *)mail.body.ptr);
	}
	return NULL;
}

Test(pack, every_one_of_many_at_once_can_be_read_as_soon_as_it_is_told, .timeout = 120)
{
	for (size_t i = 0; i < 2; i++) {
		struct config *config;
		struct blob *blob = store_open(store_names[i], NULL, &config);
		struct client clients[CLIENTS];
		pthread_t threads[CLIENTS];

		blob->seal_keys = some_keys;
		for (size_t c = 0; c < CLIENTS; c++) {
			clients[c] = (struct client){ blob, c, 0 };
			cr_assert_eq(pthread_create(&threads[c], NULL, client_run, &clients[c]), 0);
		}
		for (size_t c = 0; c < CLIENTS; c++) {
			pthread_join(threads[c], NULL);
			cr_assert_eq(clients[c].wrong, 0, "%s: client %zu", store_names[i], c);
		}
		store_close(blob, config);
	}
}

/* ---- sealed */

static bool
disk_has(const struct config *config, const char *text)
{
	struct arena arena = { 0 };
	struct str command = arena_printf(&arena, "grep -rqaF '%s' '%.*s'", text, STR_ARG(config->blob_dir));
	int status = system(arena_cstr(&arena, command));

	arena_clear(&arena);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Short, so that compression leaves the words as they are. */
Test(pack, sealed_objects_show_nothing_on_the_disk)
{
	for (size_t sealed = 0; sealed < 2; sealed++) {
		struct config *config;
		struct blob *blob = store_open("dir", NULL, &config);
		struct mail mail = { .packed.done = mail_done, .blob = blob, .body = STR("Subject: the merger"), .deadline_ms = soon(60) };
		struct blob_ref ref;

		if (sealed)
			blob->seal_keys = some_keys;
		mail_put(&mail);
		cr_assert_eq(body_put(blob, STR("Subject: a long one"), BUS_CHUNK_MAX, &ref), ERR_OK);
		cr_assert_eq(mail.packed.ref.key_id, sealed ? 7 : 0);
		cr_assert_eq(ref.key_id, sealed ? 7 : 0);
		cr_assert_eq(disk_has(config, "the merger"), sealed == 0);
		cr_assert_eq(disk_has(config, "a long one"), sealed == 0);
		cr_assert_eq(mail_read(&mail), ERR_OK);
		store_close(blob, config);
	}
}

Test(pack, keys_can_be_changed_and_what_lacks_its_key_says_so)
{
	struct config *config;
	struct blob *blob = store_open("dir", NULL, &config);
	struct mail mails[3] = { mail_make(blob, 5000, 0), mail_make(blob, 5000, 1), mail_make(blob, 5000, 2) };

	mail_put(&mails[0]);
	blob->seal_keys = (struct seal_keys){ .keys = { some_keys.keys[1] }, .count = 1 };
	mail_put(&mails[1]);
	blob->seal_keys = some_keys;
	mail_put(&mails[2]);
	cr_assert(mails[0].packed.ref.key_id == 0 && mails[1].packed.ref.key_id == 8 && mails[2].packed.ref.key_id == 7);
	for (size_t m = 0; m < 3; m++)
		cr_assert_eq(mail_read(&mails[m]), ERR_OK, "body %zu", m);
	blob->seal_keys.count = 1;
	cr_assert_eq(mail_read(&mails[0]), ERR_OK);
	cr_assert_eq(mail_read(&mails[1]), ERR_CONFIG);
	cr_assert_eq(mail_read(&mails[2]), ERR_OK);
	for (size_t m = 0; m < 3; m++)
		free((char *)mails[m].body.ptr);
	store_close(blob, config);
}
