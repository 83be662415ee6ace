/*
 * Any bytes as a message, and as everything else that libcommon/mail reads. Properties:
 *	a message gives the same derived columns whole and in pieces of any size
 *	its parts lie inside each other, their lines and bytes are what the bytes say, and mail_parts_find agrees with the tree
 *	ENVELOPE, BODYSTRUCTURE and BODY are well-formed IMAP, with the right number of members
 *	filtering the common fields and filtering the header give the same
 *	what is decoded is UTF-8, in pieces the same as whole; names of mailboxes and dates survive being printed
 */
#include <stdio.h>
#include <stdlib.h>

#include "libcommon/mail/address.h"
#include "libcommon/mail/charset.h"
#include "libcommon/mail/date.h"
#include "libcommon/mail/decode.h"
#include "libcommon/mail/derive.h"
#include "libcommon/mail/fields.h"
#include "libcommon/mail/header.h"
#include "libcommon/mail/match.h"
#include "libcommon/mail/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition) check((condition), #condition, __LINE__)

static void
check(bool holds, const char *condition, int line)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_mail.c:%d: does not hold: %s\n", line, condition);
	abort();
}

static size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void
derive(struct mail_parser *parser, struct str message, size_t piece, struct arena *arena, struct mail_derived *ret)
{
	mail_parser_init(parser);
	for (size_t at = 0; at < message.len; at += piece)
		mail_parser_feed(parser, str_sub(message, at, piece));
	mail_derive(mail_parser_finish(parser), arena, ret);
}

static void
check_same(const struct mail_derived *a, const struct mail_derived *b)
{
	CHECK(str_equal(a->envelope, b->envelope));
	CHECK(str_equal(a->bodystructure, b->bodystructure));
	CHECK(str_equal(a->body, b->body));
	CHECK(str_equal(a->parts, b->parts));
	CHECK(str_equal(a->fields, b->fields));
	CHECK(a->is_fields_cut == b->is_fields_cut && a->size == b->size);
}

/*
 * IMAP syntax: skip one value at `*at`; returns how many members it had, if it was a list.
 */
static size_t
skip_value(struct str s, size_t *at)
{
	size_t count = 0;

	CHECK(*at < s.len);
	if (s.ptr[*at] == '"') {
		for (++*at; *at < s.len && s.ptr[*at] != '"'; ++*at) {
			CHECK((unsigned char)s.ptr[*at] < 0x80 && s.ptr[*at] != '\r' && s.ptr[*at] != '\n' && s.ptr[*at] != '\0');
			if (s.ptr[*at] == '\\')
				++*at;
		}
		++*at;
	} else if (s.ptr[*at] == '{') {
		size_t close = *at + str_index(str_sub(s, *at, SIZE_MAX), '}');
		uint64_t len;

		CHECK(close < s.len && str_to_u64(str_sub(s, *at + 1, close - *at - 1), &len));
		CHECK(str_starts_with(str_sub(s, close + 1, SIZE_MAX), STR("\r\n")) && len <= s.len - close - 3);
		CHECK(memchr(s.ptr + close + 3, '\0', len) == NULL);
		*at = close + 3 + len;
	} else if (s.ptr[*at] == '(') {
		for (++*at; *at < s.len && s.ptr[*at] != ')'; count++) {
			skip_value(s, at);
			if (*at < s.len && s.ptr[*at] == ' ')
				++*at;
		}
		++*at;
	} else {
		size_t start = *at;

		while (*at < s.len && memchr(" ()\"{", s.ptr[*at], 5) == NULL)
			++*at;
		CHECK(*at > start);
	}
	CHECK(*at <= s.len);
	return count;
}

static void
check_syntax(const struct mail_derived *derived)
{
	size_t at = 0;

	CHECK(skip_value(derived->envelope, &at) == 10 && at == derived->envelope.len);
	at = 0;
	CHECK(skip_value(derived->bodystructure, &at) >= 6 && at == derived->bodystructure.len);
	at = 0;
	CHECK(skip_value(derived->body, &at) >= 2 && at == derived->body.len);
	CHECK(str_is_utf8(derived->subject) && derived->subject.len <= MAIL_SUBJECT_MAX);
}

