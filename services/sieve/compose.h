/* Messages that scripts make: fields that any reader can read, bodies that any MTA can carry (7 bit, no long lines).    RFC 5322, 2047, 2045 */
#ifndef SORA_SIEVE_COMPOSE_H
#define SORA_SIEVE_COMPOSE_H

#include "services/sieve/ext.h"

/* "Name: value", folded; what is not ASCII becomes encoded words (RFC 2047). Line ends and controls in the value become blanks. */
void sieve_add_field(struct buffer *out, const char *name, struct str value);
/* The same of a field with one address, as scripts write it: only its display name is encoded. */
void sieve_add_address_field(struct buffer *out, const char *name, struct str value);

/*
 * What every automatic answer begins with: Date, Message-ID, Auto-Submitted: auto-replied, and In-Reply-To and References to the
 * message that is answered, if it has a Message-ID (RFC 3834 s. 3.1, RFC 5322 s. 3.6.4).
 */
enum err sieve_add_reply_fields(struct sieve_run *run, struct buffer *out);

/* Content-Type (text/plain), Content-Transfer-Encoding, an empty line and the text (UTF-8): as it is, or quoted-printable. */
void sieve_add_text_part(struct buffer *out, struct str text);

/* `text` in `arena` with CRLF for each line end of any kind; NUL and other controls but tabs become blanks. */
struct str sieve_lines(struct arena *arena, struct str text);

/* The text of the first field of this name as people read it; empty when there is none. */
enum err sieve_first_text(struct sieve_run *run, struct str name, struct str *ret_text);

bool sieve_is_ascii(struct str text);

#endif
