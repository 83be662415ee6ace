#include "services/imap/parser.h"

#include <criterion/criterion.h>

#include "services/imap/command.h"

static const struct imap_limits LIMITS = { 1000, 100 };

/* What the framer says of a command that arrives in pieces, the cuts at `a` and `b`; synchronising literals are granted. */
static enum imap_frame
frame_in_pieces(struct str bytes, size_t a, size_t b, struct imap_framer *framer)
{
	const size_t ends[] = { a, b, bytes.len };
	enum imap_frame frame = IMAP_FRAME_MORE;

	*framer = (struct imap_framer){ 0 };
	for (size_t i = 0; i < 3 && frame == IMAP_FRAME_MORE; i++) {
		frame = imap_frame(framer, &LIMITS, str_sub(bytes, 0, ends[i]));
		while (frame == IMAP_FRAME_CONTINUE) {
			imap_framer_grant(framer);
			frame = imap_frame(framer, &LIMITS, str_sub(bytes, 0, ends[i]));
		}
	}
	return frame;
}

Test(imap_parser, frames_commands_whatever_their_pieces)
{
	static const struct {
		const char *bytes;
		enum imap_frame frame;
		size_t len;
		bool has_message;
	} cases[] = {
		{ "a NOOP\r\n", IMAP_FRAME_READY, 8, false },
		{ "a NOOP\n", IMAP_FRAME_READY, 7, false },
		{ "a NOOP\r\nb NOOP\r\n", IMAP_FRAME_READY, 8, false },
		{ "a LOGIN {1}\r\nb {2}\r\ncd\r\n", IMAP_FRAME_READY, 24, false },
		{ "a LOGIN {1+}\r\nb {2+}\r\ncd\r\n", IMAP_FRAME_READY, 26, false },
		{ "a LOGIN {4+}\r\n{9}\n x\r\n", IMAP_FRAME_READY, 22, false },
		{ "a LOGIN {0+}\r\n x\r\n", IMAP_FRAME_READY, 18, false },
		{ "a APPEND x {5}\r\n", IMAP_FRAME_READY, 16, true },
		{ "a append x (\\Seen) {5+}\r\nhello\r\n", IMAP_FRAME_READY, 25, true },
		{ "a APPEND {1}\r\nx {5}\r\n", IMAP_FRAME_READY, 21, true },
		{ "a LOGIN {101}\r\n", IMAP_FRAME_TOO_BIG, 15, false },
		{ "a LOGIN {51+}\r\n123456789012345678901234567890123456789012345678901 {50}\r\n", IMAP_FRAME_TOO_BIG, 73, false },
		{ "a APPEND {101}\r\n", IMAP_FRAME_TOO_BIG, 16, false },
		{ "a LOGIN x", IMAP_FRAME_MORE, 0, false },
		{ "a LOGIN {3+}\r\nab", IMAP_FRAME_MORE, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str bytes = str_c(cases[i].bytes);

		for (size_t a = 0; a <= bytes.len; a++) {
			for (size_t b = a; b <= bytes.len; b++) {
				struct imap_framer framer;

				cr_assert_eq(frame_in_pieces(bytes, a, b, &framer), cases[i].frame, "%s cut at %zu, %zu", cases[i].bytes, a, b);
				if (cases[i].frame == IMAP_FRAME_MORE)
					continue;
				cr_assert_eq(framer.len, cases[i].len, "%s: %zu", cases[i].bytes, framer.len);
				cr_assert_eq(framer.has_message, cases[i].has_message, "%s", cases[i].bytes);
			}
		}
	}
}

Test(imap_parser, a_synchronising_literal_waits_for_its_plus)
{
	struct imap_framer framer = { 0 };
	struct str bytes = STR("a LOGIN {1}\r\nb {1}\r\nc\r\n");

	cr_assert_eq(imap_frame(&framer, &LIMITS, bytes), IMAP_FRAME_CONTINUE);
	cr_assert_eq(framer.len, 13);
	cr_assert_eq(imap_frame(&framer, &LIMITS, bytes), IMAP_FRAME_CONTINUE, "it is not granted by looking again");
	imap_framer_grant(&framer);
	cr_assert_eq(imap_frame(&framer, &LIMITS, bytes), IMAP_FRAME_CONTINUE);
	cr_assert_eq(framer.len, 20);
	imap_framer_grant(&framer);
	cr_assert_eq(imap_frame(&framer, &LIMITS, bytes), IMAP_FRAME_READY);
}

Test(imap_parser, lines_are_bounded_literals_not_counted)
{
	static char bytes[1200];
	struct imap_framer framer = { 0 };

	memset(bytes, 'x', sizeof(bytes));
	cr_assert_eq(imap_frame(&framer, &LIMITS, str_from(bytes, 1000)), IMAP_FRAME_MORE);
	cr_assert_eq(imap_frame(&framer, &LIMITS, str_from(bytes, 1001)), IMAP_FRAME_TOO_LONG);
	framer = (struct imap_framer){ 0 };
	memcpy(bytes, "a LOGIN {100+}\r\n", 16);
	cr_assert_eq(imap_frame(&framer, &LIMITS, str_from(bytes, 1100)), IMAP_FRAME_MORE);
	cr_assert_eq(imap_frame(&framer, &LIMITS, str_from(bytes, 1101)), IMAP_FRAME_TOO_LONG);
}

Test(imap_parser, a_continuation_is_one_line)
{
	struct imap_framer framer = { .is_line = true };

	cr_assert_eq(imap_frame(&framer, &LIMITS, STR("DONE {5}\r\n")), IMAP_FRAME_READY);
	cr_assert_eq(framer.len, 10);
	imap_framer_reset(&framer);
	cr_assert(framer.is_line);
}

/* Parse one command, framed as it comes. */
static enum err
parse(const char *text, struct arena *arena, struct imap_request *ret_request, struct imap_syntax *ret_syntax)
{
	struct str bytes = str_c(text);
	struct imap_framer framer;

	cr_assert_eq(frame_in_pieces(bytes, bytes.len, bytes.len, &framer), IMAP_FRAME_READY, "%s", text);
	return imap_parse(str_sub(bytes, 0, framer.len), &framer, arena, ret_request, ret_syntax);
}

Test(imap_parser, takes_every_command_of_rfc_3501)
{
	static const char *const cases[] = {
		"a CAPABILITY\r\n", "a noop\r\n", "a LOGOUT \r\n", "a STARTTLS\r\n", "a AUTHENTICATE PLAIN\r\n", "a AUTHENTICATE PLAIN =\r\n",
		"a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n", "a LOGIN alice secret\r\n", "a LOGIN \"al\\\"ice\" {6+}\r\nse\r\ncr\r\n",
		"a SELECT INBOX\r\n", "a EXAMINE \"a b\"\r\n", "a CREATE {1}\r\nx\r\n", "a DELETE x]\r\n", "a RENAME x y\r\n", "a SUBSCRIBE #x\r\n",
		"a UNSUBSCRIBE x\r\n", "a LIST \"\" *\r\n", "a LIST \"\" \"%\"\r\n", "a LSUB a/ b%*\r\n", "a STATUS x (MESSAGES)\r\n",
		"a STATUS x (messages RECENT uidnext UIDVALIDITY UNSEEN)\r\n", "a APPEND x {1}\r\n", "a APPEND x (\\Seen $A) {1}\r\n",
		"a APPEND x () {1+}\r\n", "a APPEND x \" 7-Jul-1996 02:44:25 -0700\" {1}\r\n",
		"a APPEND {1}\r\nx (\\Draft) \"17-Jul-1996 02:44:25 -0700\" {1}\r\n", "a CHECK\r\n", "a CLOSE\r\n", "a EXPUNGE\r\n",
		"a SEARCH ALL\r\n", "a UID SEARCH 1:* NOT DELETED\r\n", "a SEARCH CHARSET utf-8 TEXT {2}\r\n\xc3\xbc\r\n",
		"a SEARCH OR (FROM x TO y) (OR SEEN 2) BEFORE 1-Feb-1994 SENTON \"1-Feb-1994\"\r\n", "a SEARCH HEADER Message-ID \"\"\r\n",
		"a SEARCH UID 5,7 LARGER 1 SMALLER 4294967296 KEYWORD $x UNKEYWORD Nile\r\n", "a FETCH 1 ALL\r\n", "a FETCH 1 fast\r\n",
		"a FETCH 1:* FULL\r\n", "a FETCH 1 FLAGS\r\n", "a FETCH 1 (FLAGS BODY[])\r\n", "a FETCH 1 BODY\r\n", "a FETCH 1 BODYSTRUCTURE\r\n",
		"a FETCH 1 BODY.PEEK[HEADER.FIELDS (To \"From\" {2}\r\nCc)]<0.10>\r\n", "a FETCH 1 BODY[1.2.HEADER.FIELDS.NOT (x)]\r\n",
		"a FETCH 1 (BODY[TEXT] BODY[1] BODY[1.MIME] BODY[1.2.TEXT] BODY[HEADER])\r\n", "a UID FETCH 1 (RFC822 RFC822.TEXT RFC822.HEADER)\r\n",
		"a FETCH 1 (RFC822.SIZE INTERNALDATE ENVELOPE UID)\r\n", "a STORE 1 FLAGS (\\Seen)\r\n", "a STORE 1 +FLAGS.SILENT \\Seen x\r\n",
		"a UID STORE 1 -flags ()\r\n", "a STORE 1 FLAGS Nile\r\n", "a COPY 1:2 x\r\n", "a UID COPY * x\r\n",
		/* extensions */
		"a IDLE\r\n", "a NAMESPACE\r\n", "a UNSELECT\r\n", "a UID EXPUNGE 1\r\n", "a MOVE 1 x\r\n", "a UID MOVE 1 x\r\n", "a ID NIL\r\n",
		"a ID (\"name\" \"x\" \"version\" NIL)\r\n", "a ENABLE X Y\r\n", "a LIST (SPECIAL-USE) \"\" *\r\n",
		"a LIST \"\" * RETURN (SPECIAL-USE)\r\n",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct imap_request request;
		struct imap_syntax syntax = { 0 };

		cr_expect_eq(parse(cases[i], &arena, &request, &syntax), ERR_OK, "%s at %zu: %s", cases[i], syntax.at, syntax.why);
		cr_expect(str_equal(request.tag, STR("a")) && request.row, "%s", cases[i]);
		arena_clear(&arena);
	}
}

Test(imap_parser, says_where_and_why_it_refuses)
{
	static const struct {
		const char *line;
		size_t at;
	} cases[] = {
		{ " NOOP\r\n", 0 },
		{ "a\r\n", 0 },
		{ "+ NOOP\r\n", 0 },
		{ "a  NOOP\r\n", 2 },
		{ "a BOGUS\r\n", 7 },
		{ "a NOOP x\r\n", 7 },
		{ "a UID NOOP\r\n", 10 },
		{ "a UID LOGIN x y\r\n", 11 },
		{ "a LOGIN x\r\n", 9 },
		{ "a LOGIN x y z\r\n", 12 },
		{ "a LOGIN \"x y\r\n", 12 },
		{ "a LOGIN \"\\x\" y\r\n", 10 },
		{ "a LOGIN x{1}y z\r\n", 9 },
		{ "a SELECT\r\n", 8 },
		{ "a SELECT a(b\r\n", 10 },
		{ "a STATUS x ()\r\n", 12 },
		{ "a STATUS x (MESSAGES\r\n", 20 },
		{ "a STATUS x (BOGUS)\r\n", 12 },
		{ "a APPEND x hello\r\n", 11 },
		{ "a APPEND x (\\Bogus) {1}\r\n", 13 },
		{ "a APPEND x \"1-1-1\" {1}\r\n", 11 },
		{ "a FETCH 0 FLAGS\r\n", 8 },
		{ "a FETCH 1 BOGUS\r\n", 10 },
		{ "a FETCH 1 (FLAGS\r\n", 16 },
		{ "a FETCH 1 (ALL)\r\n", 11 },
		{ "a FETCH 1 BODY[0]\r\n", 15 },
		{ "a FETCH 1 BODY[MIME]\r\n", 15 },
		{ "a FETCH 1 BODY[1.]\r\n", 17 },
		{ "a FETCH 1 BODY[]<1>\r\n", 18 },
		{ "a FETCH 1 BODY[]<1.0>\r\n", 19 },
		{ "a FETCH 1 BODY[HEADER.FIELDS ()]\r\n", 30 },
		{ "a STORE 1 FLAGS NIL\r\n", 16 },
		{ "a STORE 1 FLAGS (nil)\r\n", 17 },
		{ "a STORE 1 FLAGS \\Recent\r\n", 17 },
		{ "a STORE 1 BLAGS x\r\n", 10 },
		{ "a SEARCH\r\n", 8 },
		{ "a SEARCH BOGUS\r\n", 9 },
		{ "a SEARCH (ALL\r\n", 13 },
		{ "a SEARCH BEFORE 1994\r\n", 16 },
		{ "a SEARCH NOT\r\n", 12 },
		{ "a IDLE now\r\n", 7 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct imap_request request;
		struct imap_syntax syntax = { 0 };

		cr_expect_eq(parse(cases[i].line, &arena, &request, &syntax), ERR_SYNTAX, "%s", cases[i].line);
		cr_expect_eq(syntax.at, cases[i].at, "%s: %zu, %s", cases[i].line, syntax.at, syntax.why);
		cr_expect_not_null(syntax.why, "%s", cases[i].line);
		arena_clear(&arena);
	}
}

Test(imap_parser, nul_is_refused_and_the_tag_known)
{
	struct arena arena = { 0 };
	struct imap_framer framer = { 0 };
	struct imap_request request;
	struct imap_syntax syntax;

	cr_assert_eq(imap_parse(STR("a7 LOGIN x \0\r\n"), &framer, &arena, &request, &syntax), ERR_SYNTAX);
	cr_assert(str_equal(request.tag, STR("a7")));
	cr_assert_eq(syntax.at, 11);
	arena_clear(&arena);
}

Test(imap_parser, nesting_is_bounded)
{
	static char line[4000] = "a SEARCH ";
	struct arena arena = { 0 };
	struct imap_request request;
	struct imap_syntax syntax = { 0 };
	size_t at = 9;

	for (size_t i = 0; i < 200; i++, at += 4)
		memcpy(line + at, "NOT ", 4);
	memcpy(line + at, "ALL\r\n", 6);
	cr_assert_eq(parse(line, &arena, &request, &syntax), ERR_SYNTAX);
	cr_assert_str_eq(syntax.why, "nested too deeply");
	arena_clear(&arena);
}

Test(imap_parser, every_command_has_a_run_and_one_name)
{
	for (size_t i = 0; imap_command_tables[i]; i++)
		for (const struct imap_command_row *row = imap_command_tables[i]; row->name; row++) {
			cr_expect_not_null(row->run, "%s", row->name);
			cr_expect_eq(imap_command_find(str_c(row->name), false), row, "%s is there twice", row->name);
		}
}
