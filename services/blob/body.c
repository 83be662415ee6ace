/* Reading a range of a body: which frames, one read of the store for them, each checked. */
#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "services/blob/blob.h"

/* A body that takes no more than this is read at once, index and all. */
enum { WHOLE_BYTES = BUS_CHUNK_MAX + 64 * 1024 };

/* One read under way. */
struct reading {
	struct blob *blob;
	const struct blob_ref *ref;
	struct frame_index *index;
	uint64_t offset;
	size_t len;
	int64_t deadline_ms;
	char *stored;          /* bytes of the object from `stored_at` on */
	uint64_t stored_at;
	char *plain;           /* room for the frames that hold the range */
};

/* Read `len` bytes of the body as it is stored, `at` counted from its first. */
static enum err
read_stored(struct reading *r, uint64_t at, size_t len)
{
	struct blob *blob = r->blob;

	free(r->stored);
	r->stored = mem_alloc(len);
	r->stored_at = at;
	return blob->ops->read(blob->store, &r->ref->object, r->ref->offset + at, len, r->stored, r->deadline_ms);
}

static enum err
load_whole(struct reading *r)
{
	size_t tail = frame_tail_bytes(r->ref), stored = (size_t)r->ref->stored;

	TRY(read_stored(r, 0, stored));
	TRY(frame_header_check(r->ref, str_from(r->stored, FRAME_HEADER_BYTES)));
	return frame_index_read(r->ref, str_from(r->stored + stored - tail, tail), &r->index);
}

static enum err
load_index(struct reading *r)
{
	size_t tail = frame_tail_bytes(r->ref);

	r->index = index_cache_take(&r->blob->cache, r->ref);
	if (r->index != NULL)
		return ERR_OK;
	TRY(read_stored(r, r->ref->stored - tail, tail));
	return frame_index_read(r->ref, str_from(r->stored, tail), &r->index);
}

/* The frames of the range, and the header with the first one: so that reading all of a body looks at every byte of it. */
static enum err
load_range(struct reading *r, size_t first, size_t last)
{
	const struct frame_row *rows;
	uint64_t from, to;

	TRY(load_index(r));
	rows = r->index->rows;
	from = first == 0 ? 0 : rows[first].offset;
	to = rows[last].offset + rows[last].stored;
	TRY(read_stored(r, from, (size_t)(to - from)));
	return first == 0 ? frame_header_check(r->ref, str_from(r->stored, FRAME_HEADER_BYTES)) : ERR_OK;
}

static enum err
decode(struct reading *r, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		const struct frame_row *row = &r->index->rows[i];

		TRY(frame_read(r->index, i, str_from(r->stored + (row->offset - r->stored_at), row->stored),
		    r->plain + (i - first) * FRAME_BYTES));
	}
	if (r->len == r->ref->size)
		return frame_body_check(r->index, str_from(r->plain, r->len));
	return ERR_OK;
}

static enum err
read_once(struct reading *r)
{
	size_t first = (size_t)(r->offset / FRAME_BYTES);
	size_t count = r->len ? (size_t)((r->offset + r->len - 1) / FRAME_BYTES) - first + 1 : 0;
	bool is_whole = r->ref->stored <= WHOLE_BYTES;
	enum err err = is_whole ? load_whole(r) : load_range(r, first, first + count - 1);

	if (err == ERR_OK)
		err = decode(r, first, count);
	if (r->index != NULL && !is_whole && err == ERR_OK)
		index_cache_give(&r->blob->cache, r->index);
	else
		free(r->index);
	free(r->stored);
	r->index = NULL;
	r->stored = NULL;
	return err;
}

enum err
body_read(struct blob *blob, const struct blob_ref *ref, uint64_t offset, size_t len, struct arena *arena, int64_t deadline_ms,
    struct str *ret)
{
	struct reading r = { .blob = blob, .ref = ref, .offset = offset, .len = len, .deadline_ms = deadline_ms };
	size_t skip = (size_t)(offset % FRAME_BYTES);
	enum err err;

	if (len == 0 && ref->stored > WHOLE_BYTES) {
		*ret = STR("");
		return ERR_OK;
	}
	r.plain = arena_alloc(arena, skip + len + FRAME_BYTES);
	err = read_once(&r);
	if (err == ERR_CORRUPT)
		err = read_once(&r);
	if (err == ERR_OK)
		*ret = str_from(r.plain + skip, len);
	return err;
}
