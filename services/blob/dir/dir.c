/* Objects as files below one directory: opening it, reading and removing. */
#include "services/blob/dir/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"

enum err
dir_failed(struct dir_store *dir, const char *what)
{
	int error = errno;
	bool is_full = error == ENOSPC || error == EDQUOT;
	int64_t times;

	if (error == ENOENT)
		return ERR_NONEXISTENT;
	metric_add(METRIC_BLOB_FAILED, 1);
	times = is_full ? log_seldom(&dir->full) : 0;
	if (times > 0)
		log_error(&dir->log, "blob.full", KV_C("directory", dir->path), KV_C("problem", strerror(error)), KV_INT("times", times),
		    KV_C("text", "no mail is taken until there is room: make some, or give blob.dir a larger disk"));
	if (!is_full)
		log_warn(&dir->log, "blob.dir", KV_C("directory", dir->path), KV_C("operation", what), KV_C("problem", strerror(error)));
	return ERR_UNAVAILABLE;
}

static void
complain(struct buffer *problems, const char *path, const char *what)
{
	const char *remedy = errno == ENOENT ? ": `sora-blob create-bucket` makes it"
	    : errno == EACCES ? ": give it to the user that Sora runs as" : "";

	buffer_printf(problems, "blob.dir: %s: %s: %s%s\n", path, what, strerror(errno), remedy);
}

/* Make it, unless it is there, so that it stays: a body is no safer than the path to it. */
static bool
make_directory(const char *path)
{
	struct arena arena = { 0 };
	bool is_synced;

	if (mkdir(path, 0700) < 0)
		return errno == EEXIST;
	is_synced = dir_sync(AT_FDCWD, arena_printf(&arena, "%s/..", path).ptr);
	if (!is_synced)
		rmdir(path);
	arena_clear(&arena);
	return is_synced;
}

/* Every missing part of `path`. */
static bool
make_path(const char *path)
{
	char *copy = mem_strdup(path);
	bool is_made = true;

	for (char *at = copy + 1; is_made; at++) {
		char c = *at;

		if (c != '/' && c != '\0')
			continue;
		*at = '\0';
		is_made = make_directory(copy);
		*at = c;
		if (c == '\0')
			break;
	}
	free(copy);
	return is_made;
}

static void
dir_close(void *store)
{
	struct dir_store *dir = store;

	if (dir == NULL)
		return;
	if (dir->root >= 0)
		close(dir->root);
	if (dir->tmp >= 0)
		close(dir->tmp);
	free(dir->path);
	free(dir);
}

/*
 * What root makes before the process becomes `user` is that user's from the beginning. A directory that somebody else has stays theirs.
 */
static bool
give_to_user(const struct dir_store *dir, int fd)
{
	struct stat st;

	return dir->owner == 0 || geteuid() != 0 || fstat(fd, &st) < 0 || st.st_uid != 0 || fchown(fd, dir->owner, dir->group) == 0;
}

static enum err
find_owner(struct dir_store *dir, struct str user)
{
	struct arena arena = { 0 };
	struct passwd *row = user.len > 0 ? getpwnam(arena_cstr(&arena, user)) : NULL;

	if (row != NULL) {
		dir->owner = row->pw_uid;
		dir->group = row->pw_gid;
	}
	arena_clear(&arena);
	return row != NULL || user.len == 0 ? ERR_OK : ERR_CONFIG;
}

/* The directory itself is made when only it is missing; a missing parent is a disk that is not mounted, or a wrong setting. */
static bool
open_root(struct dir_store *dir)
{
	if (dir->root >= 0)
		return true;
	if (!make_directory(dir->path))
		return false;
	dir->root = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->root < 0 || (mkdirat(dir->root, "tmp", 0700) < 0 && errno != EEXIST))
		return false;
	dir->tmp = openat(dir->root, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir->tmp >= 0 && give_to_user(dir, dir->root) && give_to_user(dir, dir->tmp);
}

