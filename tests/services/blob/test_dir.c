/* The directory store: what it says is stored was synced, and so were its name and the way to it, in the order that counts. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/services/blob/stores.h"

enum { NAMES_MAX = 64 };

/* ---- this program's calls of the system, as a disk sees them that keeps what it was told to keep, and nothing else */

static struct {
	bool is_watched;
	ino_t unsynced[NAMES_MAX]; /* directories, one for each name in them that would be lost */
	size_t unsynced_count;
	ino_t file;                /* whose bytes were synced last, */
	off_t file_bytes;          /* and how many there were */
	bool is_hasty;             /* a file got its name before all of its bytes were synced */
	unsigned syncs, fails_at;  /* so many since watch(); which of them fails, 0: none */
} disk;

static void
watch(unsigned fails_at)
{
	disk.is_watched = true;
	disk.syncs = 0;
	disk.fails_at = fails_at;
}

static void
note_name(int at, const char *path)
{
	char copy[PATH_MAX];
	struct stat st;

	if (!disk.is_watched)
		return;
	snprintf(copy, sizeof(copy), "%s", path);
	cr_assert_eq(fstatat(at, dirname(copy), &st, 0), 0);
	cr_assert_lt(disk.unsynced_count, (size_t)NAMES_MAX);
	disk.unsynced[disk.unsynced_count++] = st.st_ino;
}

static void
note_file(int at, const char *path)
{
	struct stat st;

	if (disk.is_watched && fstatat(at, path, &st, 0) == 0)
		disk.is_hasty |= st.st_ino != disk.file || st.st_size != disk.file_bytes;
}

static void
note_sync(int fd)
{
	struct stat st;
	size_t left = 0;

	cr_assert_eq(fstat(fd, &st), 0);
	if (S_ISREG(st.st_mode)) {
		disk.file = st.st_ino;
		disk.file_bytes = st.st_size;
	}
	for (size_t i = 0; i < disk.unsynced_count; i++)
		if (disk.unsynced[i] != st.st_ino)
			disk.unsynced[left++] = disk.unsynced[i];
	disk.unsynced_count = left;
}

static int
sync_by(long call, int fd)
{
	if (!disk.is_watched)
		return (int)syscall(call, fd);
	if (++disk.syncs == disk.fails_at) {
		errno = EIO;
		return -1;
	}
	if (syscall(call, fd) < 0)
		return -1;
	note_sync(fd);
	return 0;
}

