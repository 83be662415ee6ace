/*
 * A message on the wire: dots stuffed, ended by CRLF.CRLF; or only its first lines.                   RFC 1939 s. 3, 7 (TOP)
 *
 *	struct pop3_stuffer out = { .lines = POP3_ALL_LINES };
 *
 *	while (more && !out.is_done) {
 *		in = bytes;
 *		while (pop3_stuff(&out, &in, &run))
 *			net_write(conn, run);
 *	}
 *	net_write(conn, pop3_stuff_end(&out));
 *
 * Pure. Bytes are sent as they are stored, bare CR and LF too, for signatures are over them. A line begins behind each LF, bare or not, as
 * clients see it that way: a dot there is doubled.
 */
#ifndef SORA_POP3_STUFF_H
#define SORA_POP3_STUFF_H

#include "libcommon/core/str.h"

#define POP3_ALL_LINES UINT64_MAX

/* Zeroed but for `lines`: at the beginning. */
struct pop3_stuffer {
	uint64_t lines;      /* of the body that are wanted; POP3_ALL_LINES: the whole message */
	bool is_done;        /* they have been given out */
	bool is_within_line, is_after_cr;
	bool is_dot_due;     /* a second one, for the dot that comes */
	bool is_body, has_bytes, ends_in_cr, ends_in_crlf;
};

/* Take bytes from the front of `*in`; the next to send are `*ret_run`, a view of `*in` or static. False: `*in` is used up, or all is done. */
bool pop3_stuff(struct pop3_stuffer *out, struct str *in, struct str *ret_run);
/* What ends the answer. */
struct str pop3_stuff_end(const struct pop3_stuffer *out);

#endif
