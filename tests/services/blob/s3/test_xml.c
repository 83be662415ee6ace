/* What is found in S3's answers, whole, cut, and strange. */
#include <criterion/criterion.h>

#include "services/blob/s3/xml.h"

Test(xml, finds_elements_in_order_and_their_text)
{
	struct str rest = STR("<?xml?><R xmlns=\"x\"><C><Key>a&amp;b&#34;</Key></C><C><Key>c</Key></C><T>true</T></R>"), item;
	struct arena arena = { 0 };

	cr_assert(str_equal(xml_text(&arena, rest, "T"), STR("true")));
	cr_assert(xml_next(&rest, "C", &item));
	cr_assert(str_equal(xml_text(&arena, item, "Key"), STR("a&b\"")));
	cr_assert(xml_next(&rest, "C", &item));
	cr_assert(str_equal(xml_text(&arena, item, "Key"), STR("c")));
	cr_assert_not(xml_next(&rest, "C", &item));
	cr_assert_eq(xml_text(&arena, rest, "Key").len, 0);
	arena_clear(&arena);
}

Test(xml, a_cut_answer_gives_whole_elements_or_none)
{
	struct str all = STR("<L><C><Key>abc</Key></C></L>");
	struct arena arena = { 0 };

	for (size_t len = 0; len <= all.len; len++) {
		struct str part = str_sub(all, 0, len), key = xml_text(&arena, part, "Key");

		cr_assert(key.len == 0 || str_equal(key, STR("abc")), "cut at %zu", len);
		cr_assert_eq(key.len > 0, len >= 20, "cut at %zu", len);
	}
	arena_clear(&arena);
}

Test(xml, replaces_only_the_entities_it_knows)
{
	static const struct { const char *raw, *text; } cases[] = {
		{ "&lt;&gt;&quot;&apos;&amp;", "<>\"'&" }, { "&#65;", "A" }, { "&#200;", "&#200;" }, { "&nbsp;", "&nbsp;" }, { "a & b", "a & b" },
		{ "&", "&" }, { "&;", "&;" }, { "&amp", "&amp" }, { "&amp;lt;", "&lt;" }, { "&#;", "&#;" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct arena arena = { 0 };
		struct str xml = arena_printf(&arena, "<K>%s</K>", cases[i].raw);

		cr_assert(str_equal(xml_text(&arena, xml, "K"), str_c(cases[i].text)), "%s", cases[i].raw);
		arena_clear(&arena);
	}
}

Test(xml, reads_times)
{
	static const struct { const char *text; bool is_good; int64_t ms; } cases[] = {
		{ "2009-10-12T17:50:30.000Z", true, 1255369830000 }, { "1970-01-01T00:00:00Z", true, 0 }, { "2024-02-29T23:59:59Z", true, 1709251199000 },
		{ "", false, 0 }, { "2009-10-12", false, 0 }, { "2009-10-12 17:50:30", false, 0 }, { "2009-1a-12T17:50:30", false, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t ms = -1;

		cr_assert_eq(xml_time(str_c(cases[i].text), &ms), cases[i].is_good, "%s", cases[i].text);
		cr_assert_eq(ms, cases[i].is_good ? cases[i].ms : -1, "%s", cases[i].text);
	}
}
