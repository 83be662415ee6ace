/* Images of mailboxes: chunks shared, copied on write. */
#include "services/imap/image.h"

#include <stdlib.h>

#include "libcommon/core/mem.h"

/* ---- counted parts */

static void
chunk_unref(struct imap_chunk *chunk)
{
	if (!chunk || __atomic_sub_fetch(&chunk->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(chunk->keywords);
	free(chunk);
}

static void
keywords_unref(struct imap_keywords *keywords)
{
	if (!keywords || __atomic_sub_fetch(&keywords->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (uint32_t i = 0; i < keywords->count; i++)
		free((char *)keywords->names[i].ptr);
	free(keywords);
}

struct imap_image *
imap_image_new(void)
{
	struct imap_image *image = MEM_NEW(struct imap_image);

	image->refs = 1;
	image->uidnext = 1;
	return image;
}

struct imap_image *
imap_image_ref(struct imap_image *image)
{
	if (image)
		__atomic_add_fetch(&image->refs, 1, __ATOMIC_RELAXED);
	return image;
}

void
imap_image_unref(struct imap_image *image)
{
	if (!image || __atomic_sub_fetch(&image->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < image->chunk_count; i++)
		chunk_unref(image->chunks[i]);
	keywords_unref(image->keywords);
	free(image->chunks);
	free(image->starts);
	free(image);
}

size_t
imap_image_bytes(const struct imap_image *image)
{
	size_t bytes = sizeof(*image) + image->chunk_count * (sizeof(void *) + sizeof(uint32_t));

	for (size_t i = 0; i < image->chunk_count; i++)
		bytes += sizeof(struct imap_chunk) + image->chunks[i]->count * sizeof(struct imap_row);
	return bytes;
}

/* ---- reading */

const struct imap_row *
imap_image_row(const struct imap_image *image, uint32_t seq, const struct imap_chunk **ret_chunk)
{
	size_t low = 0, high = image->chunk_count;

	while (high - low > 1) {
		size_t mid = (low + high) / 2;

		if (image->starts[mid] < seq)
			low = mid;
		else
			high = mid;
	}
	if (ret_chunk)
		*ret_chunk = image->chunks[low];
	return &image->chunks[low]->rows[seq - 1 - image->starts[low]];
}

uint32_t
imap_image_lower_bound(const struct imap_image *image, uint32_t uid)
{
	uint32_t low = 1, high = image->count + 1;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (imap_image_row(image, mid, NULL)->uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t
imap_image_find(const struct imap_image *image, uint32_t uid)
{
	uint32_t seq = imap_image_lower_bound(image, uid);

	return seq <= image->count && imap_image_row(image, seq, NULL)->uid == uid ? seq : 0;
}

uint32_t
imap_image_last_uid(const struct imap_image *image)
{
	return image->count ? imap_image_row(image, image->count, NULL)->uid : 0;
}

int
imap_image_keyword(const struct imap_image *image, struct str name)
{
	for (uint32_t i = 0; image->keywords && i < image->keywords->count; i++)
		if (str_equal_nocase(image->keywords->names[i], name))
			return (int)i;
	return -1;
}

struct mail_date
imap_row_date(const struct imap_row *row)
{
	/* The offset is in the low 11 bits; the shift rounds down for times before 1970 too. */
	int64_t ms = row->date >> 11;
	int64_t seconds = ms / 1000 - (ms % 1000 < 0);

	return (struct mail_date){ seconds, (int32_t)(row->date & 2047) - 1024 };
}

bool
imap_row_same_flags(const struct imap_row *a, const struct imap_chunk *a_chunk, const struct imap_row *b, const struct imap_chunk *b_chunk)
{
	if (a->flags != b->flags || a->keyword_count != b->keyword_count)
		return false;
	return a->keyword_count == 0
	    || memcmp(a_chunk->keywords + a->keyword_at, b_chunk->keywords + b->keyword_at, a->keyword_count * sizeof(uint16_t)) == 0;
}

/* ---- writing: rows collect until a chunk is full */

struct writer {
	struct imap_image *image;
	size_t chunk_room;
	uint32_t count;
	struct imap_row rows[IMAP_CHUNK_ROWS];
	size_t keyword_count, keyword_room;
	uint16_t *keywords;
};

static void
writer_add_chunk(struct writer *w, struct imap_chunk *chunk)
{
	struct imap_image *image = w->image;

	if (image->chunk_count == w->chunk_room) {
		w->chunk_room = w->chunk_room ? w->chunk_room * 2 : 1;
		image->chunks = mem_resize(image->chunks, w->chunk_room, sizeof(image->chunks[0]));
		image->starts = mem_resize(image->starts, w->chunk_room, sizeof(image->starts[0]));
	}
	image->chunks[image->chunk_count] = chunk;
	image->starts[image->chunk_count++] = image->count;
	image->count += chunk->count;
}

static void
writer_flush(struct writer *w)
{
	struct imap_chunk *chunk;

	if (w->count == 0)
		return;
	chunk = mem_alloc(sizeof(*chunk) + w->count * sizeof(struct imap_row));
	*chunk = (struct imap_chunk){ .refs = 1, .count = w->count };
	memcpy(chunk->rows, w->rows, w->count * sizeof(struct imap_row));
	if (w->keyword_count > 0) {
		chunk->keywords = mem_alloc(w->keyword_count * sizeof(uint16_t));
		memcpy(chunk->keywords, w->keywords, w->keyword_count * sizeof(uint16_t));
	}
	writer_add_chunk(w, chunk);
	w->count = 0;
	w->keyword_count = 0;
}

static void
writer_row(struct writer *w, const struct imap_row *row, const uint16_t *keywords)
{
	struct imap_row *to = &w->rows[w->count++];

	*to = *row;
	to->keyword_at = (uint16_t)w->keyword_count;
	if (w->keyword_count + row->keyword_count > w->keyword_room) {
		w->keyword_room = (w->keyword_count + row->keyword_count) * 2;
		w->keywords = mem_resize(w->keywords, w->keyword_room, sizeof(uint16_t));
	}
	if (row->keyword_count > 0)
		memcpy(w->keywords + w->keyword_count, keywords, row->keyword_count * sizeof(uint16_t));
	w->keyword_count += row->keyword_count;
	if (w->count == IMAP_CHUNK_ROWS)
		writer_flush(w);
}

/* Take a whole chunk over, if that does not leave crumbs before it. */
static bool
writer_share(struct writer *w, struct imap_chunk *chunk)
{
	if (w->count > 0 && w->count + chunk->count <= IMAP_CHUNK_ROWS)
		return false;
	writer_flush(w);
	__atomic_add_fetch(&chunk->refs, 1, __ATOMIC_RELAXED);
	writer_add_chunk(w, chunk);
	return true;
}

/* ---- merging */

struct merge {
	struct writer w;
	const struct imap_new_row *rows;
	size_t count, at;
	struct imap_set gone;
	size_t gone_at;
	bool is_forced;
};

/* Is the UID, greater than all asked before, gone? */
static bool
merge_is_gone(struct merge *m, uint32_t uid)
{
	while (m->gone_at < m->gone.count && m->gone.ranges[m->gone_at].last < uid)
		m->gone_at++;
	return m->gone_at < m->gone.count && m->gone.ranges[m->gone_at].first <= uid;
}

/* Rows of the change with UIDs below `uid` are new ones. */
static void
merge_new_below(struct merge *m, uint64_t uid)
{
	for (; m->at < m->count && m->rows[m->at].row.uid < uid; m->at++)
		writer_row(&m->w, &m->rows[m->at].row, m->rows[m->at].keywords);
}

static void
merge_chunk(struct merge *m, const struct imap_chunk *chunk)
{
	for (uint32_t i = 0; i < chunk->count; i++) {
		const struct imap_row *old = &chunk->rows[i];
		const struct imap_new_row *new;

		merge_new_below(m, old->uid);
		new = m->at < m->count && m->rows[m->at].row.uid == old->uid ? &m->rows[m->at++] : NULL;
		if (merge_is_gone(m, old->uid))
			continue;
		if (new && (m->is_forced || new->row.modseq >= old->modseq))
			writer_row(&m->w, &new->row, new->keywords);
		else
			writer_row(&m->w, old, old->keyword_count ? chunk->keywords + old->keyword_at : NULL);
	}
}

/* Does the change leave all of the chunk as it is? A last chunk with room takes new messages in. */
static bool
merge_leaves(struct merge *m, const struct imap_chunk *chunk, bool is_last)
{
	uint32_t first = chunk->rows[0].uid, last = chunk->rows[chunk->count - 1].uid;

	merge_new_below(m, first);
	merge_is_gone(m, first);
	if (m->gone_at < m->gone.count && m->gone.ranges[m->gone_at].first <= last)
		return false;
	if (m->at == m->count)
		return true;
	return m->rows[m->at].row.uid > last && !(is_last && chunk->count < IMAP_CHUNK_ROWS);
}

struct imap_image *
imap_image_merge(const struct imap_image *image, const struct imap_new_row *rows, size_t count, struct imap_set gone, bool is_forced)
{
	struct merge m = { .w.image = imap_image_new(), .rows = rows, .count = count, .gone = gone, .is_forced = is_forced };
	struct imap_image *out = m.w.image;

	for (size_t i = 0; i < image->chunk_count; i++) {
		struct imap_chunk *chunk = image->chunks[i];

		if (!merge_leaves(&m, chunk, i + 1 == image->chunk_count) || !writer_share(&m.w, chunk))
			merge_chunk(&m, chunk);
	}
	merge_new_below(&m, UINT64_MAX);
	writer_flush(&m.w);
	free(m.w.keywords);
	out->cursor = image->cursor;
	out->uidnext = image->uidnext;
	imap_image_share_keywords(out, image);
	return out;
}

/* ---- from the bus */

/* Hand the packed keywords (place, how many, numbers) to their rows. */
static enum err
spread_keywords(const MetadataRows *columns, struct arena *arena, struct imap_new_row *rows)
{
	size_t at = 0, n = columns->n_keywords;
	uint16_t *numbers = ARENA_ARRAY(arena, uint16_t, n);

	for (size_t i = 0; i < n; i++)
		numbers[i] = (uint16_t)columns->keywords[i];
	while (at < n) {
		uint32_t place = columns->keywords[at], count;

		if (n - at < 2)
			return ERR_INTERNAL;
		count = columns->keywords[at + 1];
		if (place >= columns->n_uid || count > IMAP_KEYWORDS_MAX || count > n - at - 2)
			return ERR_INTERNAL;
		rows[place].row.keyword_count = (uint8_t)count;
		rows[place].keywords = numbers + at + 2;
		at += 2 + count;
	}
	return ERR_OK;
}

enum err
imap_image_rows(const MetadataRows *columns, struct arena *arena, struct imap_new_row **ret_rows, size_t *ret_count)
{
	size_t n = columns ? columns->n_uid : 0;
	struct imap_new_row *rows = ARENA_ARRAY(arena, struct imap_new_row, n + 1);

	if (columns && (columns->n_modseq != n || columns->n_flags != n || columns->n_size != n || columns->n_date != n))
		return ERR_INTERNAL;
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && columns->uid[i] <= columns->uid[i - 1])
			return ERR_INTERNAL;
		rows[i].row = (struct imap_row){
			.uid = columns->uid[i],
			.flags = (uint8_t)columns->flags[i],
			.modseq = columns->modseq[i],
			.size = columns->size[i],
			.date = columns->date[i],
		};
	}
	if (columns)
		TRY(spread_keywords(columns, arena, rows));
	*ret_rows = rows;
	*ret_count = n;
	return ERR_OK;
}

void
imap_image_add_keywords(struct imap_image *image, const ProtobufCBinaryData *names, size_t count, uint32_t first)
{
	struct imap_keywords *old = image->keywords, *new;
	uint32_t have = old ? old->count : 0;
	size_t total = first + count;

	if (total <= have || first > have)
		return;
	new = mem_calloc(1, sizeof(*new) + total * sizeof(struct str));
	new->refs = 1;
	new->count = (uint32_t)total;
	for (uint32_t i = 0; i < total; i++) {
		struct str from = i < have ? old->names[i] : str_from(names[i - first].data, names[i - first].len);
		char *copy = mem_alloc(from.len + 1);

		memcpy(copy, from.ptr ? from.ptr : "", from.len);
		copy[from.len] = '\0';
		new->names[i] = str_from(copy, from.len);
	}
	image->keywords = new;
	keywords_unref(old);
}

void
imap_image_share_keywords(struct imap_image *image, const struct imap_image *from)
{
	struct imap_keywords *old = image->keywords;

	image->keywords = from->keywords;
	if (image->keywords)
		__atomic_add_fetch(&image->keywords->refs, 1, __ATOMIC_RELAXED);
	keywords_unref(old);
}

static struct imap_set
ranges_of(MetadataUidRange *const *ranges, size_t count, struct arena *arena)
{
	struct imap_set set = { ARENA_ARRAY(arena, struct imap_range, count + 1), count };

	for (size_t i = 0; i < count; i++)
		set.ranges[i] = (struct imap_range){ ranges[i]->first, ranges[i]->last };
	return imap_set_resolve(set, UINT32_MAX, arena);
}

enum err
imap_image_apply(const struct imap_image *image, const MetadataChange *change, struct imap_image **ret_image)
{
	struct arena arena = { 0 };
	struct imap_new_row *rows;
	struct imap_image *out;
	size_t count;
	enum err err = imap_image_rows(change->rows, &arena, &rows, &count);

	if (err == ERR_OK) {
		out = imap_image_merge(image, rows, count, ranges_of(change->vanished, change->n_vanished, &arena), false);
		imap_image_add_keywords(out, change->keyword, change->n_keyword, change->keyword_first);
		if (change->modseq > out->cursor.modseq)
			out->cursor.modseq = change->modseq;
		if (change->uidnext > out->uidnext)
			out->uidnext = change->uidnext;
		*ret_image = out;
	}
	arena_clear(&arena);
	return err;
}
