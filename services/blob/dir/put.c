/* Writing a file so that it is there whole or not at all, and stays. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/core/mem.h"
#include "services/blob/dir/dir.h"

struct dir_put {
	struct dir_store *dir;
	struct uuid id;
	int fd;
	char path[STORE_PATH_BYTES + 1];
};

/* In tmp/ it is called by its 32 digits alone. */
static const char *
tmp_name(const struct dir_put *put)
{
	return put->path + 6;
}

/* A failure of any kind may pass; that something is not there can not be what a put says. */
static enum err
put_failed(struct dir_store *dir, const char *what)
{
	dir_failed(dir, what);
	return ERR_UNAVAILABLE;
}

enum err
dir_put_begin(void *store, const struct uuid *id, void **ret_put)
{
	struct dir_put *put = MEM_NEW(struct dir_put);

	put->dir = store;
	put->id = *id;
	store_path(id, put->path);
	put->fd = openat(put->dir->tmp, tmp_name(put), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (put->fd < 0) {
		free(put);
		return put_failed(store, "create");
	}
	*ret_put = put;
	return ERR_OK;
}

enum err
dir_put_write(void *put, struct str bytes, int64_t deadline_ms)
{
	struct dir_put *p = put;

	(void)deadline_ms;
	while (bytes.len > 0) {
		ssize_t done = write(p->fd, bytes.ptr, bytes.len);

		if (done < 0 && errno != EINTR)
			return put_failed(p->dir, "write");
		if (done > 0)
			bytes = str_sub(bytes, (size_t)done, SIZE_MAX);
	}
	return ERR_OK;
}

bool
dir_sync(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_synced = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return is_synced;
}

static enum err
sync_directory(struct dir_store *dir, const char *path)
{
	return dir_sync(dir->root, path) ? ERR_OK : put_failed(dir, "sync directory");
}

/*
 * Make `path` in `parent` and its entry durable, once in a process's life. That it exists is not enough: another put may have made
 * it a moment ago and not synced it yet.
 */
static enum err
ensure_directory(struct dir_store *dir, const char *parent, const char *path, atomic_uchar *is_durable)
{
	if (atomic_load(is_durable))
		return ERR_OK;
	if (mkdirat(dir->root, path, 0700) < 0 && errno != EEXIST)
		return put_failed(dir, "mkdir");
	TRY(sync_directory(dir, parent));
	atomic_store(is_durable, 1);
	return ERR_OK;
}

static void
note_clock(struct dir_put *put)
{
	struct stat st;

	if (fstat(put->fd, &st) == 0)
		store_clock_note(&put->dir->clock, (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
}

static void
put_end(struct dir_put *put)
{
	unlinkat(put->dir->tmp, tmp_name(put), 0);
	close(put->fd);
	free(put);
}

enum err
dir_put_commit(void *put, int64_t deadline_ms)
{
	struct dir_put *p = put;
	struct dir_store *dir = p->dir;
	uint8_t outer = p->id.bytes[15], inner = p->id.bytes[14];
	char outer_path[] = { p->path[0], p->path[1], '\0' };
	char inner_path[] = { p->path[0], p->path[1], '/', p->path[3], p->path[4], '\0' };

	(void)deadline_ms;
	if (fsync(p->fd) < 0)
		return put_failed(dir, "sync");
	TRY(ensure_directory(dir, ".", outer_path, &dir->durable_outer[outer]));
	TRY(ensure_directory(dir, outer_path, inner_path, &dir->durable_inner[outer * 256 + inner]));
	/* A link, for it never replaces a file that is there. */
	if (linkat(dir->tmp, tmp_name(p), dir->root, p->path, 0) < 0)
		return put_failed(dir, "link");
	if (sync_directory(dir, inner_path) != ERR_OK) {
		unlinkat(dir->root, p->path, 0);
		return ERR_UNAVAILABLE;
	}
	note_clock(p);
	put_end(p);
	return ERR_OK;
}

void
dir_put_abort(void *put)
{
	put_end(put);
}
