/*
 * The bytes after DATA: dots taken off, the end found.                         RFC 5321 s. 4.1.1.4, 4.5.2
 *
 *	struct lmtp_data data = { 0 };
 *
 *	while (lmtp_data_next(&data, &in, &run))
 *		keep(run);
 *	if (!lmtp_data_is_end(&data))
 *		read more
 *
 * Pure. Only CRLF "." CRLF is the end (or "." CRLF at once): a bare CR or LF is a byte like any other, and stays as it is. What another
 * reader may take for the end of a line never ends the mail here (smuggling).
 */
#ifndef SORA_LMTP_DATA_H
#define SORA_LMTP_DATA_H

#include "libcommon/core/str.h"

enum lmtp_data_state {
	LMTP_DATA_LINE,   /* at the start of a line */
	LMTP_DATA_TEXT,   /* inside of one */
	LMTP_DATA_CR,     /* behind a CR, which was given out */
	LMTP_DATA_DOT,    /* behind the dot that starts a line */
	LMTP_DATA_DOT_CR, /* behind the CR after it: neither was given out */
	LMTP_DATA_END,
};

/* Zeroed: at the beginning. */
struct lmtp_data {
	enum lmtp_data_state state;
};

/*
 * Take bytes from the front of `*in`; the next of the mail's own are `*ret_run`, never empty, a view of `*in` or static.
 * False: `*in` is used up, or the end was seen, and what follows it is left in `*in`.
 */
bool lmtp_data_next(struct lmtp_data *data, struct str *in, struct str *ret_run);

static inline bool
lmtp_data_is_end(const struct lmtp_data *data)
{
	return data->state == LMTP_DATA_END;
}

#endif
