#include "services/imap/search.h"

#include <criterion/criterion.h>

#include "services/imap/session.h"

#define SEEN METADATA_FLAG__METADATA_SEEN
#define FLAGGED METADATA_FLAG__METADATA_FLAGGED
#define DELETED METADATA_FLAG__METADATA_DELETED

/* INTERNALDATE as it is kept. */
#define DATE(unix_s, offset) ((int64_t)(unix_s) * 1000 * 2048 + (offset) + 1024)

/* Five messages with UIDs 10, 20, ..., the last two recent; number 4 has the keyword $Junk. */
static struct imap_image *
make_image(void)
{
	static const uint16_t junk[] = { 0 };
	static const struct imap_new_row rows[] = {
		{ { .uid = 10, .flags = SEEN, .size = 100, .date = DATE(0, 0) }, NULL },
		{ { .uid = 20, .flags = SEEN | FLAGGED, .size = 200, .date = DATE(86399, 0) }, NULL },
		{ { .uid = 30, .flags = DELETED, .size = 300, .date = DATE(86399, 60) }, NULL },
		{ { .uid = 40, .flags = 0, .size = 400, .date = DATE(86400, -60), .keyword_count = 1 }, junk },
		{ { .uid = 50, .flags = SEEN, .size = 500, .date = DATE(200000, 0) }, NULL },
	};
	ProtobufCBinaryData name = { 5, (uint8_t *)"$Junk" };
	struct imap_image *empty = imap_image_new(), *image = imap_image_merge(empty, rows, 5, (struct imap_set){ 0 }, false);

	imap_image_unref(empty);
	imap_image_add_keywords(image, &name, 1, 0);
	return image;
}

/* The sequence numbers that match, "1 2 "; the keys need no more than the view. */
static struct str
search(const char *keys, struct arena *arena)
{
	struct imap_view view = { .told = make_image(), .recent_uid = 30 };
	struct imap_session session = { .view = &view };
	struct imap_command cmd = { .session = &session, .arena = arena };
	struct imap_syntax syntax = { 0 };
	struct imap_cursor cur = { .in = str_c(keys), .arena = arena, .error = &syntax };
	struct imap_search_parse parse = { .cur = &cur };
	struct imap_search_key *program;
	struct str out = STR("");
	uint32_t *seqs;
	size_t count;

	cr_assert_eq(imap_search_parse_keys(&parse, &program), ERR_OK, "%s at %zu: %s", keys, syntax.at, syntax.why);
	cr_assert_eq(imap_search_run(&cmd, program, &seqs, &count), ERR_OK, "%s", keys);
	for (size_t i = 0; i < count; i++)
		out = arena_printf(arena, "%.*s%u ", STR_ARG(out), seqs[i]);
	imap_image_unref(view.told);
	return out;
}

Test(imap_search, the_view_answers_what_it_can)
{
	static const struct {
		const char *keys, *found;
	} cases[] = {
		{ "ALL", "1 2 3 4 5 " },
		{ "SEEN", "1 2 5 " },
		{ "unseen", "3 4 " },
		{ "FLAGGED", "2 " },
		{ "UNDELETED UNFLAGGED", "1 4 5 " },
		{ "ANSWERED", "" },
		{ "RECENT", "4 5 " },
		{ "OLD", "1 2 3 " },
		{ "NEW", "4 " },
		{ "KEYWORD $junk", "4 " },
		{ "UNKEYWORD $Junk", "1 2 3 5 " },
		{ "UNKEYWORD $Other", "1 2 3 4 5 " },
		{ "LARGER 300", "4 5 " },
		{ "SMALLER 300", "1 2 " },
		/* the day is that of the date's own offset */
		{ "ON 1-Jan-1970", "1 2 4 " },
		{ "ON \"2-Jan-1970\"", "3 " },
		{ "BEFORE 2-Jan-1970", "1 2 4 " },
		{ "SINCE 2-Jan-1970", "3 5 " },
		{ "2:3", "2 3 " },
		{ "*", "5 " },
		{ "7", "" },
		{ "2:4,1 SEEN", "1 2 " },
		{ "UID 20:40", "2 3 4 " },
		{ "UID 15", "" },
		{ "UID 99:*", "5 " },
		{ "NOT SEEN", "3 4 " },
		{ "NOT 2:4", "1 5 " },
		{ "NOT (SEEN FLAGGED)", "1 3 4 5 " },
		{ "OR FLAGGED DELETED", "2 3 " },
		{ "OR (SEEN FLAGGED) (UNSEEN DELETED)", "2 3 " },
		{ "OR NOT SEEN OR FLAGGED 5", "2 3 4 5 " },
		{ "OR OR FLAGGED DELETED 5", "2 3 5 " },
		{ "OR OR FLAGGED OR 4 DELETED OR 5 3 UNSEEN", "3 4 " },
		{ "NOT OR OR 1 2 OR 3 4 SEEN", "5 " },
		{ "OR (OR 1 2) (3:4 OR 4 5)", "1 2 4 " },
		{ "NOT NOT SEEN", "1 2 5 " },
		{ "(ALL)", "1 2 3 4 5 " },
		/* what the view decides needs no columns, wherever it stands */
		{ "SUBJECT x FLAGGED UNFLAGGED", "" },
		{ "OR ALL BODY x", "1 2 3 4 5 " },
		{ "NOT (BODY x ANSWERED)", "1 2 3 4 5 " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct str found = search(cases[i].keys, &arena);

		cr_expect(str_equal(found, str_c(cases[i].found)), "%s: %.*s", cases[i].keys, STR_ARG(found));
		arena_clear(&arena);
	}
}

/* RFC 8474 s. 8.3: clients ask so for many mails at once, and a line is long; it is no nesting, whichever way round they stand. */
Test(imap_search, a_chain_of_ors_may_be_long)
{
	struct arena arena = { 0 };
	struct buffer right = { 0 }, left = { 0 };

	for (int i = 0; i < 1000; i++) {
		buffer_add(&right, STR("OR 2 "));
		buffer_add(&left, STR("OR "));
	}
	buffer_add(&left, STR("4"));
	for (int i = 0; i < 1000; i++)
		buffer_add(&left, STR(" 2"));
	buffer_add(&right, STR("4"));
	cr_expect(str_equal(search(arena_cstr(&arena, buffer_str(&right)), &arena), STR("2 4 ")));
	cr_expect(str_equal(search(arena_cstr(&arena, buffer_str(&left)), &arena), STR("2 4 ")));
	buffer_clear(&right);
	buffer_clear(&left);
	arena_clear(&arena);
}
