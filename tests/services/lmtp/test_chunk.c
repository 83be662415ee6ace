#include "services/lmtp/chunk.h"

#include <criterion/criterion.h>

/* RFC 3030 s. 2: chunk-size is digits, end-marker is LAST. */
Test(lmtp_chunk, arguments_are_a_length_and_perhaps_last)
{
	static const struct {
		const char *args;
		enum err err;
		uint64_t left;
		bool is_last;
	} cases[] = {
		{ "0", ERR_OK, 0, false },
		{ "10 LAST", ERR_OK, 10, true },
		{ "18446744073709551615   last", ERR_OK, UINT64_MAX, true },
		{ "7 FIRST", ERR_INVALID, 7, false },
		{ "7 LAST LAST", ERR_INVALID, 7, false },
		{ "18446744073709551616", ERR_SYNTAX, 0, false },
		{ "", ERR_SYNTAX, 0, false },
		{ "LAST", ERR_SYNTAX, 0, false },
		{ "-1 LAST", ERR_SYNTAX, 0, false },
		{ "+1", ERR_SYNTAX, 0, false },
		{ "1x", ERR_SYNTAX, 0, false },
		{ "0x10", ERR_SYNTAX, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lmtp_chunk chunk = { 0 };

		cr_assert_eq(lmtp_chunk_parse(str_c(cases[i].args), &chunk), cases[i].err, "%s", cases[i].args);
		if (cases[i].err != ERR_SYNTAX)
			cr_assert(chunk.left == cases[i].left && chunk.is_last == cases[i].is_last, "%s", cases[i].args);
	}
}

Test(lmtp_chunk, takes_so_many_bytes_and_not_one_more)
{
	struct str sent = STR("\r\n.\r\nBDAT 3\r\n");

	for (size_t step = 1; step <= sent.len; step++) {
		struct lmtp_chunk chunk = { .left = 5 };
		size_t taken = 0;

		for (size_t at = 0; at < sent.len; at += step) {
			struct str in = str_sub(sent, at, step), piece = lmtp_chunk_take(&chunk, &in);

			cr_assert(str_equal(piece, str_sub(sent, at, piece.len)), "step %zu", step);
			taken += piece.len;
		}
		cr_assert(taken == 5 && chunk.left == 0, "step %zu: %zu", step, taken);
	}
}
