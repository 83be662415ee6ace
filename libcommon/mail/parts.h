/*
 * The packed tree of a message's parts: where each section of it lies in the blob.            RFC 3501 s. 6.4.5 (FETCH BODY[..])
 *
 * Format: a version byte, then the parts in order, parents first. Numbers are LEB128. A part is
 *	one byte: kind (2 bits) | is text (1 bit) << 2 | encoding (3 bits) << 3
 *	header offset minus the offset of the parent's header, header length, body length
 *	of a multipart: the number of its parts
 *	of a text: the length of its charset's name, and the name
 * Readers believe nothing: a damaged pack gives ERR_CORRUPT, never a range outside of the blob.
 */
#ifndef SORA_MAIL_PARTS_H
#define SORA_MAIL_PARTS_H

#include "libcommon/core/err.h"
#include "libcommon/mail/decode.h"
#include "libcommon/mail/structure.h"

enum mail_section {
	MAIL_SECTION_ALL,    /* BODY[], BODY[1.2] */
	MAIL_SECTION_HEADER, /* BODY[HEADER], BODY[1.2.HEADER] (also for HEADER.FIELDS) */
	MAIL_SECTION_TEXT,   /* BODY[TEXT], BODY[1.2.TEXT] */
	MAIL_SECTION_MIME,   /* BODY[1.2.MIME] */
};

struct mail_range {
	uint64_t offset, len;        /* in the blob */
	bool has_prefix;             /* the row's prefix goes before it */
	enum mail_encoding encoding; /* of the part, when `which` was ALL and the path has a number; else MAIL_IDENTITY */
};

/* Append the pack of `message` to `out`. */
void mail_parts_pack(const struct mail_message *message, struct buffer *out);

/*
 * Where is the section `which` of the part with number `path` (BODY[1.2]: {1, 2}; the message itself: no numbers)?
 *
 * ERR_OK           *ret_range is set
 * ERR_NONEXISTENT  there is none: answer NIL. Also HEADER and TEXT of a part that is no message/rfc822, and MIME without a number.
 * ERR_CORRUPT      `packed` is damaged
 * A message that is no multipart has the part 1: its body is the message's text, its MIME the message's header.
 */
enum err mail_parts_find(struct str packed, const uint32_t *path, size_t path_len, enum mail_section which, struct mail_range *ret_range);

/* One part in a walk over all of them. */
struct mail_parts_entry {
	enum mail_kind kind;
	unsigned depth;       /* 0: the root */
	bool is_message_root; /* its header is a message's: the root's, or that inside a message/rfc822 */
	bool is_text;         /* text/anything */
	enum mail_encoding encoding;
	struct str charset;   /* of a text; empty when it does not say */
	uint64_t header_offset, header_len, body_len;
	/* Its number; a message that is a multipart has none of its own (is_numbered false, `path` its parts' beginning). */
	bool is_numbered;
	const uint32_t *path; /* in the iterator, until the next call */
	size_t path_len;
};

struct mail_parts_level {
	enum mail_kind kind;
	uint64_t header_offset, body_offset, body_end;
	uint64_t left;   /* parts to come */
	uint32_t number; /* of the last part that came */
	size_t path_len;
};

/* Zeroed but for `packed`: at the beginning. */
struct mail_parts_iter {
	struct str packed;
	size_t at;
	size_t depth;
	struct mail_parts_level open[MAIL_DEPTH_MAX + 1];
	uint32_t path[MAIL_DEPTH_MAX + 1];
};

/*
 * The next part, in order, parents first: for SEARCH BODY and TEXT.
 * ERR_OK, ERR_NONEXISTENT at the end, ERR_CORRUPT.
 */
enum err mail_parts_next(struct mail_parts_iter *iter, struct mail_parts_entry *ret_entry);

#endif
