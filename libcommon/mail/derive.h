/*
 * What is stored about a message so that it never has to be parsed again: ready to send, or ready to find ranges of the blob.
 *
 * A stored message is `prefix` (the trace fields of this copy, 4 KiB at most, in its row) and the blob. The blob is what was
 * parsed, and every number here is about it alone. A reader adds the prefix to the message's own
 *	RFC822.SIZE                         prefix length + size
 *	BODY[], RFC822                      prefix, then the blob
 *	BODY[HEADER], RFC822.HEADER         prefix, then the header
 *	BODY[HEADER.FIELDS ..]              what the filter leaves of the prefix, then what it leaves of the header
 * and to nothing else: BODY[TEXT] and all sections with a part number are ranges of the blob; ENVELOPE, BODYSTRUCTURE and
 * BODY are as they stand here. (mail_range.has_prefix says it too.)
 */
#ifndef SORA_MAIL_DERIVE_H
#define SORA_MAIL_DERIVE_H

#include "libcommon/mail/date.h"
#include "libcommon/mail/structure.h"

/* The version of the code that made a row; the worker derives rows of older ones anew. Raise it with any change of output. */
enum { MAIL_DERIVE_VERSION = 2 };

struct mail_derived {
	uint32_t parser_version;
	/*
	 * IMAP syntax, RFC 3501 s. 7.4.2, without the name of the item before it. Strings are quoted, or literals ("{n}\r\n",
	 * then n bytes) when they have 8-bit bytes; CR and LF inside became spaces, NUL is left out, as no string of IMAP can carry it.
	 */
	struct str envelope;      /* ("Mon, 7 Feb ..." "Subject" ((NIL NIL "a" "example.org")) ...) */
	struct str bodystructure; /* with extension data, always */
	struct str body;          /* without, always */
	struct str parts;         /* packed, see parts.h */
	struct str fields;        /* raw common fields in order, each with its line ends, no empty line at the end; see fields.h */
	bool is_fields_cut;       /* `fields` is not complete: mail_fields_covers does not hold for this message, read the blob */
	uint64_t size;            /* of the blob */
	struct str message_id;    /* with its angle brackets, trimmed; empty when there is none */
	struct str subject;       /* UTF-8, encoded words decoded, at most MAIL_SUBJECT_MAX bytes */
	bool has_sent;
	struct mail_date sent;    /* Date:, if it could be read */
};

enum { MAIL_SUBJECT_MAX = 2048 };

/* Everything about a parsed message; strings live in `arena`, independent of the parser. Cannot fail. */
void mail_derive(const struct mail_message *message, struct arena *arena, struct mail_derived *ret_derived);

/* The single items, appended to `out`: for a part that is asked for on its own, and for tests. */
void mail_print_envelope(const struct mail_envelope *envelope, struct buffer *out);
void mail_print_body(const struct mail_part *part, bool with_extensions, struct buffer *out);
/* NIL when ptr is NULL, else a quoted string or literal, as said above. */
void mail_print_nstring(struct str s, struct buffer *out);

#endif
