/* Listing files in the order of their paths, from any path on. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/blob/dir/dir.h"

struct listing {
	struct dir_store *dir;
	char after[STORE_PATH_BYTES + 1]; /* empty: from the first */
	size_t limit;
	struct store_object *objects;
	size_t count;
	bool is_more;
};

static int
name_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The files of "ab/cd" that come after `after`, sorted. A directory that is not there has none. */
static enum err
names_read(struct listing *l, const char *path, struct buffer *ret)
{
	int fd = openat(l->dir->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (fd < 0)
		return dir_failed(l->dir, "list") == ERR_NONEXISTENT ? ERR_OK : ERR_UNAVAILABLE;
	if (dir == NULL) {
		close(fd);
		return ERR_UNAVAILABLE;
	}
	while ((entry = readdir(dir)) != NULL) {
		char name[STORE_PATH_BYTES + 1];
		struct uuid id;

		if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) == STORE_PATH_BYTES &&
		    store_path_read(str_c(name), &id) && strcmp(name, l->after) > 0)
			buffer_add(ret, str_from(name, sizeof(name)));
	}
	closedir(dir);
	if (buffer_len(ret) > 0)
		qsort(ret->bytes + ret->start, buffer_len(ret) / (STORE_PATH_BYTES + 1), STORE_PATH_BYTES + 1, name_compare);
	return ERR_OK;
}

static void
add_file(struct listing *l, const char *path)
{
	struct store_object *object = &l->objects[l->count];
	struct stat st;

	if (l->count == l->limit) {
		l->is_more = true;
		return;
	}
	/* Removed since its name was read: not there. */
	if (fstatat(l->dir->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !store_path_read(str_c(path), &object->id))
		return;
	object->put_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	object->size = (uint64_t)st.st_size;
	l->count++;
}

static enum err
add_directory(struct listing *l, const char *path)
{
	struct buffer names = { 0 };
	enum err err = names_read(l, path, &names);

	for (size_t at = 0; err == ERR_OK && at < buffer_len(&names) && !l->is_more; at += STORE_PATH_BYTES + 1)
		add_file(l, names.bytes + names.start + at);
	buffer_clear(&names);
	return err;
}

static bool
is_directory(struct listing *l, const char *path)
{
	return faccessat(l->dir->root, path, F_OK, 0) == 0;
}

enum err
dir_list(void *store, const struct uuid *after, size_t limit, struct store_object *ret, size_t *ret_count, bool *ret_more,
    int64_t deadline_ms)
{
	struct listing l = { .dir = store, .limit = limit, .objects = ret };
	unsigned first = after ? after->bytes[15] * 256u + after->bytes[14] : 0;

	(void)deadline_ms;
	if (after != NULL)
		store_path(after, l.after);
	for (unsigned place = first; place < 65536 && !l.is_more; place++) {
		char outer[3], inner[6];

		snprintf(outer, sizeof(outer), "%02x", place / 256 % 256);
		snprintf(inner, sizeof(inner), "%02x/%02x", place / 256 % 256, place % 256);
		if (place % 256 == 0 && !is_directory(&l, outer)) {
			place += 255;
			continue;
		}
		TRY(add_directory(&l, inner));
	}
	*ret_count = l.count;
	*ret_more = l.is_more;
	return ERR_OK;
}