static void
check_part(const struct mail_part *part, struct str message, uint64_t start, uint64_t end, size_t *count)
{
	uint64_t body = mail_part_body_offset(part), lines = 0;

	++*count;
	CHECK(part->header_offset >= start && body >= part->header_offset && body + part->body_len <= end);
	CHECK(part->type.len > 0 && part->subtype.len > 0 && part->encoding.len > 0);
	for (uint64_t i = body; i < body + part->body_len; i++)
		lines += message.ptr[i] == '\n';
	CHECK(lines == part->body_lines);
	CHECK((part->kind == MAIL_LEAF) == (part->first_child == NULL));
	for (const struct mail_part *child = part->first_child; child != NULL; child = child->next) {
		CHECK(child->parent == part);
		check_part(child, message, body, body + part->body_len, count);
		CHECK(part->kind != MAIL_MESSAGE || (child->next == NULL && child->envelope != NULL));
		CHECK(child->next == NULL || child->next->header_offset >= mail_part_body_offset(child) + child->body_len);
	}
}

static void
check_parts(struct str packed, size_t count)
{
	struct mail_parts_iter iter = { .packed = packed };
	struct mail_parts_entry entry;
	struct mail_range range;
	enum err err;

	for (; (err = mail_parts_next(&iter, &entry)) == ERR_OK; count--) {
		if (!entry.is_numbered)
			continue;
		CHECK(mail_parts_find(packed, entry.path, entry.path_len, MAIL_SECTION_ALL, &range) == ERR_OK);
		CHECK(range.offset == entry.header_offset + entry.header_len && range.len == entry.body_len);
		CHECK(mail_parts_find(packed, entry.path, entry.path_len, MAIL_SECTION_TEXT, &range) ==
		    (entry.kind == MAIL_MESSAGE ? ERR_OK : ERR_NONEXISTENT));
	}
	CHECK(err == ERR_NONEXISTENT && count == 0);
}

static void
check_fields(struct str header, const struct mail_derived *derived)
{
	static const struct str names[] = { { "from", 4 }, { "Subject", 7 }, { "REFERENCES", 10 }, { "to", 2 } };
	struct buffer all = { 0 }, common = { 0 };

	CHECK(mail_fields_cover_all(names, 4, MAIL_DERIVE_VERSION));
	mail_header_filter(header, names, 4, false, &all);
	mail_header_filter(derived->fields, names, 4, false, &common);
	CHECK(derived->is_fields_cut || str_equal(buffer_str(&all), buffer_str(&common)));
	buffer_clear(&all);
	buffer_clear(&common);
}

static void
check_message(struct str message, size_t piece)
{
	struct mail_parser whole = { 0 }, split = { 0 };
	struct mail_derived derived, again;
	struct arena arena = { 0 };
	size_t count = 0;

	derive(&whole, message, SIZE_MAX / 2, &arena, &derived);
	derive(&split, message, piece, &arena, &again);
	check_same(&derived, &again);
	check_syntax(&derived);
	CHECK(derived.size == message.len);
	check_part(whole.message.root, message, 0, message.len, &count);
	CHECK(count == whole.message.part_count);
	check_parts(derived.parts, count);
	check_fields(str_sub(message, 0, (size_t)whole.message.root->header_len), &derived);
	mail_parser_clear(&whole);
	mail_parser_clear(&split);
	arena_clear(&arena);
}

/*
 * The same bytes as other things
 */

static void
check_decode(enum mail_encoding encoding, struct str bytes, size_t piece)
{
	struct mail_decoder whole = { .encoding = encoding }, split = { .encoding = encoding };
	struct buffer a = { 0 }, b = { 0 };

	mail_decode(&whole, bytes, true, &a);
	for (size_t at = 0; at < bytes.len; at += piece)
		mail_decode(&split, str_sub(bytes, at, piece), at + piece >= bytes.len, &b);
	CHECK(str_equal(buffer_str(&a), buffer_str(&b)) && buffer_len(&a) <= bytes.len);
	CHECK(bytes.len == 0 || whole.is_broken == split.is_broken);
	buffer_clear(&a);
	buffer_clear(&b);
}

static void
check_charset(struct str name, struct str bytes, size_t piece)
{
	struct mail_charset cs;
	struct buffer a = { 0 }, b = { 0 };

	if (!mail_charset_open(&cs, name))
		return;
	mail_charset_convert(&cs, bytes, true, &a);
	mail_charset_close(&cs);
	CHECK(mail_charset_open(&cs, name));
	for (size_t at = 0; at < bytes.len; at += piece)
		mail_charset_convert(&cs, str_sub(bytes, at, piece), at + piece >= bytes.len, &b);
	mail_charset_close(&cs);
	CHECK(str_is_utf8(buffer_str(&a)) && str_is_utf8(buffer_str(&b)));
	/* Where a broken UTF-7 goes on after an error, glibc decides by how much it was given. */
	CHECK(str_equal(name, STR("utf-7")) || str_equal(buffer_str(&a), buffer_str(&b)));
	CHECK(buffer_len(&a) <= MAIL_CHARSET_GROWTH * bytes.len + 16);
	buffer_clear(&a);
	buffer_clear(&b);
}

