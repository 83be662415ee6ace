/*
 * Command lines: bytes -> keyword and arguments.                                            RFC 1939 s. 3, RFC 2449 s. 4
 *
 * Pure: no I/O, no session.
 */
#ifndef SORA_POP3_PARSER_H
#define SORA_POP3_PARSER_H

#include "libcommon/core/err.h"
#include "libcommon/core/str.h"

enum {
	POP3_LINE_MAX = 4096, /* bytes with the line end; RFC 2449 s. 4 says 255, and longer names and passwords are harmless */
	POP3_NUMBERS_MAX = 2,
};

/* What a command takes. */
enum pop3_args {
	POP3_ARGS_NONE,
	POP3_ARGS_TEXT,          /* one word at least */
	POP3_ARGS_TEXT_OPTIONAL,
	POP3_ARGS_VERBATIM,      /* all there is behind the first space: a password may have spaces, at its ends too */
	POP3_ARGS_MESSAGE,       /* a message's number */
	POP3_ARGS_MESSAGE_OPTIONAL,
	POP3_ARGS_MESSAGE_LINES, /* and a count */
};

/* One command line, views of the input. */
struct pop3_request {
	struct str keyword;
	struct str text; /* behind the first space */
	uint32_t numbers[POP3_NUMBERS_MAX];
	size_t count;    /* of numbers */
};

/*
 * The command line at the front of `in`; a line that ends in a bare LF is one.
 *
 * ERR_OK      *ret_request and *ret_used (bytes, with the line end) are set
 * ERR_AGAIN   more bytes are needed
 * ERR_TOO_BIG no line end in POP3_LINE_MAX bytes
 */
enum err pop3_parse(struct str in, struct pop3_request *ret_request, size_t *ret_used);

/* Are the arguments as the command takes them? Sets the numbers. ERR_SYNTAX: not these, too many or too few. */
enum err pop3_parse_args(struct pop3_request *request, enum pop3_args kind);

#endif
