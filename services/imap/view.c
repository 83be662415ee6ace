/* The diff between what a client was told and what is, and the words for it. */
#include "services/imap/view.h"

#include <stdlib.h>

#include "libcommon/core/mem.h"

/* ---- two images side by side, in order of UID */

enum side { SIDE_NONE, SIDE_GONE, SIDE_NEW, SIDE_BOTH };

struct place {
	const struct imap_image *image;
	size_t chunk;
	uint32_t index; /* in the chunk */
	uint32_t seq;   /* of the row that is next */
};

struct walk {
	struct place told, now;
};

static const struct imap_row *
place_row(const struct place *p)
{
	return p->chunk < p->image->chunk_count ? &p->image->chunks[p->chunk]->rows[p->index] : NULL;
}

static const struct imap_chunk *
place_chunk(const struct place *p)
{
	return p->image->chunks[p->chunk];
}

static void
place_step(struct place *p)
{
	p->seq++;
	if (++p->index < p->image->chunks[p->chunk]->count)
		return;
	p->chunk++;
	p->index = 0;
}

/* Pass over chunks that both have: nothing in them can differ. */
static void
walk_skip_shared(struct walk *w)
{
	while (w->told.index == 0 && w->now.index == 0 && w->told.chunk < w->told.image->chunk_count
	    && w->now.chunk < w->now.image->chunk_count && place_chunk(&w->told) == place_chunk(&w->now)) {
		uint32_t count = place_chunk(&w->told)->count;

		w->told.chunk++, w->now.chunk++;
		w->told.seq += count, w->now.seq += count;
	}
}

/* What is next; the walker then steps over it on its side or sides. */
static enum side
walk_look(struct walk *w)
{
	const struct imap_row *told, *now;

	walk_skip_shared(w);
	told = place_row(&w->told);
	now = place_row(&w->now);
	if (!told && !now)
		return SIDE_NONE;
	if (!now || (told && told->uid < now->uid))
		return SIDE_GONE;
	if (!told || now->uid < told->uid)
		return SIDE_NEW;
	return SIDE_BOTH;
}

static void
walk_step(struct walk *w, enum side side)
{
	if (side != SIDE_NEW)
		place_step(&w->told);
	if (side != SIDE_GONE)
		place_step(&w->now);
}

/* ---- the diff */

struct numbers {
	uint32_t *at;
	size_t count, room;
};

static void
numbers_add(struct numbers *n, uint32_t number)
{
	if (n->count == n->room) {
		n->room = n->room ? n->room * 2 : 64;
		n->at = mem_resize(n->at, n->room, sizeof(n->at[0]));
	}
	n->at[n->count++] = number;
}

struct diff {
	struct numbers gone;    /* sequence numbers in told */
	struct numbers changed; /* pairs: in told, in now */
	uint32_t new_count;
};

static void
diff_take(const struct imap_image *told, const struct imap_image *now, struct diff *ret)
{
	struct walk w = { .told = { .image = told, .seq = 1 }, .now = { .image = now, .seq = 1 } };
	enum side side;

	while ((side = walk_look(&w)) != SIDE_NONE) {
		if (side == SIDE_GONE)
			numbers_add(&ret->gone, w.told.seq);
		else if (side == SIDE_NEW)
			ret->new_count++;
		else if (!imap_row_same_flags(place_row(&w.told), place_chunk(&w.told), place_row(&w.now), place_chunk(&w.now))) {
			numbers_add(&ret->changed, w.told.seq);
			numbers_add(&ret->changed, w.now.seq);
		}
		walk_step(&w, side);
	}
}

/* ---- flags in words */

/* The order in which FLAGS names them. */
static const struct {
	unsigned flag;
	const char *name;
} SYSTEM_FLAGS[] = {
	{ METADATA_FLAG__METADATA_ANSWERED, "\\Answered" },
	{ METADATA_FLAG__METADATA_FLAGGED, "\\Flagged" },
	{ METADATA_FLAG__METADATA_DELETED, "\\Deleted" },
	{ METADATA_FLAG__METADATA_SEEN, "\\Seen" },
	{ METADATA_FLAG__METADATA_DRAFT, "\\Draft" },
};
enum { SYSTEM_FLAG_COUNT = sizeof(SYSTEM_FLAGS) / sizeof(SYSTEM_FLAGS[0]) };

