/*
 * MAILBOXID and EMAILID: what clients, and their Sieve scripts, call a mailbox or a mail for ever.                  RFC 8474 s. 4, 5, 8.1
 *
 * A letter, then in base32 the account's number (so that an id means nothing in any other account, nor in one that is made anew under the same
 * address: a script or a client's cache that is carried there finds nothing, rather than something else) and the object's own in it.
 */
#ifndef SORA_MAIL_OBJECTID_H
#define SORA_MAIL_OBJECTID_H

#include "libcommon/core/str.h"

enum mail_object { MAIL_OBJECT_MAILBOX = 'F', MAIL_OBJECT_EMAIL = 'M' };
enum { MAIL_OBJECTID_SIZE = 28, MAIL_OBJECTID_MAX = 255 /* of anybody's */ };

/* The id of an object, with its NUL, in `ret`, which is returned. `number` is not 0. */
const char *mail_objectid_print(enum mail_object kind, uint64_t account, uint64_t number, char ret[static MAIL_OBJECTID_SIZE]);
/* The number that was printed so; 0: this is the id of no such object of this account. Case counts. */
uint64_t mail_objectid_parse(enum mail_object kind, uint64_t account, struct str id);
/* Could it be somebody's: 1 to 255 of A-Z a-z 0-9 _ -? */
bool mail_objectid_is_valid(struct str id);

#endif
