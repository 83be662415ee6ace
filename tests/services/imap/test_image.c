#include "services/imap/image.h"

#include <criterion/criterion.h>

enum { MANY = 3000 };

/* `count` messages with UIDs 1, 3, 5, ... */
static struct imap_image *
odd_uids(uint32_t count)
{
	struct arena arena = { 0 };
	struct imap_new_row *rows = ARENA_ARRAY(&arena, struct imap_new_row, count + 1);
	struct imap_image *empty = imap_image_new(), *image;

	for (uint32_t i = 0; i < count; i++)
		rows[i].row = (struct imap_row){ .uid = 2 * i + 1, .modseq = 1 };
	image = imap_image_merge(empty, rows, count, (struct imap_set){ 0 }, false);
	imap_image_unref(empty);
	arena_clear(&arena);
	return image;
}

static size_t
shared_chunks(const struct imap_image *a, const struct imap_image *b)
{
	size_t count = 0;

	for (size_t i = 0; i < a->chunk_count; i++)
		for (size_t k = 0; k < b->chunk_count; k++)
			count += a->chunks[i] == b->chunks[k];
	return count;
}

static void
check(const struct imap_image *image)
{
	uint32_t seq = 0, last = 0;

	for (size_t i = 0; i < image->chunk_count; i++) {
		cr_assert_eq(image->starts[i], seq);
		cr_assert_gt(image->chunks[i]->count, 0);
		cr_assert_leq(image->chunks[i]->count, IMAP_CHUNK_ROWS);
		for (uint32_t k = 0; k < image->chunks[i]->count; k++) {
			uint32_t uid = image->chunks[i]->rows[k].uid;

			cr_assert_gt(uid, last);
			last = uid;
			cr_assert_eq(imap_image_find(image, uid), ++seq);
			cr_assert_eq(imap_image_row(image, seq, NULL)->uid, uid);
		}
	}
	cr_assert_eq(image->count, seq);
	cr_assert_eq(imap_image_last_uid(image), last);
}

Test(imap_image, finds_by_number_and_uid)
{
	for (uint32_t count = 0; count < 600; count += 37) {
		struct imap_image *image = odd_uids(count);

		check(image);
		cr_assert_eq(imap_image_find(image, 2), 0);
		cr_assert_eq(imap_image_lower_bound(image, 2 * count + 5), count + 1);
		imap_image_unref(image);
	}
}

Test(imap_image, a_change_copies_only_its_chunk)
{
	struct imap_image *image = odd_uids(MANY), *now;
	struct imap_new_row row = { .row = { .uid = 1001, .flags = 1, .modseq = 2 } };
	struct imap_range gone = { 2001, 2001 };

	now = imap_image_merge(image, &row, 1, (struct imap_set){ 0 }, false);
	check(now);
	cr_assert_eq(shared_chunks(image, now), image->chunk_count - 1);
	cr_assert_eq(imap_image_row(now, imap_image_find(now, 1001), NULL)->flags, 1);
	cr_assert_eq(imap_image_row(image, imap_image_find(image, 1001), NULL)->flags, 0, "the old image is as it was");
	imap_image_unref(now);
	now = imap_image_merge(image, NULL, 0, (struct imap_set){ &gone, 1 }, false);
	check(now);
	cr_assert_eq(now->count, MANY - 1);
	cr_assert_eq(shared_chunks(image, now), image->chunk_count - 1);
	imap_image_unref(now);
	imap_image_unref(image);
}

Test(imap_image, new_messages_fill_the_last_chunk)
{
	struct imap_image *image = odd_uids(300), *now;

	for (uint32_t i = 0; i < 600; i++) {
		struct imap_new_row row = { .row = { .uid = 1000 + i, .modseq = 2 } };

		now = imap_image_merge(image, &row, 1, (struct imap_set){ 0 }, false);
		imap_image_unref(image);
		image = now;
	}
	check(image);
	cr_assert_eq(image->count, 900);
	cr_assert_eq(image->chunk_count, 4);
	imap_image_unref(image);
}

