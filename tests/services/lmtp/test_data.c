#include "services/lmtp/data.h"

#include <criterion/criterion.h>

#include "libcommon/core/buffer.h"

struct data_case {
	const char *in;
	const char *out;
	const char *rest; /* behind the end; NULL: the end does not come */
};

static const struct data_case cases[] = {
	/* RFC 5321 s. 4.5.2 */
	{ ".\r\n", "", "" },
	{ "a\r\n.\r\n", "a\r\n", "" },
	{ "a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n" },
	{ "..\r\n.\r\n", ".\r\n", "" },
	{ ".a\r\n..b\r\n.\r\n", "a\r\n.b\r\n", "" },
	{ "a.\r\n.\r\n", "a.\r\n", "" },
	{ "\r\n\r\n.\r\n", "\r\n\r\n", "" },
	{ "...\r\n.\r\n", "..\r\n", "" },
	/* Smuggling: what is no CRLF ends nothing, and stays. */
	{ "a\n.\nb", "a\n.\nb", NULL },
	{ "a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", "" },
	{ "a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", "" },
	{ "a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", "" },
	{ "a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", "" },
	{ "a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\r\nb\r\n", "" },
	{ "a\r\r\n.\r\n", "a\r\r\n", "" },
	{ "\n.\r\n.\r\n", "\n.\r\n", "" },
	{ ".\r.\r\n.\r\n", "\r.\r\n", "" },
	{ "a\r\n.", "a\r\n", NULL },
	{ "a\r\n.\r", "a\r\n", NULL },
	{ "a\r\n", "a\r\n", NULL },
	{ "", "", NULL },
};

/* Decode `in`, given in two parts. */
static void
decode(struct str in, size_t split, struct buffer *out, struct str *ret_rest, bool *ret_is_end)
{
	struct lmtp_data data = { 0 };
	struct str parts[] = { str_sub(in, 0, split), str_sub(in, split, SIZE_MAX) };
	struct str run;

	ret_rest->len = 0;
	for (size_t i = 0; i < 2; i++) {
		while (lmtp_data_next(&data, &parts[i], &run)) {
			cr_assert_gt(run.len, 0);
			buffer_add(out, run);
		}
		if (parts[i].len > 0)
			*ret_rest = str_from(parts[i].ptr, (size_t)(in.ptr + in.len - parts[i].ptr));
		if (lmtp_data_is_end(&data) && i == 0)
			*ret_rest = str_from(parts[0].ptr, (size_t)(in.ptr + in.len - parts[0].ptr));
		if (lmtp_data_is_end(&data))
			break;
	}
	*ret_is_end = lmtp_data_is_end(&data);
}

Test(lmtp_data, only_a_dot_between_two_crlfs_is_the_end_at_every_split)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str in = str_c(cases[i].in);

		for (size_t split = 0; split <= in.len; split++) {
			struct buffer out = { 0 };
			struct str rest;
			bool is_end;

			decode(in, split, &out, &rest, &is_end);
			cr_assert(str_equal(buffer_str(&out), str_c(cases[i].out)), "case %zu split %zu: \"%.*s\"", i, split,
			    STR_ARG(buffer_str(&out)));
			cr_assert_eq(is_end, cases[i].rest != NULL, "case %zu split %zu", i, split);
			if (is_end)
				cr_assert(str_equal(rest, str_c(cases[i].rest)), "case %zu split %zu: rest \"%.*s\"", i, split,
				    STR_ARG(rest));
			buffer_clear(&out);
		}
	}
}

Test(lmtp_data, byte_by_byte_is_the_same)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lmtp_data data = { 0 };
		struct buffer out = { 0 };
		struct str run;

		for (const char *at = cases[i].in; *at != '\0' && !lmtp_data_is_end(&data); at++) {
			struct str byte = str_from(at, 1);

			while (lmtp_data_next(&data, &byte, &run))
				buffer_add(&out, run);
		}
		cr_assert(str_equal(buffer_str(&out), str_c(cases[i].out)), "case %zu", i);
		buffer_clear(&out);
	}
}

Test(lmtp_data, nul_and_8_bit_bytes_are_data)
{
	struct str in = STR("\0\xff.\0\r\n.\r\n"), run;
	struct lmtp_data data = { 0 };

	cr_assert(lmtp_data_next(&data, &in, &run));
	cr_assert(str_equal(run, STR("\0\xff.\0\r\n")));
	cr_assert(!lmtp_data_next(&data, &in, &run));
	cr_assert(lmtp_data_is_end(&data));
}