static void
print_word(struct str word, size_t start, struct buffer *out)
{
	if (buffer_len(out) > start)
		buffer_add_byte(out, ' ');
	buffer_add(out, word);
}

void
imap_view_print_flags(const struct imap_view *view, const struct imap_image *image, const struct imap_row *row,
    const struct imap_chunk *chunk, struct buffer *out)
{
	size_t start = buffer_len(out);

	for (size_t i = 0; i < SYSTEM_FLAG_COUNT; i++)
		if (row->flags & SYSTEM_FLAGS[i].flag)
			print_word(str_c(SYSTEM_FLAGS[i].name), start, out);
	if (row->uid > view->recent_uid)
		print_word(STR("\\Recent"), start, out);
	for (uint32_t i = 0; i < row->keyword_count; i++) {
		uint16_t number = chunk->keywords[row->keyword_at + i];

		if (image->keywords && number < image->keywords->count)
			print_word(image->keywords->names[number], start, out);
	}
}

void
imap_view_print_known(const struct imap_image *image, bool is_permanent, struct buffer *out)
{
	size_t start;

	buffer_add_byte(out, '(');
	start = buffer_len(out);
	for (size_t i = 0; i < SYSTEM_FLAG_COUNT; i++)
		print_word(str_c(SYSTEM_FLAGS[i].name), start, out);
	for (uint32_t i = 0; image->keywords && i < image->keywords->count; i++)
		print_word(image->keywords->names[i], start, out);
	if (is_permanent)
		print_word(STR("\\*"), start, out);
	buffer_add_byte(out, ')');
}

/* ---- telling */

void
imap_view_tell_keywords(struct imap_view *view, const struct imap_image *now, struct buffer *out)
{
	uint32_t count = now->keywords ? now->keywords->count : 0;

	if (count <= view->told_keywords)
		return;
	view->told_keywords = count;
	buffer_add(out, STR("* FLAGS "));
	imap_view_print_known(now, false, out);
	buffer_add(out, STR("\r\n"));
	if (view->is_read_only)
		return;
	buffer_add(out, STR("* OK [PERMANENTFLAGS "));
	imap_view_print_known(now, true, out);
	buffer_add(out, STR("] a new keyword\r\n"));
}

/* The flags of changed messages, under the sequence numbers of told (`which` 0) or now (1). */
static void
tell_changed(struct imap_view *view, const struct imap_image *now, const struct diff *diff, size_t which, bool with_uid, struct buffer *out)
{
	for (size_t i = 0; i < diff->changed.count; i += 2) {
		const struct imap_chunk *chunk;
		const struct imap_row *row = imap_image_row(now, diff->changed.at[i + 1], &chunk);

		buffer_printf(out, "* %u FETCH (", diff->changed.at[i + which]);
		if (with_uid)
			buffer_printf(out, "UID %u ", row->uid);
		buffer_add(out, STR("FLAGS ("));
		imap_view_print_flags(view, now, row, chunk, out);
		buffer_add(out, STR("))\r\n"));
	}
}

static void
replace_told(struct imap_view *view, struct imap_image *image)
{
	imap_image_unref(view->told);
	view->told = image;
}

/* Messages have gone, but their numbers must hold: only flags are told. */
static void
tell_flags_only(struct imap_view *view, struct imap_image *now, const struct diff *diff, bool with_uid, struct buffer *out)
{
	struct imap_set uids = { mem_calloc(diff->changed.count / 2 + 1, sizeof(struct imap_range)), 0 };

	for (size_t i = 0; i < diff->changed.count; i += 2)
		imap_set_add(&uids, imap_image_row(now, diff->changed.at[i + 1], NULL)->uid);
	tell_changed(view, now, diff, 0, with_uid, out);
	imap_view_adopt(view, now, uids);
	free(uids.ranges);
}

