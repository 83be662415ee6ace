#include "libcommon/mail/address.h"

#include <criterion/criterion.h>

#include "libcommon/core/buffer.h"

/* "name|route|local|domain", entries separated by " / "; "[" begins a group, "]" ends it; "-" where ptr is NULL. */
static void
print_list(const struct mail_address_list *list, struct buffer *out)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct mail_address *a = &list->entries[i];

		buffer_add(out, i == 0 ? STR("") : STR(" / "));
		if (a->kind == MAIL_GROUP_END)
			buffer_add_byte(out, ']');
		else if (a->kind == MAIL_GROUP_START)
			buffer_printf(out, "[%.*s", STR_ARG(a->local));
		else
			buffer_printf(out, "%.*s|%.*s|%.*s|%.*s", STR_ARG(a->name.ptr ? a->name : STR("-")),
			    STR_ARG(a->route.ptr ? a->route : STR("-")), STR_ARG(a->local), STR_ARG(a->domain));
	}
}

static const struct {
	const char *value, *want;
} lists[] = {
	{ "a@b", "-|-|a|b" },
	{ "a@b, c@d", "-|-|a|b / -|-|c|d" },
	{ "", "" }, { " , ,, ", "" }, { "(only a comment)", "" },
	{ "<a@b>", "-|-|a|b" },
	{ "John Doe <a@b>", "John Doe|-|a|b" },
	{ "\"Doe, John\" <a@b>", "Doe, John|-|a|b" },
	{ "\"a \\\"b\\\" \\\\c\" <a@b>", "a \"b\" \\c|-|a|b" },
	{ "John   Q. \t Doe\r\n <a@b>", "John Q. Doe|-|a|b" },
	{ "a@b (John Doe)", "John Doe|-|a|b" },
	{ "a@b (John (x) Doe)", "John (x) Doe|-|a|b" },
	{ "John (x) <a@b>", "John|-|a|b" },
	{ "<a@b> (John)", "John|-|a|b" },
	{ "\"quoted local\"@b", "-|-|quoted local|b" },
	{ "a . b @ c . d", "-|-|a.b|c.d" },
	{ "a@[127.0.0.1]", "-|-|a|[127.0.0.1]" },
	{ "a@[IPv6:::1], b@c", "-|-|a|[IPv6:::1] / -|-|b|c" },
	{ "<@r1,@r2:a@b>", "-|@r1,@r2|a|b" },
	{ "J <@r1 , @r2 : a@b>, c@d", "J|@r1,@r2|a|b / -|-|c|d" },
	{ "<>", "-|-||" },
	/* groups: RFC 5322 s. 3.4, app. A.1.3 */
	{ "A Group:Ed Jones <joe@where.test>,joe@where.test,John <jdoe@one.test>;",
	    "[A Group / Ed Jones|-|joe|where.test / -|-|joe|where.test / John|-|jdoe|one.test / ]" },
	{ "Undisclosed recipients:;", "[Undisclosed recipients / ]" },
	{ "undisclosed-recipients:; (no To-header on input)", "[undisclosed-recipients / ]" },
	{ "g: a@b", "[g / -|-|a|b / ]" },
	{ "g: a@b;, c@d", "[g / -|-|a|b / ] / -|-|c|d" },
	{ "g: h: a@b;", "[g / h:|-|a|b / ]" },
	/* RFC 5322 app. A.5 */
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete|-|pete|silly.test" },
	/* 8-bit and encoded words stay as they are */
	{ "Jos\xc3\xa9 <jos\xc3\xa9@b\xc3\xbc" "cher.example>", "Jos\xc3\xa9|-|jos\xc3\xa9|b\xc3\xbc" "cher.example" },
	{ "=?utf-8?Q?Doe,_John?= <a@b>, c@d", "=?utf-8?Q?Doe,_John?=|-|a|b / -|-|c|d" },
	{ "=?utf-8?Q?a(b)\"?= <a@b>", "=?utf-8?Q?a(b)\"?=|-|a|b" },
	/* Malformed ones are kept in some form, and spoil no other */
	{ "root", "-|-|root|" },
	{ "John Doe", "-|-|John Doe|" },
	{ "John Doe a@b", "John Doe|-|a|b" },
	{ "a@b John Doe", "John Doe|-|a|b" },
	{ "x a@b y", "x|-|a|b" },
	{ "a@b <a@b>", "a@b|-|a|b" },
	{ "a@b@c", "-|-|a@b|c" },
	{ "a@", "-|-|a|" },
	{ "@b", "-|-||b" },
	{ "<root>", "-|-|root|" },
	{ "John <a@b, c@d", "John|-|a|b / -|-|c|d" },
	{ "John < bob <a@b>", "John < bob|-|a|b" },
	{ "\"John <a@b>, c@d", "John|-|a|b / -|-|c|d" },
	{ "John (x <a@b>", "John (x|-|a|b" },
	{ "a@b; c@d", "-|-|a|b / -|-|c|d" },
	{ "a@[b, c@d", "-|-|a|[b / -|-|c|d" },
	{ "a\\@b@c", "-|-|a@b|c" },
	{ "[list] x <a@b>", "[list] x|-|a|b" },
};

Test(address, lists_are_read_leniently)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct mail_address_list list;
		struct arena arena = { 0 };
		struct buffer out = { 0 };

		mail_address_list_parse(str_c(lists[i].value), &arena, &list);
		print_list(&list, &out);
		cr_assert(str_equal(buffer_str(&out), str_c(lists[i].want)), "%s\n%.*s\n%s", lists[i].value, STR_ARG(buffer_str(&out)),
		    lists[i].want);
		cr_assert_not(list.is_cut);
		buffer_clear(&out);
		arena_clear(&arena);
	}
}

Test(address, lists_have_a_limit_and_end_their_group)
{
	struct mail_address_list list;
	struct arena arena = { 0 };
	struct buffer value = { 0 };

	buffer_add(&value, STR("g:"));
	for (int i = 0; i < MAIL_ADDRESSES_MAX * 2; i++)
		buffer_add(&value, STR("a@b,"));
	mail_address_list_parse(buffer_str(&value), &arena, &list);
	cr_assert(list.is_cut);
	cr_assert_eq(list.count, MAIL_ADDRESSES_MAX + 1);
	cr_assert_eq(list.entries[MAIL_ADDRESSES_MAX].kind, MAIL_GROUP_END);
	buffer_clear(&value);
	arena_clear(&arena);
}

/* Nothing is quadratic: 64 KiB of what looks like the beginning of something takes no time. */
Test(address, hostile_lists_take_linear_time, .timeout = 10)
{
	static const char *const units[] = { "(", "\"", "<", "=?", "[", "\\", "@", ":", "(a\"=?[<", "\\\"", "(\\", "a(", ",<" };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct mail_address_list list;
		struct arena arena = { 0 };
		struct buffer value = { 0 };

		while (buffer_len(&value) < 64 * 1024)
			buffer_add(&value, str_c(units[i]));
		mail_address_list_parse(buffer_str(&value), &arena, &list);
		buffer_clear(&value);
		arena_clear(&arena);
	}
}
