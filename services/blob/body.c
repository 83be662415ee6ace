/*
 * Reading a range of a body: which pieces of its object, each from the cache or in one read of the store, each checked.
 *
 * A short body is one piece, index and all. A long one is read by its frames, with its index (kept in memory, and a piece of its own): where
 * there is a cache in aligned groups of frames, so that what was read for one range serves the next; without it just the frames of the range.
 */
#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "services/blob/blob.h"

enum {
	WHOLE_BYTES = BUS_CHUNK_MAX + 64 * 1024, /* a body that takes no more than this is one piece */
	GROUP_FRAMES = BUS_CHUNK_MAX / FRAME_BYTES,
};

/* One read under way. */
struct reading {
	struct blob *blob;
	const struct blob_ref *ref;
	struct frame_index *index;
	size_t first, behind;  /* the frames that hold the range, and the one behind them */
	size_t skip, len;      /* the range, from the first one's first byte */
	int64_t deadline_ms;
	char *plain;           /* room for these frames */
};

/* Some of what is stored of the body. */
struct piece {
	uint64_t at;           /* from the body's first byte */
	size_t len;
	size_t first, behind;  /* its frames, if it has some */
	/* Check it, and take from it what is wanted. */
	enum err (*use)(struct reading *r, const struct piece *piece, const char *stored);
};

/* ---- a piece, wherever it comes from */

/* Once: *ret_is_cached says from where. A piece of the cache that is no good is dropped there, one of the store that is good is kept. */
static enum err
piece_read_once(struct reading *r, const struct piece *piece, bool *ret_is_cached)
{
	struct blob *blob = r->blob;
	struct cache_key key = { r->ref->object, r->ref->offset + piece->at, (uint32_t)piece->len };
	struct cache_flight flight;
	char *stored = mem_alloc(piece->len);
	bool is_cached = cache_get(blob->cache, &key, stored, r->deadline_ms, &flight);
	enum err err = ERR_OK;

	if (!is_cached) {
		metric_add(METRIC_BLOB_STORE_READS, 1);
		err = blob->ops->read(blob->store, &key.object, key.at, piece->len, stored, r->deadline_ms);
	}
	if (err == ERR_OK)
		err = piece->use(r, piece, stored);
	if (!is_cached)
		cache_landed(blob->cache, &flight, err == ERR_OK ? str_from(stored, piece->len) : STR_NONE);
	else if (err == ERR_CORRUPT)
		cache_drop(blob->cache, &key);
	free(stored);
	*ret_is_cached = is_cached;
	return err;
}

/* A damaged answer of the store is asked for once more, for the damage may have happened on the way. */
static enum err
piece_read(struct reading *r, const struct piece *piece)
{
	bool is_cached;
	enum err err = piece_read_once(r, piece, &is_cached);

	if (err == ERR_CORRUPT && is_cached)
		err = piece_read_once(r, piece, &is_cached);
	if (err == ERR_CORRUPT)
		err = piece_read_once(r, piece, &is_cached);
	return err;
}

/* From the cache alone. ERR_AGAIN: it is not there, or no good. */
static enum err
piece_find(struct reading *r, const struct piece *piece)
{
	struct cache_key key = { r->ref->object, r->ref->offset + piece->at, (uint32_t)piece->len };
	char *stored = mem_alloc(piece->len);
	enum err err = ERR_AGAIN;

	if (cache_find(r->blob->cache, &key, stored))
		err = piece->use(r, piece, stored);
	if (err == ERR_CORRUPT) {
		cache_drop(r->blob->cache, &key);
		err = ERR_AGAIN;
	}
	free(stored);
	return err;
}

/* ---- what pieces are used for */

/* The frames of the range that are in the piece, and the header with the first: reading all of a body looks at every byte of it. */
static enum err
use_frames(struct reading *r, const struct piece *piece, const char *stored)
{
	size_t from = piece->first > r->first ? piece->first : r->first;
	size_t behind = piece->behind < r->behind ? piece->behind : r->behind;

	if (piece->at == 0)
		TRY(frame_header_check(r->ref, str_from(stored, FRAME_HEADER_BYTES)));
	for (size_t i = from; i < behind; i++) {
		const struct frame_row *row = &r->index->rows[i];

		TRY(frame_read(r->index, i, str_from(stored + (row->offset - piece->at), row->stored),
		    r->plain + (i - r->first) * FRAME_BYTES));
	}
	return ERR_OK;
}