static void
check_names(struct str bytes, struct arena *arena)
{
	struct str utf8, mutf7, again;

	if (mail_mutf7_decode(bytes, arena, &utf8) == ERR_OK) {
		CHECK(str_is_utf8(utf8));
		CHECK(mail_mutf7_encode(utf8, arena, &mutf7) == ERR_OK && str_equal(mutf7, bytes));
	}
	if (str_index(bytes, '\0') == bytes.len && mail_mutf7_encode(bytes, arena, &mutf7) == ERR_OK)
		CHECK(mail_mutf7_decode(mutf7, arena, &again) == ERR_OK && str_equal(again, bytes));
	if (mail_mailbox_name(bytes, arena, &utf8) == ERR_OK)
		CHECK(mail_mailbox_name(utf8, arena, &again) == ERR_OK && str_equal(utf8, again));
}

static void
check_dates(struct str bytes)
{
	struct mail_date date, again;
	char text[MAIL_DATE_SIZE];

	if (mail_date_parse(bytes, &date)) {
		CHECK(mail_date_parse_imap(mail_date_print_imap(date, text), &again));
		CHECK(again.offset_minutes == date.offset_minutes);
		CHECK(again.unix_s == date.unix_s || date.unix_s > 253402200000 || date.unix_s < -62135500000);
		CHECK(mail_date_parse(mail_date_print(date, text), &date) && date.unix_s == again.unix_s);
	}
}

static void
check_addresses(struct str bytes, struct arena *arena)
{
	struct mail_address_list list;
	struct mail_path path, again;
	struct str rest, printed;
	int depth = 0;

	mail_address_list_parse(bytes, arena, &list);
	for (size_t i = 0; i < list.count; i++) {
		depth += list.entries[i].kind == MAIL_GROUP_START;
		depth -= list.entries[i].kind == MAIL_GROUP_END;
		CHECK(depth == 0 || depth == 1);
	}
	CHECK(depth == 0 && list.count <= MAIL_ADDRESSES_MAX + 1);
	if (mail_path_parse(bytes, arena, &path, &rest) != ERR_OK || path.address.len == 0)
		return;
	printed = arena_printf(arena, "<%.*s>", STR_ARG(mail_address_print(path.local, path.domain, arena)));
	if (printed.len > MAIL_LOCAL_MAX)
		return;
	CHECK(mail_path_parse(printed, arena, &again, &rest) == ERR_OK && rest.len == 0);
	CHECK(str_equal(path.local, again.local) && str_equal(path.domain, again.domain));
}

static void
check_text(struct str bytes, size_t piece)
{
	static const struct str charsets[] = { { "", 0 }, { "utf-8", 5 }, { "iso-2022-jp", 11 }, { "gb2312", 6 }, { "utf-16", 6 },
		{ "utf-7", 5 }, { "big5", 4 } };
	struct arena arena = { 0 };
	struct buffer folded = { 0 }, twice = { 0 };
	struct str words = mail_decode_words(bytes, &arena);

	CHECK(str_is_utf8(words) && (words.len == 0 || memchr(words.ptr, '\0', words.len) == NULL));
	CHECK(words.len <= MAIL_CHARSET_GROWTH * bytes.len + 16);
	mail_fold(words, &folded);
	mail_fold(buffer_str(&folded), &twice);
	CHECK(mail_match_text(words, buffer_str(&folded)));
	CHECK(str_is_utf8(buffer_str(&folded)) && str_is_utf8(buffer_str(&twice)));
	buffer_clear(&folded);
	buffer_clear(&twice);
	for (int encoding = MAIL_IDENTITY; encoding <= MAIL_ENCODING_UNKNOWN; encoding++)
		check_decode((enum mail_encoding)encoding, bytes, piece);
	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++)
		check_charset(charsets[i], bytes, piece);
	check_names(bytes, &arena);
	check_dates(bytes);
	check_addresses(bytes, &arena);
	arena_clear(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mail_parts_iter iter = { .packed = str_from(data, size) };
	struct mail_parts_entry entry;
	size_t piece = size > 0 ? (size_t)data[0] % 61 + 1 : 1;
	struct str bytes = str_from(data, size);

	check_message(bytes, piece);
	check_text(str_sub(bytes, 0, min_size(size, 2000)), piece);
	while (mail_parts_next(&iter, &entry) == ERR_OK)
		CHECK(entry.path_len <= MAIL_DEPTH_MAX + 1);
	return 0;
}
