#include <criterion/criterion.h>

#include "libcommon/core/buffer.h"
#include "libcommon/mail/address.h"

static const struct {
	const char *in, *local, *domain, *address, *rest; /* local NULL: it is no path */
} paths[] = {
	{ "<a@b>", "a", "b", "a@b", "" },
	{ "<a@b> SIZE=1", "a", "b", "a@b", " SIZE=1" },
	{ " <a@b>", "a", "b", "a@b", "" },
	{ "<>", "", "", "", "" },
	{ "<> BODY=8BITMIME", "", "", "", " BODY=8BITMIME" },
	{ "<Postmaster>", "Postmaster", "", "Postmaster", "" },
	{ "a@b SIZE=1", "a", "b", "a@b", " SIZE=1" },
	{ "<a.b+c@x-y.example.org>", "a.b+c", "x-y.example.org", "a.b+c@x-y.example.org", "" },
	{ "<a@[127.0.0.1]>", "a", "[127.0.0.1]", "a@[127.0.0.1]", "" },
	{ "<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]", "" },
	{ "<\"a b\"@c>", "a b", "c", "\"a b\"@c", "" },
	{ "<\"a>b\\\"@\"@c> X", "a>b\"@", "c", "\"a>b\\\"@\"@c", " X" },
	{ "<\"\"@c>", "", "c", "\"\"@c", "" },
	/* RFC 5321 app. C: a source route is dropped */
	{ "<@one,@two:a@b>", "a", "b", "a@b", "" },
	/* RFC 6531 */
	{ "<jos\xc3\xa9@b\xc3\xbc" "cher.example>", "jos\xc3\xa9", "b\xc3\xbc" "cher.example", "jos\xc3\xa9@b\xc3\xbc" "cher.example", "" },
	{ "<a@b", NULL, NULL, NULL, NULL },
	{ "", NULL, NULL, NULL, NULL },
	{ "<@b>", NULL, NULL, NULL, NULL },
	{ "<a@>", NULL, NULL, NULL, NULL },
	{ "<a b@c>", NULL, NULL, NULL, NULL },
	{ "<a@b c>", NULL, NULL, NULL, NULL },
	{ "<a@b@c>", NULL, NULL, NULL, NULL },
	{ "<a@b..c>", NULL, NULL, NULL, NULL },
	{ "<a@.b>", NULL, NULL, NULL, NULL },
	{ "<a@b/c>", NULL, NULL, NULL, NULL },
	{ "<a@[b>", NULL, NULL, NULL, NULL },
	{ "<\"a@b>", NULL, NULL, NULL, NULL },
	{ "<a\x01@b>", NULL, NULL, NULL, NULL },
	{ "<a\xff@b>", NULL, NULL, NULL, NULL },
	{ "<@one:>", NULL, NULL, NULL, NULL },
};

Test(path, is_read_exactly)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct arena arena = { 0 };
		struct mail_path path;
		struct str rest;
		enum err err = mail_path_parse(str_c(paths[i].in), &arena, &path, &rest);

		cr_assert_eq(err, paths[i].local != NULL ? ERR_OK : ERR_SYNTAX, "%s", paths[i].in);
		if (err == ERR_OK) {
			cr_assert(str_equal(path.local, str_c(paths[i].local)), "%s: %.*s", paths[i].in, STR_ARG(path.local));
			cr_assert(str_equal(path.domain, str_c(paths[i].domain)), "%s: %.*s", paths[i].in, STR_ARG(path.domain));
			cr_assert(str_equal(path.address, str_c(paths[i].address)), "%s: %.*s", paths[i].in, STR_ARG(path.address));
			cr_assert(str_equal(rest, str_c(paths[i].rest)), "%s: %.*s", paths[i].in, STR_ARG(rest));
		}
		arena_clear(&arena);
	}
}

/* SRS local parts are longer than 64 octets. */
Test(path, long_local_parts_are_taken_up_to_the_limit)
{
	for (size_t len = 60; len <= MAIL_PATH_MAX + 10; len++) {
		struct arena arena = { 0 };
		struct buffer in = { 0 };
		struct mail_path path;
		struct str rest;

		buffer_add_byte(&in, '<');
		for (size_t i = 0; i < len; i++)
			buffer_add_byte(&in, 'a');
		buffer_add(&in, STR("@example.org>"));
		cr_assert_eq(mail_path_parse(buffer_str(&in), &arena, &path, &rest), len <= MAIL_LOCAL_MAX ? ERR_OK : ERR_SYNTAX, "%zu", len);
		buffer_clear(&in);
		arena_clear(&arena);
	}
}

Test(path, printing_quotes_what_has_to_be)
{
	static const struct { const char *local, *domain, *want; } cases[] = {
		{ "a.b", "c", "a.b@c" }, { "a b", "c", "\"a b\"@c" }, { "a\"b\\", "c", "\"a\\\"b\\\\\"@c" }, { "", "c", "\"\"@c" },
		{ ".a", "c", "\".a\"@c" }, { "a..b", "c", "\"a..b\"@c" }, { "a", "", "a" }, { "\xc3\xa9", "c", "\xc3\xa9@c" },
	};
	struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got = mail_address_print(str_c(cases[i].local), str_c(cases[i].domain), &arena);

		cr_assert(str_equal(got, str_c(cases[i].want)), "%s: %.*s", cases[i].local, STR_ARG(got));
	}
	arena_clear(&arena);
}