static void
tell_all(struct imap_view *view, struct imap_image *now, const struct diff *diff, bool with_uid, struct buffer *out)
{
	for (size_t i = diff->gone.count; i > 0; i--)
		buffer_printf(out, "* %u EXPUNGE\r\n", diff->gone.at[i - 1]);
	if (diff->new_count > 0)
		buffer_printf(out, "* %u EXISTS\r\n* %u RECENT\r\n", now->count, imap_view_recent(view, now));
	imap_view_tell_keywords(view, now, out);
	tell_changed(view, now, diff, 1, with_uid, out);
	replace_told(view, imap_image_ref(now));
}

void
imap_view_tell(struct imap_view *view, struct imap_image *now, enum imap_tell how, bool with_uid, struct buffer *out)
{
	struct diff diff = { 0 };

	if (view->told == now)
		return;
	diff_take(view->told, now, &diff);
	if (how == IMAP_TELL_NO_EXPUNGE && diff.gone.count > 0) {
		imap_view_tell_keywords(view, now, out);
		tell_flags_only(view, now, &diff, with_uid, out);
	} else {
		tell_all(view, now, &diff, with_uid, out);
	}
	free(diff.gone.at);
	free(diff.changed.at);
}

void
imap_view_adopt(struct imap_view *view, const struct imap_image *now, struct imap_set uids)
{
	struct arena arena = { 0 };
	struct imap_new_row *rows;
	size_t count = 0;
	struct imap_image *told;

	for (size_t i = 0; i < uids.count; i++)
		count += imap_image_lower_bound(now, uids.ranges[i].last) - imap_image_lower_bound(now, uids.ranges[i].first) + 1;
	rows = ARENA_ARRAY(&arena, struct imap_new_row, count + 1);
	count = 0;
	for (size_t i = 0; i < uids.count; i++) {
		for (uint32_t seq = imap_image_lower_bound(now, uids.ranges[i].first); seq <= now->count; seq++) {
			const struct imap_chunk *chunk;
			const struct imap_row *row = imap_image_row(now, seq, &chunk);

			if (row->uid > uids.ranges[i].last)
				break;
			if (imap_image_find(view->told, row->uid))
				rows[count++] = (struct imap_new_row){ *row, row->keyword_count ? chunk->keywords + row->keyword_at : NULL };
		}
	}
	if (count > 0) {
		told = imap_image_merge(view->told, rows, count, (struct imap_set){ 0 }, true);
		/* Numbers of keywords mean the same in both, but only `now` may know the newest. */
		imap_image_share_keywords(told, now);
		replace_told(view, told);
	}
	arena_clear(&arena);
}

/* ---- numbers */

uint32_t
imap_view_recent(const struct imap_view *view, const struct imap_image *image)
{
	if (view->recent_uid == UINT32_MAX)
		return 0;
	return image->count + 1 - imap_image_lower_bound(image, view->recent_uid + 1);
}

struct imap_set
imap_view_seqs(const struct imap_view *view, struct imap_set set, bool is_uid, struct arena *arena)
{
	const struct imap_image *told = view->told;
	struct imap_set in = imap_set_resolve(set, is_uid ? imap_image_last_uid(told) : told->count, arena);
	struct imap_set out = { ARENA_ARRAY(arena, struct imap_range, in.count + 1), 0 };

	if (!is_uid)
		return in;
	for (size_t i = 0; i < in.count; i++) {
		uint32_t first = imap_image_lower_bound(told, in.ranges[i].first);
		uint32_t last = imap_image_lower_bound(told, in.ranges[i].last);

		if (last > told->count || imap_image_row(told, last, NULL)->uid != in.ranges[i].last)
			last--;
		if (first > last)
			continue;
		if (out.count > 0 && out.ranges[out.count - 1].last + 1 == first)
			out.ranges[out.count - 1].last = last;
		else
			out.ranges[out.count++] = (struct imap_range){ first, last };
	}
	return out;
}

struct imap_set
imap_view_uids(const struct imap_view *view, struct imap_set set, bool is_uid, struct arena *arena)
{
	struct imap_set seqs = imap_view_seqs(view, set, is_uid, arena);

	for (size_t i = 0; i < seqs.count; i++) {
		seqs.ranges[i].first = imap_image_row(view->told, seqs.ranges[i].first, NULL)->uid;
		seqs.ranges[i].last = imap_image_row(view->told, seqs.ranges[i].last, NULL)->uid;
	}
	return seqs;
}
