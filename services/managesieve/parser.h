/*
 * Bytes to requests: where a command ends, and what its arguments are.                                 RFC 5804 s. 1.2, 4
 *
 * Pure: no I/O, no session.
 */
#ifndef SORA_MANAGESIEVE_PARSER_H
#define SORA_MANAGESIEVE_PARSER_H

#include "libcommon/core/arena.h"
#include "libcommon/core/buffer.h"
#include "libcommon/core/err.h"

/* ---- framing */

struct managesieve_limits {
	size_t line_bytes;    /* all lines of a command together, line ends included */
	size_t literal_bytes; /* all its literals together */
	uint64_t skip_bytes;  /* of literals that are more than that: so many are thrown away, as they come */
};

enum managesieve_frame {
	MANAGESIEVE_FRAME_MORE,     /* not all there yet */
	MANAGESIEVE_FRAME_READY,    /* `len` bytes are a command; with `is_refused` the end of one whose literals were too big */
	MANAGESIEVE_FRAME_SKIP,     /* `len` bytes are to be thrown away: consume them, then managesieve_framer_skipped */
	MANAGESIEVE_FRAME_TOO_LONG, /* beyond what can be thrown away: the connection ends */
};

/* How far the look at one command's bytes has come. Zeroed: at its first byte. */
struct managesieve_framer {
	size_t at;         /* where the current line begins */
	size_t scanned;    /* no line end before this */
	size_t literals;   /* bytes of literals before `at` */
	bool is_refused;   /* a literal is too big */
	uint64_t pending;  /* bytes that are still to be thrown away */
	size_t lines;      /* bytes of lines that were */
	uint64_t thrown;   /* and of literals */
	size_t len;        /* out */
};

/* Look at `input`, which begins with the command's first byte and only grows between calls, or is what is left after a SKIP. */
enum managesieve_frame managesieve_frame(struct managesieve_framer *framer, const struct managesieve_limits *limits, struct str input);
/* What SKIP asked for is gone. */
void managesieve_framer_skipped(struct managesieve_framer *framer);

/* ---- requests */

enum { MANAGESIEVE_ARGS_MAX = 3 };

struct managesieve_arg {
	bool is_number;
	uint32_t number;
	struct str text; /* of a string */
};

struct managesieve_request {
	struct str name;
	struct managesieve_arg args[MANAGESIEVE_ARGS_MAX];
	size_t count;
};

/*
 * Parse one framed command, or, by the second function, a line that is a string alone (SASL's responses). Strings are views of `line` or live
 * in `arena`. ERR_SYNTAX: *reterr_why is a literal.
 */
enum err managesieve_parse(struct str line, struct arena *arena, struct managesieve_request *ret, const char **reterr_why);
enum err managesieve_parse_string(struct str line, struct arena *arena, struct str *ret, const char **reterr_why);

/* Are the arguments these? A letter each, in order: s a string, n a number; those behind `?` may be left out. */
bool managesieve_has_args(const struct managesieve_request *request, const char *kinds);

/* ---- strings on their way to the client (string.c) */

/* A quoted string, or a literal where it has to be: of more than 1024 octets, of several lines, not UTF-8. */
void managesieve_add_string(struct buffer *out, struct str text);
void managesieve_add_literal(struct buffer *out, struct str text);
bool managesieve_is_quotable(struct str text);

#endif
