/* Charsets, case folding, and the names of mailboxes.                             RFC 3501 s. 5.1.3, 6.4.4; RFC 5051; RFC 5198 */
#ifndef SORA_MAIL_CHARSET_H
#define SORA_MAIL_CHARSET_H

#include "libcommon/core/arena.h"
#include "libcommon/core/buffer.h"
#include "libcommon/core/err.h"

enum {
	MAIL_CHARSET_NAME_MAX = 60,
	MAIL_CHARSET_GROWTH = 6,      /* a text in UTF-8 has at most so many bytes for each byte it had */
	MAIL_MAILBOX_LEVEL_MAX = 255, /* bytes */
	MAIL_MAILBOX_NAME_MAX = 1000, /* bytes in all */
};

/* Conversion of a stream to UTF-8. */
struct mail_charset {
	int kind;
	void *iconv;
	struct buffer pending; /* the beginning of a character whose end has not come */
};

/*
 * From the charset `name` (any case). False, and nothing is open, when it is not known. Text in "us-ascii", or without a name, is
 * read as UTF-8, and byte for byte as Latin-1 where it is none, because that is what such mail contains.
 */
bool mail_charset_open(struct mail_charset *cs, struct str name);
/* Append `bytes` to `out` as UTF-8, U+FFFD for what is none of the charset, whole characters only. `is_last`: no more will come. */
void mail_charset_convert(struct mail_charset *cs, struct str bytes, bool is_last, struct buffer *out);
void mail_charset_close(struct mail_charset *cs);

/* Is `name` a charset we can read? For SEARCH CHARSET. */
bool mail_charset_is_known(struct str name);
/* All of `bytes` at once. False when the charset is not known, *ret is untouched then. */
bool mail_charset_to_utf8(struct str name, struct str bytes, struct arena *arena, struct str *ret_utf8);

/*
 * Text in the form in which SEARCH compares it (close to i;unicode-casemap, RFC 5051): case folded, compatibility forms and accents
 * decomposed. Appends to `out`, at most 18 times the length (1 for ASCII). What is no UTF-8 becomes U+FFFD.
 */
void mail_fold(struct str utf8, struct buffer *out);

/* The same in Unicode's normalisation form C. ERR_SYNTAX when it is no UTF-8. */
enum err mail_nfc(struct str utf8, struct arena *arena, struct str *ret_nfc);

/*
 * A mailbox's name as it is stored: NFC, "INBOX" as the first level in upper case, levels separated by "/".
 * ERR_INVALID: no UTF-8, empty, an empty level (so also "/" at either end), control characters (U+0000-1F, 7F-9F, 2028, 2029), a level or
 * the whole longer than the limits above, or a level "." or "..". The caller has taken off what CREATE allows at the end.
 */
enum err mail_mailbox_name(struct str utf8, struct arena *arena, struct str *ret_name);

/*
 * Mailbox names as IMAP4rev1 has them, in modified UTF-7 (RFC 3501 s. 5.1.3).
 * ERR_SYNTAX: 8-bit bytes or control characters, bad base64, an encoded printable ASCII character, a shift that is not ended or two in a row,
 * broken surrogates, bits left over.
 */
enum err mail_mutf7_decode(struct str mutf7, struct arena *arena, struct str *ret_utf8);
/* The reverse; `utf8` must be UTF-8 (ERR_SYNTAX). */
enum err mail_mutf7_encode(struct str utf8, struct arena *arena, struct str *ret_mutf7);

#endif
