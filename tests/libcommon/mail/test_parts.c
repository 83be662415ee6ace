#include "libcommon/mail/parts.h"

#include <criterion/criterion.h>

#include "tests/libcommon/mail/derived.h"

/* The example of RFC 3501 s. 6.4.5 (FETCH BODY[section]), in small. */
static const char example[] =
    "Subject: root\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
    "--a\r\nX: 1\r\n\r\none\r\n"
    "--a\r\nX: 2\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n"
    "--a\r\nX: 3\r\nContent-Type: message/rfc822\r\n\r\n"
    /**/ "Subject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    /**/ "--b\r\nX: 3.1\r\n\r\nthree-one\r\n"
    /**/ "--b\r\nX: 3.2\r\n\r\nthree-two\r\n--b--\r\n"
    "--a\r\nX: 4\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
    /**/ "--c\r\nX: 4.1\r\nContent-Type: message/rfc822\r\n\r\nSubject: four-one\r\n\r\nfour-one-one\r\n--c--\r\n"
    "--a--\r\n";

struct section_case {
	uint32_t path[4];
	size_t path_len;
	enum mail_section which;
	const char *text; /* NULL: there is none */
};

static void
check_section(struct str packed, const char *blob, const struct section_case *c, size_t number)
{
	struct mail_range range = { 0 };
	enum err err = mail_parts_find(packed, c->path, c->path_len, c->which, &range);

	cr_assert_eq(err, c->text != NULL ? ERR_OK : ERR_NONEXISTENT, "case %zu: %d", number, (int)err);
	if (c->text == NULL)
		return;
	cr_assert(str_equal(str_from(blob + range.offset, range.len), str_c(c->text)), "case %zu is\n%.*s", number, (int)range.len,
	    blob + range.offset);
	cr_assert_eq(range.has_prefix, c->path_len == 0 && c->which != MAIL_SECTION_TEXT, "case %zu", number);
}

