/* Lists of flags, as clients send them.                                                     RFC 3501 s. 2.3.2, 9 (flag-list) */
#ifndef SORA_IMAP_FLAGS_H
#define SORA_IMAP_FLAGS_H

#include "services/imap/parser.h"

enum { IMAP_KEYWORD_BYTES_MAX = 255, IMAP_KEYWORDS_PER_COMMAND = 64 };

struct imap_flags {
	uint32_t system; /* MetadataFlag, or-ed */
	struct str keywords[IMAP_KEYWORDS_PER_COMMAND];
	size_t keyword_count;
};

/* "(\Seen $Forwarded)". \Recent is the server's alone, and refused. */
enum err imap_flags_parse_list(struct imap_cursor *cur, struct imap_flags *ret);
/* One flag, or several with a space between, up to the line's end: the other form that STORE allows. */
enum err imap_flags_parse_bare(struct imap_cursor *cur, struct imap_flags *ret);
/* A keyword: an atom, but not NIL. */
enum err imap_flags_parse_keyword(struct imap_cursor *cur, struct str *ret);

#endif
