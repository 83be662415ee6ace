/*
 * The MIME structure of a message, from its bytes as they stream by.          RFC 5322, 2045, 2046, 2183, 3282, 2557, 1864
 *
 *	struct mail_parser parser;
 *
 *	mail_parser_init(&parser);
 *	while (more bytes)
 *		mail_parser_feed(&parser, bytes);
 *	mail_derive(mail_parser_finish(&parser), arena, &derived);
 *	mail_parser_clear(&parser);
 *
 * Nothing can fail: whatever the bytes are, there is a structure (no parse error ever fails a delivery). Memory is
 * bounded by the limits below, however long the message; of bodies nothing is kept. What lies beyond a limit is opaque:
 * counted, but not looked into, and `is_cut` says so.
 *
 * Offsets and lengths count bytes as they are stored, relative to the first byte fed. Lines are line feeds. Both CRLF and
 * LF end a line; a header ends at the first empty line and nowhere else, so lines in it that are no fields are passed over.
 *
 * What is wrong is read like this:
 *	no Content-Type, or an empty one        text/plain; charset=us-ascii (in a multipart/digest message/rfc822)
 *	"text" without a subtype                text/plain
 *	"multipart" without a subtype           multipart/mixed
 *	any other Content-Type without sense    application/octet-stream
 *	a multipart without a usable boundary   text/plain
 *	a multipart without a part              has one part, text/plain, which is its whole body and has no header
 *	message/rfc822 in base64 or QP          application/octet-stream, as nothing can be found inside (RFC 2046 s. 5.2.1)
 *	a Content-Disposition without a type    attachment
 *	a missing close delimiter               the end of what is around it
 *	nesting beyond MAIL_DEPTH_MAX           application/octet-stream
 *	parts beyond MAIL_PARTS_MAX             are not listed
 */
#ifndef SORA_MAIL_STRUCTURE_H
#define SORA_MAIL_STRUCTURE_H

#include "libcommon/core/arena.h"
#include "libcommon/core/buffer.h"

enum {
	MAIL_PARTS_MAX = 1000,              /* parts of a message, multiparts counted too */
	MAIL_DEPTH_MAX = 50,                /* parts inside each other */
	MAIL_PARAMS_MAX = 50,               /* of one Content-Type or Content-Disposition */
	MAIL_LANGUAGES_MAX = 20,
	MAIL_BOUNDARY_MAX = 200,            /* bytes; RFC 2046 allows 70 */
	MAIL_FIELD_MAX = 64 * 1024,         /* bytes of one field that are looked at */
	MAIL_HEADER_MAX = 256 * 1024,       /* bytes of one header that are looked at */
	MAIL_FIELDS_MAX = 16 * 1024,        /* bytes of the common fields (see fields.h) */
	MAIL_KEPT_MAX = 1024 * 1024,        /* bytes of memory for all of a message's strings and parts */
};

/* "charset" and its value. Names in upper case, values as they are, unquoted. RFC 2231 forms are not joined (see header.h). */
struct mail_param {
	struct str name, value;
};

/*
 * The fields that ENVELOPE is made of: values unfolded and trimmed, otherwise raw; ptr NULL when there is no such field.
 * Of several address fields of a name the lists are joined; of the others the first counts.
 */
struct mail_envelope {
	struct str date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id;
};

enum mail_kind {
	MAIL_LEAF,
	MAIL_MULTIPART,
	MAIL_MESSAGE, /* message/rfc822: its one child is the message inside */
};

struct mail_part {
	enum mail_kind kind;
	struct mail_part *parent, *first_child, *last_child, *next;
	/* Of the root, and of the one child of a MAIL_MESSAGE; else NULL. */
	struct mail_envelope *envelope;

	struct str type, subtype; /* upper case, never empty */
	const struct mail_param *params;
	size_t param_count;
	struct str id, description, location, md5; /* unfolded and trimmed; ptr NULL: no such field */
	struct str encoding;                       /* upper case; "7BIT" when there is no such field */
	struct str disposition;                    /* upper case; ptr NULL: no such field */
	const struct mail_param *disposition_params;
	size_t disposition_param_count;
	const struct str *languages;
	size_t language_count;

	/* The body follows the header, the empty line being the header's. The line end before a delimiter is the delimiter's. */
	uint64_t header_offset, header_len, body_len;
	uint64_t body_lines;
};

static inline uint64_t
mail_part_body_offset(const struct mail_part *part)
{
	return part->header_offset + part->header_len;
}

/* The value of the parameter `name` (any case), or STR_NONE. */
struct str mail_param_find(const struct mail_param *params, size_t count, struct str name);

struct mail_message {
	struct mail_part *root;
	uint64_t size;
	size_t part_count;
	struct str fields;   /* the common fields of the root's header, raw, in order (see fields.h) */
	bool is_fields_cut;  /* MAIL_FIELDS_MAX or MAIL_HEADER_MAX was reached: `fields` does not have them all */
	bool is_cut;         /* some other limit was reached */
};

/* An entity whose end has not been seen. */
struct mail_open {
	struct mail_part *part;
	struct str boundary; /* of a multipart whose close delimiter has not been seen; else empty */
	uint64_t lines_before_body;
};

/* Private to structure.c and entity.c; only here so that a parser can live inside something else. About 2.5 KiB, and what it points to. */
struct mail_parser {
	struct arena kept;
	struct mail_message message;
	struct mail_open open[MAIL_DEPTH_MAX];
	size_t depth;
	unsigned boundary_count; /* entries of `open` with a boundary */
	bool is_in_header;       /* of the innermost open entity; else in its body */
	uint64_t line_start, lines;
	uint64_t header_looked_at;
	unsigned eol_len; /* of the line before: 0 at the beginning, 1, 2 */
	char last_byte;
	/* The line that has begun, as far as it is of interest, and its length so far. */
	struct buffer line;
	uint64_t line_len;
	/* The field that has begun, raw. */
	struct buffer field;
	bool is_field_cut;
	struct buffer fields;
};

void mail_parser_init(struct mail_parser *parser);
/* The next bytes of the message, any number. */
void mail_parser_feed(struct mail_parser *parser, struct str bytes);
/* There are no more. The result lives until mail_parser_clear. */
const struct mail_message *mail_parser_finish(struct mail_parser *parser);
/* Free everything; a zeroed parser is allowed. */
void mail_parser_clear(struct mail_parser *parser);

#endif
