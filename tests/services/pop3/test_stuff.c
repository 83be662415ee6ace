#include "services/pop3/stuff.h"

#include <criterion/criterion.h>

#include "libcommon/core/buffer.h"

static void
stuff(struct str message, size_t step, uint64_t lines, struct buffer *out)
{
	struct pop3_stuffer stuffer = { .lines = lines };
	struct str run;

	for (size_t at = 0; at < message.len && !stuffer.is_done; at += step) {
		struct str piece = str_sub(message, at, step);

		while (pop3_stuff(&stuffer, &piece, &run))
			buffer_add(out, run);
	}
	buffer_add(out, pop3_stuff_end(&stuffer));
}

Test(pop3_stuff, a_message_is_the_same_in_any_pieces)
{
	static const struct {
		const char *message;
		uint64_t lines;
		const char *wire;
	} cases[] = {
		{ "", POP3_ALL_LINES, ".\r\n" },
		{ "A: b\r\n\r\nc\r\n", POP3_ALL_LINES, "A: b\r\n\r\nc\r\n.\r\n" },
		{ "no end", POP3_ALL_LINES, "no end\r\n.\r\n" },
		{ "bare\n", POP3_ALL_LINES, "bare\n\r\n.\r\n" },
		{ "x\r", POP3_ALL_LINES, "x\r\r\n.\r\n" },
		{ ".\r\n", POP3_ALL_LINES, "..\r\n.\r\n" },
		{ ".", POP3_ALL_LINES, "..\r\n.\r\n" },
		{ "a\r\n.\r\n..b\r\n.c\r\n", POP3_ALL_LINES, "a\r\n..\r\n...b\r\n..c\r\n.\r\n" },
		{ "a\n.\nb\r.c\r\n", POP3_ALL_LINES, "a\n..\nb\r.c\r\n.\r\n" },
		{ "a\r\n\r\n1\r\n2\r\n", 0, "a\r\n\r\n.\r\n" },
		{ "a\r\n\r\n1\r\n2\r\n", 1, "a\r\n\r\n1\r\n.\r\n" },
		{ "a\r\n\r\n1\r\n2\r\n", 2, "a\r\n\r\n1\r\n2\r\n.\r\n" },
		{ "a\r\n\r\n1\r\n2\r\n", 3, "a\r\n\r\n1\r\n2\r\n.\r\n" },
		{ "a\r\n\r\n\r\n\r\n2\r\n", 2, "a\r\n\r\n\r\n\r\n.\r\n" },
		{ "a\r\n\r\n.1\r\n.2\r\n", 1, "a\r\n\r\n..1\r\n.\r\n" },
		{ "a\n\nb\nc\n", 1, "a\n\nb\n\r\n.\r\n" },
		{ "a\r\n", 5, "a\r\n.\r\n" },
		{ "\r\nb\r\nc\r\n", 1, "\r\nb\r\n.\r\n" },
		{ "a\r\n\rx\r\n\r\nb\r\n", 0, "a\r\n\rx\r\n\r\n.\r\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str message = str_c(cases[i].message);

		for (size_t step = 1; step <= message.len + 1; step++) {
			struct buffer out = { 0 };

			stuff(message, step, cases[i].lines, &out);
			cr_assert(str_equal(buffer_str(&out), str_c(cases[i].wire)), "case %zu, pieces of %zu: \"%.*s\"", i, step,
			    STR_ARG(buffer_str(&out)));
			buffer_clear(&out);
		}
	}
}
