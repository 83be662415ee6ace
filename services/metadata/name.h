/* Names: of mailboxes (UTF-8, NFC, separator '/'), and the addresses of accounts. */
#ifndef SORA_METADATA_NAME_H
#define SORA_METADATA_NAME_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

/* As it is looked up: INBOX, alone or as the first level, is written so in whatever case it came (RFC 3501 s. 5.1). */
struct str mailbox_name(struct arena *arena, struct str name);
/*
 * As a new mailbox may be called; a separator at the end is dropped (RFC 3501 s. 6.3.3). ERR_INVALID: not UTF-8, control characters, an
 * empty level, a level of more than 255 bytes, more than 1000 in all. ERR_CANNOT: in a reserved namespace.
 */
enum err mailbox_name_new(struct arena *arena, struct str name, struct str *ret);

/*
 * The name of a Sieve script (RFC 5804 s. 1.6, RFC 5198 s. 2), NFC. ERR_INVALID: empty or more than 512 bytes, not UTF-8, with control
 * characters, line or paragraph separators, unassigned characters, or a byte order mark in front.
 */
enum err script_name(struct arena *arena, struct str name, struct str *ret);

/* An address as it is looked up: case folded, NFC. ERR_INVALID: not one (user@domain without white space, at most 512 bytes). */
enum err address_fold(struct arena *arena, struct str address, struct str *ret);
/* The address without its detail (user+detail@domain); false: it has none. */
bool address_without_detail(struct arena *arena, struct str address, struct str separator, struct str *ret);

#endif
