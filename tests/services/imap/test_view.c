#include "services/imap/view.h"

#include <criterion/criterion.h>

/* An image with these messages: each letter one, a capital being \Seen; UIDs are the letters' places in the alphabet. */
static struct imap_image *
image_of(const char *letters)
{
	struct imap_new_row rows[64] = { 0 };
	struct imap_image *empty = imap_image_new(), *image;
	size_t count = strlen(letters);

	for (size_t i = 0; i < count; i++) {
		bool is_seen = letters[i] < 'a';

		rows[i].row.uid = (uint32_t)(letters[i] - (is_seen ? 'A' : 'a') + 1);
		rows[i].row.flags = is_seen ? METADATA_FLAG__METADATA_SEEN : 0;
		rows[i].row.modseq = 1;
	}
	image = imap_image_merge(empty, rows, count, (struct imap_set){ 0 }, false);
	imap_image_unref(empty);
	return image;
}

/* What a client that was told `told` hears when it has become `now`, lines joined by "; ". */
static struct str
hear(struct imap_view *view, const char *now, enum imap_tell how, struct arena *arena)
{
	struct imap_image *image = image_of(now);
	struct buffer out = { 0 };
	struct str text, rest, line;
	struct str joined = STR_NONE;

	imap_view_tell(view, image, how, false, &out);
	text = arena_copy(arena, buffer_str(&out));
	buffer_clear(&out);
	imap_image_unref(image);
	rest = text;
	while (str_split(&rest, '\n', &line))
		if (line.len > 0)
			joined = arena_printf(arena, "%.*s%s%.*s", STR_ARG(joined), joined.len ? "; " : "", STR_ARG(str_trim(line)));
	return joined;
}

Test(imap_view, one_diff_tells_everything_in_order)
{
	static const struct {
		const char *told, *now, *all, *no_expunge, *then;
	} cases[] = {
		{ "abc", "abc", "", "", "" },
		{ "abc", "abcd", "* 4 EXISTS; * 4 RECENT", "* 4 EXISTS; * 4 RECENT", "" },
		{ "abc", "aBc", "* 2 FETCH (FLAGS (\\Seen \\Recent))", "* 2 FETCH (FLAGS (\\Seen \\Recent))", "" },
		{ "abc", "ac", "* 2 EXPUNGE", "", "* 2 EXPUNGE" },
		{ "abc", "", "* 3 EXPUNGE; * 2 EXPUNGE; * 1 EXPUNGE", "", "* 3 EXPUNGE; * 2 EXPUNGE; * 1 EXPUNGE" },
		{ "abcd", "bd", "* 3 EXPUNGE; * 1 EXPUNGE", "", "* 3 EXPUNGE; * 1 EXPUNGE" },
		/* While EXPUNGE is withheld, so is EXISTS; flags are told by the old numbers. */
		{ "abc", "aCd", "* 2 EXPUNGE; * 3 EXISTS; * 3 RECENT; * 2 FETCH (FLAGS (\\Seen \\Recent))",
		    "* 3 FETCH (FLAGS (\\Seen \\Recent))", "* 2 EXPUNGE; * 3 EXISTS; * 3 RECENT" },
		{ "", "ab", "* 2 EXISTS; * 2 RECENT", "* 2 EXISTS; * 2 RECENT", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct imap_view view = { .told = image_of(cases[i].told) };
		struct str heard = hear(&view, cases[i].now, IMAP_TELL_ALL, &arena);

		cr_expect(str_equal(heard, str_c(cases[i].all)), "%s to %s: %.*s", cases[i].told, cases[i].now, STR_ARG(heard));
		heard = hear(&view, cases[i].now, IMAP_TELL_ALL, &arena);
		cr_expect_eq(heard.len, 0, "nothing is told twice: %.*s", STR_ARG(heard));
		imap_image_unref(view.told);

		view.told = image_of(cases[i].told);
		heard = hear(&view, cases[i].now, IMAP_TELL_NO_EXPUNGE, &arena);
		cr_expect(str_equal(heard, str_c(cases[i].no_expunge)), "%s to %s without EXPUNGE: %.*s", cases[i].told, cases[i].now,
		    STR_ARG(heard));
		heard = hear(&view, cases[i].now, IMAP_TELL_ALL, &arena);
		cr_expect(str_equal(heard, str_c(cases[i].then)), "%s to %s, later: %.*s", cases[i].told, cases[i].now, STR_ARG(heard));
		imap_image_unref(view.told);
		arena_clear(&arena);
	}
}

Test(imap_view, a_message_that_came_and_went_was_never_there)
{
	struct arena arena = { 0 };
	struct imap_view view = { .told = image_of("ab") };

	cr_assert_eq(hear(&view, "ab", IMAP_TELL_ALL, &arena).len, 0);
	cr_assert_eq(view.told->count, 2);
	imap_image_unref(view.told);
	arena_clear(&arena);
}

Test(imap_view, keywords_are_named_before_they_are_used)
{
	struct arena arena = { 0 };
	struct imap_view view = { .told = image_of("ab"), .recent_uid = 100 };
	static const uint16_t number[] = { 0 };
	struct imap_new_row row = { .row = { .uid = 2, .keyword_count = 1, .modseq = 2 }, .keywords = number };
	ProtobufCBinaryData name = { 5, (uint8_t *)"$Junk" };
	struct imap_image *now = imap_image_merge(view.told, &row, 1, (struct imap_set){ 0 }, false);
	struct buffer out = { 0 };

	imap_image_add_keywords(now, &name, 1, 0);
	imap_view_tell(&view, now, IMAP_TELL_ALL, true, &out);
	cr_assert(str_equal(buffer_str(&out), STR("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk)\r\n"
	    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk \\*)] a new keyword\r\n"
	    "* 2 FETCH (UID 2 FLAGS ($Junk))\r\n")), "%.*s", STR_ARG(buffer_str(&out)));
	buffer_clear(&out);
	imap_image_unref(now);
	imap_image_unref(view.told);
	arena_clear(&arena);
}

Test(imap_view, sets_become_what_the_view_has)
{
	/* UIDs 2, 4, 6, 8 */
	struct imap_view view = { .told = image_of("bdfh") };
	static const struct {
		struct imap_range range;
		bool is_uid;
		const char *seqs, *uids;
	} cases[] = {
		{ { 1, 2 }, false, "1:2", "2:4" },
		{ { 1, 2 }, true, "1", "2" },
		{ { 3, 7 }, true, "2:3", "4:6" },
		{ { 5, 5 }, true, "", "" },
		{ { 3, IMAP_STAR }, true, "2:4", "4:8" },
		{ { 100, IMAP_STAR }, true, "4", "8" },
		{ { 100, 200 }, true, "", "" },
		{ { 4, 9 }, false, "4", "8" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct imap_range range = cases[i].range;
		struct buffer seqs = { 0 }, uids = { 0 };

		imap_set_print(imap_view_seqs(&view, (struct imap_set){ &range, 1 }, cases[i].is_uid, &arena), &seqs);
		imap_set_print(imap_view_uids(&view, (struct imap_set){ &range, 1 }, cases[i].is_uid, &arena), &uids);
		cr_expect(str_equal(buffer_str(&seqs), str_c(cases[i].seqs)), "case %zu: %.*s", i, STR_ARG(buffer_str(&seqs)));
		cr_expect(str_equal(buffer_str(&uids), str_c(cases[i].uids)), "case %zu: %.*s", i, STR_ARG(buffer_str(&uids)));
		buffer_clear(&seqs);
		buffer_clear(&uids);
		arena_clear(&arena);
	}
	imap_image_unref(view.told);
}
