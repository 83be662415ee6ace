/* Does a text contain a string? For SEARCH: streams of any length, in any encoding and charset, case folded. */
#ifndef SORA_MAIL_MATCH_H
#define SORA_MAIL_MATCH_H

#include "libcommon/mail/charset.h"
#include "libcommon/mail/decode.h"

struct mail_match {
	struct str needle; /* folded (mail_fold); the caller keeps it */
	struct mail_decoder decoder;
	struct mail_charset charset;
	bool is_found;
	struct buffer decoded, utf8, folded;
};

/*
 * Look for `needle` (folded) in the body of a part in this encoding and charset (empty or unknown: UTF-8, Latin-1 where it is none).
 * An empty needle is found in everything.
 */
void mail_match_init(struct mail_match *match, struct str needle, enum mail_encoding encoding, struct str charset);
/* The next bytes, `is_last` with the last ones; memory is about 30 times of one call's bytes, so give pieces. True once it was found. */
bool mail_match_feed(struct mail_match *match, struct str bytes, bool is_last);
void mail_match_clear(struct mail_match *match);

/* Does `utf8` contain `needle` (folded)? */
bool mail_match_text(struct str utf8, struct str needle);

#endif
