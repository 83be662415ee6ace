/* The Content-* fields of a part, for structure.c.                                    RFC 2045 s. 5.1, 6.1; RFC 2183; RFC 3282 */
#ifndef SORA_MAIL_CONTENT_H
#define SORA_MAIL_CONTENT_H

#include "libcommon/mail/structure.h"

/*
 * Each sets what the field says in `part`, its strings in `arena` (within that arena's limit: what does not fit is left out and makes
 * the result false). A field that is empty or says nothing leaves the part alone.
 */
bool mail_content_type(struct str value, struct arena *arena, struct mail_part *part);
bool mail_content_encoding(struct str value, struct arena *arena, struct mail_part *part);
bool mail_content_disposition(struct str value, struct arena *arena, struct mail_part *part);
bool mail_content_language(struct str value, struct arena *arena, struct mail_part *part);
bool mail_content_id(struct str value, struct arena *arena, struct mail_part *part);
bool mail_content_description(struct str value, struct arena *arena, struct mail_part *part);
bool mail_content_location(struct str value, struct arena *arena, struct mail_part *part);
bool mail_content_md5(struct str value, struct arena *arena, struct mail_part *part);

/* A copy of the unfolded `value` in `arena`, if its limit allows; else false and *ret is left alone. */
bool mail_keep_unfolded(struct str value, struct arena *arena, struct str *ret);

#endif