int
fsync(int fd)
{
	return sync_by(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return sync_by(SYS_fdatasync, fd);
}

int
linkat(int from_at, const char *from, int at, const char *path, int flags)
{
	note_file(from_at, from);
	if (syscall(SYS_linkat, from_at, from, at, path, flags) < 0)
		return -1;
	note_name(at, path);
	return 0;
}

int
renameat(int from_at, const char *from, int at, const char *path)
{
	note_file(from_at, from);
	if (syscall(SYS_renameat2, from_at, from, at, path, 0) < 0)
		return -1;
	note_name(at, path);
	return 0;
}

int
mkdirat(int at, const char *path, mode_t mode)
{
	if (syscall(SYS_mkdirat, at, path, mode) < 0)
		return -1;
	note_name(at, path);
	return 0;
}

int
mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

/* ---- objects */

/* A new one, below OUTER/INNER/. */
static struct uuid
object(uint8_t outer, uint8_t inner)
{
	struct uuid id = uuid_v7();

	id.bytes[15] = outer;
	id.bytes[14] = inner;
	return id;
}

static enum err
put(struct blob *blob, struct uuid id)
{
	const struct store_ops *ops = blob->ops;
	void *writing;
	enum err err;

	TRY(ops->put_begin(blob->store, &id, &writing));
	err = ops->put_write(writing, STR("a body"), soon(5));
	if (err == ERR_OK)
		err = ops->put_commit(writing, soon(5));
	if (err != ERR_OK)
		ops->put_abort(writing);
	return err;
}

static void
expect_kept(const char *what)
{
	cr_expect_not(disk.is_hasty, "%s: it had its name before it was synced", what);
	cr_expect_eq(disk.unsynced_count, 0, "%s: %zu names would be lost", what, disk.unsynced_count);
}

/* Another process's, in the same directory; or in the one that `config` names by now. */
static struct blob *
open_another(const struct config *config)
{
	struct buffer problems = { 0 };
	struct blob *blob;

	cr_assert_eq(blob_new(config, &problems, &blob), ERR_OK);
	buffer_clear(&problems);
	return blob;
}

static enum err
create(struct blob *blob)
{
	struct buffer problems = { 0 };
	enum err err = blob->ops->create(blob->store, &problems, soon(5));

	buffer_clear(&problems);
	return err;
}

Test(dir, what_is_stored_is_synced_before_it_is_named_and_its_name_before_it_is_told)
{
	static const struct {
		const char *what;
		uint8_t outer, inner;
	} rows[] = {
		{ "the first of all", 1, 1 },
		{ "one beside it", 1, 1 },
		{ "one in a new directory", 1, 2 },
		{ "one in two new directories", 2, 1 },
	};
	struct config *config;
	struct blob *blob;

	watch(0);
	blob = store_open("dir", NULL, &config);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(put(blob, object(rows[i].outer, rows[i].inner)), ERR_OK);
		expect_kept(rows[i].what);
	}
	store_close(blob, config);
}

/* A put whose sync `number` fails, and another process's, which finds directories that may not be kept yet. False: it has not so many. */
static bool
fail_sync(unsigned number)
{
	struct uuid id = object(1, 1);
	struct config *config;
	struct blob *blob = store_open("dir", NULL, &config), *another = open_another(config);
	bool has_failed;
	enum err err;
	char byte;

	watch(number);
	err = put(blob, id);
	has_failed = disk.syncs >= number;
	if (has_failed) {
		cr_expect_eq(err, ERR_UNAVAILABLE, "sync %u failed: %s", number, err_row(err)->name);
		cr_expect_eq(blob->ops->read(blob->store, &id, 0, 1, &byte, soon(5)), ERR_NONEXISTENT, "sync %u failed, and it is there", number);
	}
	watch(0);
	cr_expect_eq(create(another), ERR_OK);
	cr_expect_eq(put(another, object(1, 1)), ERR_OK);
	expect_kept("another process's");
	blob_free(another);
	store_close(blob, config);
	return has_failed;
}

Test(dir, a_sync_that_fails_fails_its_put_and_what_comes_later_is_synced_all_the_same)
{
	unsigned syncs = 0;

	while (fail_sync(syncs + 1))
		syncs++;
	cr_expect_geq(syncs, 4, "the file, and the directories of three names");
}

Test(dir, every_directory_that_is_made_for_it_is_synced_or_made_again)
{
	static const unsigned fails_at[] = { 1, 2, 2 }; /* of three directories each in turn: those before it are there by then */
	struct config *config;
	struct blob *blob = store_open("dir", NULL, &config), *deep;
	struct str path = config->blob_dir;
	struct arena arena = { 0 };

	config->blob_dir = arena_printf(&arena, "%.*s/more/and/more", STR_ARG(path));
	deep = open_another(config);
	for (size_t i = 0; i < sizeof(fails_at) / sizeof(fails_at[0]); i++) {
		watch(fails_at[i]);
		cr_expect_eq(create(deep), ERR_CONFIG, "directory %zu", i + 1);
	}
	watch(0);
	cr_expect_eq(create(deep), ERR_OK);
	cr_expect_eq(put(deep, object(1, 1)), ERR_OK);
	expect_kept("deep below");
	config->blob_dir = path;
	blob_free(deep);
	store_close(blob, config);
	arena_clear(&arena);
}
