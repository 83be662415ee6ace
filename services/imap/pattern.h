/* The patterns of LIST and LSUB: "*" is anything, "%" is anything but the separator.                    RFC 3501 s. 6.3.8 */
#ifndef SORA_IMAP_PATTERN_H
#define SORA_IMAP_PATTERN_H

#include "libcommon/core/str.h"

enum { IMAP_SEPARATOR = '/' };

/*
 * Does the name match all of the pattern? What stands before the first
 * wildcard matches INBOX, as the first level, in any case. Both are UTF-8.
 */
bool imap_pattern_matches(struct str pattern, struct str name);

#endif
