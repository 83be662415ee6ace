/*
 * A file of cases: what Sieve's RFCs say, each rule as a script, a message and what must come of it.
 *
 * The first line cites the rule: "# RFC 5228 s. 2.7.1: what it claims". Then sections follow, each "name: argument" or "name:" and lines that
 * begin with a tab. They are read from the top: a section sets something for what stands below, or checks what stands above. Between "<<" and ">>"
 * are bytes that a file cannot show: <<00 0d>> in hexadecimal; <<repeat 15 text>>; <<>> is nothing, an empty line at the end of a message.
 * Lines end with CRLF.
 *
 *	script:                        the user's own script
 *	before NAME: after NAME:       the administrator's scripts, run before and after it
 *	personal NAME: global NAME:    what it may include
 *	message:                       header, empty line, body; without: message A of RFC 5228 s. 1.2
 *	from: to: address: addresses:  MAIL FROM, RCPT TO, the owner's main address and the others, separated by spaces
 *	separator: +                   of +detail; "none": there is none
 *	environment: NAME=VALUE        an item of RFC 5183
 *	mailbox: NAME [specialuse=\Archive] [id=F1]     one that exists
 *	now: 2026-11-26T12:00:00+01:00
 *	limit: redirects=2             a field of struct sieve_limits
 *	require: "a", "b"              what true: and false: declare
 *	setup:                         commands before each test of true: and false:
 *	remember:                      from here on, marks stay from one run to the next, and what a mark forbids is not sent
 *
 *	actions:                       the script runs, and these are its actions, as sieve_print_result has them
 *	failure: [LINE] [TEXT]         it fails at run time, there, and the text says this
 *	problems:                      it does not compile; a line for each problem: "LINE:COLUMN TEXT", "LINE:" or "warning LINE:COLUMN TEXT"
 *	true: false:                   tests, one a line (a second tab goes on with the line before): what each must be
 *	valid: invalid:                scripts, one a line, that must or must not compile
 *	sent:                          lines of the message that the last run sends, in this order; "..." at the end is anything, "!" before: not there
 *	header:                        the header block as the last run changed it; "header: unchanged"
 */
#ifndef SORA_TESTS_SIEVE_CASE_H
#define SORA_TESTS_SIEVE_CASE_H

#include "libcommon/core/arena.h"

struct section {
	struct str name;     /* "script", "before" */
	struct str argument; /* what stands behind the name or the colon */
	struct str *lines;   /* without their tab and line end, "<<" ">>" undone */
	size_t line_count;
	unsigned line;       /* of the name, from 1 */
};

struct case_file {
	struct section *sections;
	size_t count;
	struct str rule; /* the first line, without "# " */
};

/* Read `path`; strings live in `arena`. NULL, or what is wrong with the file. */
const char *case_read(const char *path, struct arena *arena, struct case_file *ret_file);

/* The lines of a section, each with CRLF behind it; of one without lines, its argument. */
struct str case_text(const struct section *section, struct arena *arena);

#endif