Test(parts, sections_are_ranges_of_the_blob)
{
	static const struct section_case cases[] = {
		{ { 0 }, 0, MAIL_SECTION_ALL, example },
		{ { 0 }, 0, MAIL_SECTION_HEADER, "Subject: root\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" },
		{ { 0 }, 0, MAIL_SECTION_MIME, NULL },
		{ { 1 }, 1, MAIL_SECTION_ALL, "one" },
		{ { 1 }, 1, MAIL_SECTION_MIME, "X: 1\r\n\r\n" },
		{ { 1 }, 1, MAIL_SECTION_HEADER, NULL },
		{ { 1 }, 1, MAIL_SECTION_TEXT, NULL },
		{ { 1, 1 }, 2, MAIL_SECTION_ALL, NULL },
		{ { 2 }, 1, MAIL_SECTION_ALL, "AAAA" },
		{ { 3 }, 1, MAIL_SECTION_MIME, "X: 3\r\nContent-Type: message/rfc822\r\n\r\n" },
		{ { 3 }, 1, MAIL_SECTION_HEADER, "Subject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" },
		{ { 3 }, 1, MAIL_SECTION_TEXT, "--b\r\nX: 3.1\r\n\r\nthree-one\r\n--b\r\nX: 3.2\r\n\r\nthree-two\r\n--b--" },
		{ { 3, 1 }, 2, MAIL_SECTION_ALL, "three-one" },
		{ { 3, 2 }, 2, MAIL_SECTION_ALL, "three-two" },
		{ { 3, 2 }, 2, MAIL_SECTION_MIME, "X: 3.2\r\n\r\n" },
		{ { 3, 3 }, 2, MAIL_SECTION_ALL, NULL },
		{ { 4, 1 }, 2, MAIL_SECTION_ALL, "Subject: four-one\r\n\r\nfour-one-one" },
		{ { 4, 1 }, 2, MAIL_SECTION_HEADER, "Subject: four-one\r\n\r\n" },
		{ { 4, 1 }, 2, MAIL_SECTION_TEXT, "four-one-one" },
		{ { 4, 1, 1 }, 3, MAIL_SECTION_ALL, "four-one-one" },
		{ { 4, 1, 1 }, 3, MAIL_SECTION_MIME, "Subject: four-one\r\n\r\n" },
		{ { 4, 1, 1, 1 }, 4, MAIL_SECTION_ALL, NULL },
		{ { 4, 1, 2 }, 3, MAIL_SECTION_ALL, NULL },
		{ { 5 }, 1, MAIL_SECTION_ALL, NULL },
		{ { 0 }, 1, MAIL_SECTION_ALL, NULL },
		{ { UINT32_MAX }, 1, MAIL_SECTION_ALL, NULL },
	};
	struct derived d;

	derived_make(&d, STR(example), 0, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_section(d.row.parts, example, &cases[i], i);
	derived_clear(&d);
}

/* A part that does not exist is NIL, never the whole body. */
Test(parts, a_message_that_is_no_multipart_has_part_one_only)
{
	static const char blob[] = "Subject: x\r\n\r\nbody\r\n";
	static const struct section_case cases[] = {
		{ { 1 }, 1, MAIL_SECTION_ALL, "body\r\n" },
		{ { 0 }, 0, MAIL_SECTION_TEXT, "body\r\n" },
		{ { 1 }, 1, MAIL_SECTION_MIME, "Subject: x\r\n\r\n" },
		{ { 1 }, 1, MAIL_SECTION_HEADER, NULL },
		{ { 1 }, 1, MAIL_SECTION_TEXT, NULL },
		{ { 2 }, 1, MAIL_SECTION_ALL, NULL },
		{ { 1, 1 }, 2, MAIL_SECTION_ALL, NULL },
	};
	struct derived d;

	derived_make(&d, STR(blob), 0, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_section(d.row.parts, blob, &cases[i], i);
	derived_clear(&d);
}

Test(parts, a_message_that_is_a_message_counts_on_inside)
{
	static const char blob[] = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody";
	static const struct section_case cases[] = {
		{ { 1 }, 1, MAIL_SECTION_ALL, "Subject: in\r\n\r\nbody" },
		{ { 1 }, 1, MAIL_SECTION_HEADER, "Subject: in\r\n\r\n" },
		{ { 1 }, 1, MAIL_SECTION_TEXT, "body" },
		{ { 1, 1 }, 2, MAIL_SECTION_ALL, "body" },
		{ { 1, 2 }, 2, MAIL_SECTION_ALL, NULL },
	};
	struct derived d;

	derived_make(&d, STR(blob), 0, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_section(d.row.parts, blob, &cases[i], i);
	derived_clear(&d);
}

Test(parts, a_walk_says_what_search_needs)
{
	static const struct { const char *number; bool is_message_root, is_text; enum mail_encoding encoding; } want[] = {
		{ "", true, false, MAIL_IDENTITY }, { "1", false, true, MAIL_IDENTITY }, { "2", false, false, MAIL_BASE64 },
		{ "3", false, false, MAIL_IDENTITY }, { "3", true, false, MAIL_IDENTITY }, { "3.1", false, true, MAIL_IDENTITY },
		{ "3.2", false, true, MAIL_IDENTITY }, { "4", false, false, MAIL_IDENTITY }, { "4.1", false, false, MAIL_IDENTITY },
		{ "4.1.1", true, true, MAIL_IDENTITY },
	};
	struct mail_parts_iter iter = { 0 };
	struct mail_parts_entry entry;
	struct derived d;
	size_t count = 0;

	derived_make(&d, STR(example), 0, 0);
	for (iter.packed = d.row.parts; mail_parts_next(&iter, &entry) == ERR_OK; count++) {
		struct buffer number = { 0 };

		for (size_t i = 0; i < entry.path_len; i++)
			buffer_printf(&number, "%s%u", i == 0 ? "" : ".", entry.path[i]);
		cr_assert(str_equal(buffer_str(&number), str_c(want[count].number)), "%zu: %.*s", count, STR_ARG(buffer_str(&number)));
		cr_assert_eq(entry.is_message_root, want[count].is_message_root, "%zu", count);
		cr_assert_eq(entry.is_text, want[count].is_text, "%zu", count);
		cr_assert_eq(entry.encoding, want[count].encoding, "%zu", count);
		cr_assert(!entry.is_text || str_equal(entry.charset, STR("US-ASCII")) || entry.charset.len == 0);
		buffer_clear(&number);
	}
	cr_assert_eq(count, sizeof(want) / sizeof(want[0]));
	cr_assert_eq(mail_parts_next(&iter, &entry), ERR_NONEXISTENT);
	derived_clear(&d);
}

/* A damaged pack never leads out of the blob. */
Test(parts, damage_is_noticed)
{
	static const uint32_t path[] = { 4, 1, 1 };
	static const size_t root_len = 7; /* what says how large the blob is */
	struct mail_range range;
	struct derived d;

	derived_make(&d, STR(example), 0, 0);
	for (size_t len = 0; len < d.row.parts.len; len++) {
		char *copy = malloc(len + 1);

		memcpy(copy, d.row.parts.ptr, len);
		cr_assert_eq(mail_parts_find(str_from(copy, len), path, 3, MAIL_SECTION_ALL, &range), ERR_CORRUPT, "cut at %zu", len);
		free(copy);
	}
	for (size_t at = root_len; at < d.row.parts.len; at++) {
		for (int flip = 1; flip < 256; flip *= 2) {
			struct buffer copy = { 0 };

			buffer_add(&copy, d.row.parts);
			copy.bytes[at] = (char)(copy.bytes[at] ^ flip);
			if (mail_parts_find(buffer_str(&copy), path, 3, MAIL_SECTION_ALL, &range) == ERR_OK)
				cr_assert_leq(range.offset + range.len, sizeof(example) - 1, "byte %zu, bit %d", at, flip);
			buffer_clear(&copy);
		}
	}
	derived_clear(&d);
}
