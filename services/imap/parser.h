/*
 * Bytes to requests: framing, and the verbs with which commands parse their arguments.         RFC 3501 s. 2.2, 4, 9; RFC 7888
 *
 * Nothing here does I/O or knows of a session, so that tests and the fuzzer use it alone.
 */
#ifndef SORA_IMAP_PARSER_H
#define SORA_IMAP_PARSER_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"
#include "services/imap/set.h"

struct imap_limits {
	size_t line_bytes;    /* all lines of a command together, line ends included */
	size_t literal_bytes; /* all its literals together, but a message's */
};

/* ---- framing */

enum imap_frame {
	IMAP_FRAME_MORE,      /* not all there yet */
	IMAP_FRAME_READY,     /* `len` bytes are a command; or, with has_message, one up to the message's literal */
	IMAP_FRAME_CONTINUE,  /* a synchronising literal waits for its "+": grant it with imap_framer_grant */
	IMAP_FRAME_TOO_LONG,  /* the lines are longer than allowed */
	IMAP_FRAME_TOO_BIG,   /* the literal that `len` bytes announce is bigger than allowed */
};

/* How far the look at one command's bytes has come. Zeroed: at its first byte. */
struct imap_framer {
	size_t at;            /* where the current line begins */
	size_t scanned;       /* no line end before this */
	size_t literals;      /* bytes of literals before `at` */
	size_t granted;       /* synchronising literals that begin up to here have their "+" */
	bool is_line;         /* in: one line and no more (IDLE's DONE, a SASL response) */
	size_t len;           /* out */
	uint64_t literal;     /* out, with CONTINUE, TOO_BIG, has_message: octets of the literal behind `len` */
	bool is_sync;         /* out: it waits for "+" */
	bool has_message;     /* out: the literal is a message, which the command's run takes from the connection */
};

/*
 * Look at `input`, which begins with the command's first byte and only grows between calls. Does a literal of the command
 * called `name` hold a message? imap_takes_message says so: of APPEND, every literal but the mailbox's name.
 */
enum imap_frame imap_frame(struct imap_framer *framer, const struct imap_limits *limits, struct str input);
/* The "+" for the literal that was waited for has been sent. */
void imap_framer_grant(struct imap_framer *framer);
/* The command is done; its bytes have been consumed. */
void imap_framer_reset(struct imap_framer *framer);

/* Does a line (without its line end) announce a literal: "{12}", "{12+}"? */
bool imap_line_literal(struct str line, uint64_t *ret_size, bool *ret_is_sync);

/* ---- requests */

/* Where a command is wrong (bytes from its beginning), and why. */
struct imap_syntax {
	size_t at;
	const char *why;
};

struct imap_command_row;

struct imap_request {
	struct str tag;
	struct str name;                    /* as typed, without UID */
	const struct imap_command_row *row; /* NULL: no such command */
	bool is_uid;
	void *args;                         /* the row's own */
	bool has_message;                   /* args end at the literal of a message: */
	uint64_t message_size;
	bool is_sync;
};

/*
 * Parse one framed command, its line end included.
 *
 * ERR_OK      *ret_request is set; its strings are views of `line`, or live in `arena`
 * ERR_SYNTAX  *reterr_syntax says where and why; ret_request->tag (empty when there was none), ->name and ->row are as far as it came
 */
enum err imap_parse(struct str line, const struct imap_framer *framer, struct arena *arena, struct imap_request *ret_request,
    struct imap_syntax *reterr_syntax);

/* ---- verbs: each takes what it names from the front, or fails with a reason and takes nothing that matters */

struct imap_cursor {
	struct str in;
	size_t at;
	struct arena *arena;
	bool is_uid;
	unsigned depth; /* of nesting, for what recurses */
	const struct imap_request *request;
	struct imap_syntax *error;
};

enum { IMAP_DEPTH_MAX = 50 };

/* Character classes, by the names of RFC 3501 s. 9. */
enum imap_class {
	IMAP_ATOM_CHAR = 1,
	IMAP_ASTRING_CHAR = 2,
	IMAP_TAG_CHAR = 4,
	IMAP_LIST_CHAR = 8,
	IMAP_DIGIT = 16,
	IMAP_TEXT_CHAR = 32,
	IMAP_FETCH_NAME_CHAR = 64, /* of a FETCH item: an atom that ends at "[" and "<" */
};
bool imap_is(char c, enum imap_class mask);

/* Note why and where; returns ERR_SYNTAX. `why` is a literal. */
enum err cur_fail(struct imap_cursor *cur, const char *why);
/* Is `c` next? */
bool cur_is(const struct imap_cursor *cur, char c);
/* Is the line's end next? */
bool cur_is_end(const struct imap_cursor *cur);
/* Take `c` if it is next. */
bool cur_take(struct imap_cursor *cur, char c);
/* Take `word` (any case) if it is next, whatever follows it. */
bool cur_take_word(struct imap_cursor *cur, const char *word);
/* Take `c`, which must be next. */
enum err cur_byte(struct imap_cursor *cur, char c);
enum err cur_space(struct imap_cursor *cur);
enum err cur_end(struct imap_cursor *cur);

/* At least one character of the class. */
enum err cur_chars(struct imap_cursor *cur, enum imap_class mask, const char *what, struct str *ret);
enum err cur_atom(struct imap_cursor *cur, struct str *ret);
/* A quoted string or a literal. */
enum err cur_string(struct imap_cursor *cur, struct str *ret);
enum err cur_astring(struct imap_cursor *cur, struct str *ret);
/* *ret has ptr NULL for NIL. */
enum err cur_nstring(struct imap_cursor *cur, struct str *ret);
/* The pattern of LIST and LSUB. */
enum err cur_list_mailbox(struct imap_cursor *cur, struct str *ret);
enum err cur_number(struct imap_cursor *cur, uint32_t *ret);
/* Up to 2^63 - 1. */
enum err cur_number64(struct imap_cursor *cur, uint64_t *ret);
enum err cur_nz_number(struct imap_cursor *cur, uint32_t *ret);
enum err cur_set(struct imap_cursor *cur, struct imap_set *ret);
/* date of SEARCH, quoted or not: days since 1970. */
enum err cur_date(struct imap_cursor *cur, int32_t *ret_day);

#endif
