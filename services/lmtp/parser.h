/*
 * Command lines: bytes -> verb and arguments.                                  RFC 5321 s. 4.1.1, 4.1.2
 *
 * Pure: no I/O, no session.
 */
#ifndef SORA_LMTP_PARSER_H
#define SORA_LMTP_PARSER_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"
#include "libcommon/mail/address.h"

enum {
	LMTP_LINE_MAX = 4096, /* bytes with the line end; RFC 5321 s. 4.5.3.1.4 says 512 and more by extensions */
	LMTP_PARAMS_MAX = 20,
};

/* One command line, views of the input. */
struct lmtp_request {
	struct str verb, args; /* `args` is trimmed of spaces */
};

/*
 * The command line at the front of `in`.
 *
 * ERR_OK      *ret_request and *ret_used (bytes, with the line end) are set
 * ERR_AGAIN   more bytes are needed
 * ERR_SYNTAX  *ret_used is set: the line ends in a bare LF, or has control characters in it. What follows can not be trusted to be
 *             a command of the client's own.
 * ERR_TOO_BIG no line end in LMTP_LINE_MAX bytes
 */
enum err lmtp_parse(struct str in, struct lmtp_request *ret_request, size_t *ret_used);

/* "SIZE=1000": `value` is empty where there is none. */
struct lmtp_param {
	struct str name, value;
};

/* What MAIL and RCPT say. */
struct lmtp_path_args {
	struct mail_path path;
	struct lmtp_param params[LMTP_PARAMS_MAX];
	size_t param_count;
};

/*
 * "FROM:<a@example.org> SIZE=1000", `keyword` being "FROM:". In `arena` and views of `args`.
 *
 * ERR_OK
 * ERR_SYNTAX  no keyword, or parameters that are none, or too many
 * ERR_INVALID the path is none
 */
enum err lmtp_parse_path(struct str args, struct str keyword, struct arena *arena, struct lmtp_path_args *ret);

#endif
