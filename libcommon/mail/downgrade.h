/*
 * Headers for those who understand only ASCII: what has other bytes is said in another way, or left out.                RFC 6858
 */
#ifndef SORA_MAIL_DOWNGRADE_H
#define SORA_MAIL_DOWNGRADE_H

#include "libcommon/core/arena.h"
#include "libcommon/core/buffer.h"

/* Is every byte ASCII? */
bool mail_is_ascii(struct str text);

/*
 * Append the fields of a header block, without the empty line at its end, to `out`; those that are ASCII as they are. Of the others, Subject
 * and the names in address fields become encoded words (RFC 2047), an address gives way to one that is invalid and says which it was, a
 * parameter of a MIME field is left out, and so is any other field.
 */
void mail_downgrade_header(struct str header, struct buffer *out);

#endif