Test(imap_image, an_older_row_changes_nothing)
{
	struct imap_image *image = odd_uids(10), *now, *later;
	struct imap_new_row new = { .row = { .uid = 5, .flags = 2, .modseq = 9 } }, old = { .row = { .uid = 5, .flags = 4, .modseq = 8 } };

	now = imap_image_merge(image, &new, 1, (struct imap_set){ 0 }, false);
	later = imap_image_merge(now, &old, 1, (struct imap_set){ 0 }, false);
	cr_assert_eq(imap_image_row(later, 3, NULL)->flags, 2);
	imap_image_unref(later);
	later = imap_image_merge(now, &old, 1, (struct imap_set){ 0 }, true);
	cr_assert_eq(imap_image_row(later, 3, NULL)->flags, 4);
	imap_image_unref(later);
	imap_image_unref(now);
	imap_image_unref(image);
}

Test(imap_image, a_change_applied_twice_is_applied_once)
{
	struct imap_image *image = odd_uids(5), *once, *twice;
	MetadataChange change = METADATA_CHANGE__INIT;
	MetadataRows rows = METADATA_ROWS__INIT;
	MetadataUidRange range = METADATA_UID_RANGE__INIT, *ranges[] = { &range };
	uint32_t uid[] = { 3, 20 }, flags[] = { 1, 0 }, keywords[] = { 1, 1, 0 };
	uint64_t modseq[] = { 7, 7 }, size[] = { 10, 20 };
	int64_t date[] = { 0, 0 };
	ProtobufCBinaryData name = { 2, (uint8_t *)"$x" };

	rows.n_uid = rows.n_modseq = rows.n_flags = rows.n_size = rows.n_date = 2;
	rows.uid = uid, rows.modseq = modseq, rows.flags = flags, rows.size = size, rows.date = date;
	rows.n_keywords = 3, rows.keywords = keywords;
	range.first = 5, range.last = 6;
	change.rows = &rows, change.n_vanished = 1, change.vanished = ranges;
	change.modseq = 7, change.uidnext = 21, change.n_keyword = 1, change.keyword = &name;
	cr_assert_eq(imap_image_apply(image, &change, &once), ERR_OK);
	cr_assert_eq(imap_image_apply(once, &change, &twice), ERR_OK);
	for (struct imap_image *i = once; i; i = i == once ? twice : NULL) {
		check(i);
		cr_assert_eq(i->count, 5);
		cr_assert_eq(i->cursor.modseq, 7);
		cr_assert_eq(i->uidnext, 21);
		cr_assert_eq(i->keywords->count, 1);
		cr_assert_eq(imap_image_find(i, 5), 0);
		cr_assert_eq(imap_image_row(i, imap_image_find(i, 3), NULL)->flags, 1);
		cr_assert_eq(imap_image_row(i, imap_image_find(i, 20), NULL)->keyword_count, 1);
		cr_assert_eq(imap_image_keyword(i, STR("$X")), 0);
	}
	imap_image_unref(once);
	imap_image_unref(twice);
	imap_image_unref(image);
}

Test(imap_image, columns_that_do_not_fit_are_refused)
{
	struct arena arena = { 0 };
	MetadataRows rows = METADATA_ROWS__INIT;
	uint32_t uid[] = { 3, 3 }, flags[] = { 1, 0 }, keywords[] = { 0, 200, 1 };
	uint64_t numbers[] = { 7, 7 };
	int64_t date[] = { 0, 0 };
	struct imap_new_row *out;
	size_t count;

	rows.n_uid = rows.n_modseq = rows.n_flags = rows.n_size = rows.n_date = 2;
	rows.uid = uid, rows.modseq = numbers, rows.flags = flags, rows.size = numbers, rows.date = date;
	cr_expect_eq(imap_image_rows(&rows, &arena, &out, &count), ERR_INTERNAL, "the same UID twice");
	uid[1] = 4;
	cr_expect_eq(imap_image_rows(&rows, &arena, &out, &count), ERR_OK);
	rows.n_keywords = 3, rows.keywords = keywords;
	cr_expect_eq(imap_image_rows(&rows, &arena, &out, &count), ERR_INTERNAL, "more keywords than there are");
	rows.n_keywords = 0, rows.n_flags = 1;
	cr_expect_eq(imap_image_rows(&rows, &arena, &out, &count), ERR_INTERNAL, "columns of different length");
	arena_clear(&arena);
}

Test(imap_image, dates_before_1970_have_their_offset)
{
	struct imap_row row = { .date = -1500 * 2048 + 90 + 1024 };
	struct mail_date date = imap_row_date(&row);

	cr_assert_eq(date.offset_minutes, 90);
	cr_assert_eq(date.unix_s, -2);
}