static enum err
use_index(struct reading *r, const struct piece *piece, const char *stored)
{
	size_t tail = frame_tail_bytes(r->ref);

	free(r->index);
	r->index = NULL;
	return frame_index_read(&r->blob->seal_keys, r->ref, str_from(stored + piece->len - tail, tail), &r->index);
}

static enum err
use_whole(struct reading *r, const struct piece *piece, const char *stored)
{
	TRY(use_index(r, piece, stored));
	TRY(use_frames(r, piece, stored));
	return r->len == r->ref->size ? frame_body_check(r->index, str_from(r->plain, r->len)) : ERR_OK;
}

/* ---- which pieces */

static enum err
read_index(struct reading *r)
{
	size_t tail = frame_tail_bytes(r->ref);
	struct piece piece = { .at = r->ref->stored - tail, .len = tail, .use = use_index };

	r->index = index_cache_take(&r->blob->indexes, r->ref);
	return r->index != NULL ? ERR_OK : piece_read(r, &piece);
}

static enum err
read_frames(struct reading *r, size_t first, size_t behind)
{
	const struct frame_row *rows = r->index->rows;
	struct piece piece = { .at = first == 0 ? 0 : rows[first].offset, .first = first, .behind = behind, .use = use_frames };

	piece.len = (size_t)(rows[behind - 1].offset + rows[behind - 1].stored - piece.at);
	return piece_read(r, &piece);
}

static enum err
read_range(struct reading *r)
{
	size_t step = r->blob->cache != NULL ? GROUP_FRAMES : r->behind - r->first;
	size_t first = r->blob->cache != NULL ? r->first / GROUP_FRAMES * GROUP_FRAMES : r->first;

	TRY(read_index(r));
	for (; first < r->behind; first += step)
		TRY(read_frames(r, first, first + step < r->index->count ? first + step : r->index->count));
	return ERR_OK;
}

static struct piece
whole(const struct blob_ref *ref)
{
	return (struct piece){ .len = (size_t)ref->stored, .behind = (size_t)frame_count(ref->size), .use = use_whole };
}

static enum err
read_whole(struct reading *r)
{
	struct piece piece = whole(r->ref);

	return piece_read(r, &piece);
}

/* ---- the calls */

/* Which frames hold the range, and room for them. */
static void
set_range(struct reading *r, uint64_t offset, size_t len, struct arena *arena)
{
	uint64_t end;

	r->first = r->behind = (size_t)(offset / FRAME_BYTES);
	r->len = len;
	if (len > 0) {
		r->skip = (size_t)(offset % FRAME_BYTES);
		r->behind = (size_t)((offset + len - 1) / FRAME_BYTES) + 1;
	}
	end = (uint64_t)r->behind * FRAME_BYTES < r->ref->size ? (uint64_t)r->behind * FRAME_BYTES : r->ref->size;
	r->plain = arena_alloc(arena, len > 0 ? (size_t)(end - (uint64_t)r->first * FRAME_BYTES) : 0);
}

enum err
body_read(struct blob *blob, const struct blob_ref *ref, uint64_t offset, size_t len, struct arena *arena, int64_t deadline_ms,
    struct str *ret)
{
	struct reading r = { .blob = blob, .ref = ref, .deadline_ms = deadline_ms };
	bool is_whole = ref->stored <= WHOLE_BYTES;
	enum err err;

	if (len == 0 && !is_whole) {
		*ret = STR("");
		return ERR_OK;
	}
	set_range(&r, offset, len, arena);
	err = is_whole ? read_whole(&r) : read_range(&r);
	if (err == ERR_OK && !is_whole)
		index_cache_give(&blob->indexes, r.index);
	else
		free(r.index);
	if (err == ERR_OK)
		*ret = str_from(r.plain + r.skip, len);
	return err;
}

enum err
body_find(struct blob *blob, const struct blob_ref *ref, uint64_t offset, size_t len, struct arena *arena, int64_t deadline_ms,
    struct str *ret)
{
	struct reading r = { .blob = blob, .ref = ref, .deadline_ms = deadline_ms };
	struct piece piece = whole(ref);
	enum err err;

	if (ref->stored > WHOLE_BYTES)
		return ERR_AGAIN;
	set_range(&r, offset, len, arena);
	err = blob->ops->is_near ? piece_read(&r, &piece) : piece_find(&r, &piece);
	free(r.index);
	if (err == ERR_OK)
		*ret = str_from(r.plain + r.skip, len);
	return err;
}
