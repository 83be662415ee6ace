/* What a sender is told of a mail that was given up.                                        RFC 3464, 3834, 6522, 6533 */
#ifndef SORA_WORKER_BOUNCE_H
#define SORA_WORKER_BOUNCE_H

#include "libcommon/core/arena.h"

struct bounce {
	struct str hostname;      /* who we are */
	struct str remote;        /* who refused it; empty: nobody */
	struct str id;            /* of this bounce alone: of letters and digits */
	struct str sender, recipient, message_id;
	struct str status, reply; /* "5.1.1", "550 5.1.1 no such user" */
	struct str header;        /* of the mail, prefix and all; may be cut */
	int64_t arrived_s, now_s; /* since 1970 */
	bool is_expired;          /* tried in vain for long, not refused */
};

/* The whole message, and its Message-ID with angle brackets, in `arena`. */
struct str bounce_make(const struct bounce *bounce, struct arena *arena, struct str *ret_message_id);

/* The header of a mail that begins with these bytes: up to its empty line, in whole lines, at most `max`. */
struct str bounce_header(struct str bytes, size_t max);

#endif