static enum err
dir_open(const struct config *config, struct buffer *problems, void **ret_store)
{
	struct dir_store *dir;

	if (config->blob_dir.len == 0) {
		buffer_add(problems, STR("blob.dir: is not set\n"));
		return ERR_CONFIG;
	}
	dir = MEM_NEW(struct dir_store);
	dir->root = dir->tmp = -1;
	dir->log.service = "blob";
	dir->path = mem_calloc(config->blob_dir.len + 1, 1);
	memcpy(dir->path, config->blob_dir.ptr, config->blob_dir.len);
	if (find_owner(dir, config->user) != ERR_OK) {
		buffer_printf(problems, "user: there is no user \"%.*s\"\n", STR_ARG(config->user));
		dir_close(dir);
		return ERR_CONFIG;
	}
	*ret_store = dir;
	return ERR_OK;
}

static enum err
dir_check(void *store, struct buffer *problems, int64_t deadline_ms)
{
	struct dir_store *dir = store;

	(void)deadline_ms;
	if (!open_root(dir)) {
		complain(problems, dir->path, "can not be opened");
		return ERR_CONFIG;
	}
	if (faccessat(dir->root, "tmp", W_OK | X_OK, AT_EACCESS) == 0 && faccessat(dir->root, ".", W_OK | X_OK, AT_EACCESS) == 0)
		return ERR_OK;
	complain(problems, dir->path, "can not be written");
	return ERR_CONFIG;
}

static enum err
dir_create(void *store, struct buffer *problems, int64_t deadline_ms)
{
	struct dir_store *dir = store;

	if (!make_path(dir->path)) {
		complain(problems, dir->path, "can not be made");
		return ERR_CONFIG;
	}
	return dir_check(store, problems, deadline_ms);
}

static enum err
read_all(struct dir_store *dir, int fd, uint64_t offset, size_t len, char *ret)
{
	while (len > 0) {
		ssize_t got = pread(fd, ret, len, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return dir_failed(dir, "read");
		if (got == 0)
			return ERR_CORRUPT;
		ret += got;
		offset += (size_t)got;
		len -= (size_t)got;
	}
	return ERR_OK;
}

static enum err
dir_read(void *store, const struct uuid *id, uint64_t offset, size_t len, char *ret, int64_t deadline_ms)
{
	struct dir_store *dir = store;
	char path[STORE_PATH_BYTES + 1];
	enum err err;
	int fd;

	(void)deadline_ms;
	store_path(id, path);
	fd = openat(dir->root, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return dir_failed(dir, "open");
	err = read_all(dir, fd, offset, len, ret);
	close(fd);
	return err;
}

static enum err
dir_remove(void *store, const struct uuid *id, int64_t deadline_ms)
{
	struct dir_store *dir = store;
	char path[STORE_PATH_BYTES + 1];

	(void)deadline_ms;
	store_path(id, path);
	return unlinkat(dir->root, path, 0) == 0 || errno == ENOENT ? ERR_OK : dir_failed(dir, "remove");
}

static const struct store_clock *
dir_clock(const void *store)
{
	return &((const struct dir_store *)store)->clock;
}

/* A file that still grows was written to a moment ago: its time says so, whichever process writes it. */
static void
clean_one(struct dir_store *dir, const char *name, int64_t before_ms)
{
	struct stat st;

	if (fstatat(dir->tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    (int64_t)st.st_mtim.tv_sec * 1000 < before_ms)
		unlinkat(dir->tmp, name, 0);
}

static enum err
dir_clean(void *store, int64_t age_ms, int64_t deadline_ms)
{
	struct dir_store *dir = store;
	int fd = openat(dir->root, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *tmp = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	(void)deadline_ms;
	if (tmp == NULL) {
		if (fd >= 0)
			close(fd);
		return ERR_UNAVAILABLE;
	}
	while ((entry = readdir(tmp)) != NULL)
		clean_one(dir, entry->d_name, clock_wall_ms() - age_ms);
	closedir(tmp);
	return ERR_OK;
}

const struct store_ops dir_store = {
	.name = "dir",
	.is_near = true,
	.open = dir_open,
	.close = dir_close,
	.create = dir_create,
	.check = dir_check,
	.put_begin = dir_put_begin,
	.put_write = dir_put_write,
	.put_commit = dir_put_commit,
	.put_abort = dir_put_abort,
	.read = dir_read,
	.remove = dir_remove,
	.list = dir_list,
	.clock = dir_clock,
	.clean = dir_clean,
};
