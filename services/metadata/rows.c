/* From columns of the database to the messages of the bus. */
#include "services/metadata/rows.h"

enum { RANGES_MAX = 100000 };

static uint32_t *
narrow(struct arena *arena, struct pg_ints in)
{
	uint32_t *out = in.count > 0 ? ARENA_ARRAY(arena, uint32_t, in.count) : NULL;

	for (size_t i = 0; i < in.count; i++)
		out[i] = (uint32_t)in.items[i];
	return out;
}

MetadataRows *
rows_make(struct arena *arena, struct pg_ints uid, struct pg_ints flags, struct pg_ints size, struct pg_ints date,
    struct pg_ints keywords, const struct pg_ints *modseq, uint64_t one_modseq)
{
	MetadataRows *rows = ARENA_NEW(arena, MetadataRows);

	metadata_rows__init(rows);
	rows->n_uid = rows->n_modseq = rows->n_flags = rows->n_size = rows->n_date = uid.count;
	rows->uid = narrow(arena, uid);
	rows->flags = narrow(arena, flags);
	rows->size = (uint64_t *)size.items;
	rows->date = date.items;
	rows->n_keywords = keywords.count;
	rows->keywords = narrow(arena, keywords);
	if (modseq) {
		rows->modseq = (uint64_t *)modseq->items;
		return rows;
	}
	rows->modseq = uid.count > 0 ? ARENA_ARRAY(arena, uint64_t, uid.count) : NULL;
	for (size_t i = 0; i < uid.count; i++)
		rows->modseq[i] = one_modseq;
	return rows;
}

MetadataCursor *
cursor_make(struct arena *arena, uint64_t timeline, uint64_t modseq)
{
	MetadataCursor *cursor = ARENA_NEW(arena, MetadataCursor);

	metadata_cursor__init(cursor);
	cursor->timeline = timeline;
	cursor->modseq = modseq;
	return cursor;
}

static MetadataUidRange *
range_make(struct arena *arena, int64_t first, int64_t last)
{
	MetadataUidRange *range = ARENA_NEW(arena, MetadataUidRange);

	metadata_uid_range__init(range);
	range->first = (uint32_t)first;
	range->last = (uint32_t)last;
	return range;
}

void
ranges_make(struct arena *arena, const int64_t *uids, size_t count, size_t *ret_count, MetadataUidRange ***ret)
{
	MetadataUidRange **ranges = count > 0 ? ARENA_ARRAY(arena, MetadataUidRange *, count) : NULL;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (n > 0 && ranges[n - 1]->last + 1 == uids[i])
			ranges[n - 1]->last++;
		else
			ranges[n++] = range_make(arena, uids[i], uids[i]);
	}
	*ret_count = n;
	*ret = ranges;
}

static int
by_first(const void *a, const void *b)
{
	const MetadataUidRange *x = *(MetadataUidRange *const *)a, *y = *(MetadataUidRange *const *)b;

	return x->first < y->first ? -1 : x->first > y->first;
}

enum err
ranges_args(struct pg_args *args, MetadataUidRange *const *ranges, size_t count, uint32_t from)
{
	MetadataUidRange **sorted;
	int64_t *first, *last;
	size_t n = 0;

	if (count > RANGES_MAX)
		return ERR_LIMIT;
	sorted = ARENA_ARRAY(args->arena, MetadataUidRange *, count + 1);
	first = ARENA_ARRAY(args->arena, int64_t, count + 1);
	last = ARENA_ARRAY(args->arena, int64_t, count + 1);
	for (size_t i = 0; i < count; i++)
		sorted[i] = ranges[i];
	qsort(sorted, count, sizeof(*sorted), by_first);
	for (size_t i = 0; i < count; i++) {
		int64_t f = sorted[i]->first > from ? sorted[i]->first : from, l = sorted[i]->last;

		if (l < f)
			continue;
		if (n > 0 && f <= last[n - 1] + 1) {
			last[n - 1] = l > last[n - 1] ? l : last[n - 1];
			continue;
		}
		first[n] = f;
		last[n++] = l;
	}
	pg_arg_ints(args, first, n);
	pg_arg_ints(args, last, n);
	return ERR_OK;
}

static void
vanished_read(MetadataChange *change, struct pg_ints pairs, struct arena *arena)
{
	change->n_vanished = pairs.count / 2;
	if (change->n_vanished > 0)
		change->vanished = ARENA_ARRAY(arena, MetadataUidRange *, change->n_vanished);
	for (size_t i = 0; i < change->n_vanished; i++)
		change->vanished[i] = range_make(arena, pairs.items[2 * i], pairs.items[2 * i + 1]);
}

MetadataChange *
change_read(const struct pg_rows *rows, size_t row, int column, struct arena *arena)
{
	MetadataChange *change = ARENA_NEW(arena, MetadataChange);
	struct pg_ints uids = pg_ints(rows, row, column + 3, arena);
	struct str_list keyword = pg_byteses(rows, row, column + 9, arena);

	metadata_change__init(change);
	change->modseq = (uint64_t)pg_int(rows, row, column);
	change->uidnext = (uint32_t)pg_int(rows, row, column + 1);
	change->new_messages = pg_int(rows, row, column + 2) != 0;
	if (uids.count > 0)
		change->rows = rows_make(arena, uids, pg_ints(rows, row, column + 4, arena), pg_ints(rows, row, column + 5, arena),
		    pg_ints(rows, row, column + 6, arena), pg_ints(rows, row, column + 7, arena), NULL, change->modseq);
	vanished_read(change, pg_ints(rows, row, column + 8, arena), arena);
	change->n_keyword = keyword.count;
	if (keyword.count > 0)
		change->keyword = ARENA_ARRAY(arena, ProtobufCBinaryData, keyword.count);
	for (size_t i = 0; i < keyword.count; i++)
		change->keyword[i] = data_of(keyword.items[i]);
	change->keyword_first = (uint32_t)pg_int(rows, row, column + 10);
	return change;
}

enum err
status_read(struct str name)
{
	for (int i = 0; i < ERR_COUNT; i++)
		if (str_equal(name, str_c(err_row(i)->name)))
			return i;
	return ERR_INTERNAL;
}

static void
effect_read(const struct pg_rows *rows, size_t row, struct arena *arena, struct effect *ret)
{
	metadata_cursor__init(&ret->old);
	metadata_cursor__init(&ret->new);
	ret->mailbox = (uint64_t)pg_int(rows, row, 3);
	ret->is_gone = pg_int(rows, row, 4) != 0;
	ret->old.timeline = (uint64_t)pg_int(rows, row, 5);
	ret->old.modseq = (uint64_t)pg_int(rows, row, 6);
	ret->new.timeline = (uint64_t)pg_int(rows, row, 7);
	ret->new.modseq = (uint64_t)pg_int(rows, row, 8);
	ret->recent_uid = (uint32_t)pg_int(rows, row, 19);
	if (!pg_is_null(rows, row, 8))
		ret->change = change_read(rows, row, 8, arena);
}

void
effects_read(const struct pg_rows *rows, struct arena *arena, struct effects *ret)
{
	*ret = (struct effects){ .status = ERR_INTERNAL };
	if (rows->count == 0)
		return;
	ret->status = status_read(pg_bytes(rows, 0, 0));
	ret->is_twin = pg_int(rows, 0, 1) != 0;
	ret->answer = pg_ints(rows, 0, 2, arena);
	ret->items = ARENA_ARRAY(arena, struct effect, rows->count);
	for (size_t i = 0; i < rows->count; i++)
		if (!pg_is_null(rows, i, 3))
			effect_read(rows, i, arena, &ret->items[ret->count++]);
}
