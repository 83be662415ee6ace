/*
 * FETCH items: rows, here and in extensions, and what printing one may use.                         RFC 3501 s. 6.4.5, 7.4.2
 */
#ifndef SORA_IMAP_FETCH_H
#define SORA_IMAP_FETCH_H

#include "libcommon/blob/blob.h"
#include "libcommon/mail/parts.h"
#include "proto/metadata.pb-c.h"
#include "services/imap/ahead.h"
#include "services/imap/view.h"
#include "services/imap/command.h"

enum { IMAP_FETCH_ITEMS_MAX = 64, IMAP_SECTION_DEPTH_MAX = 50, IMAP_FIELDS_MAX = 200 };

/* Columns of metadata's Fetch that an item is printed from; none: the view alone has it. */
enum imap_fetch_needs {
	IMAP_NEEDS_ENVELOPE = 1,
	IMAP_NEEDS_BODYSTRUCTURE = 2,
	IMAP_NEEDS_BODY = 4,
	IMAP_NEEDS_PARTS = 8,
	IMAP_NEEDS_FIELDS = 16,
	IMAP_NEEDS_EMAIL_ID = 32, /* comes with every row */
};

/* "BODY[1.2.HEADER.FIELDS (To From)]<0.100>" */
struct imap_section {
	uint32_t path[IMAP_SECTION_DEPTH_MAX];
	size_t depth;
	enum mail_section which;
	bool has_fields, is_not;
	struct str *fields;
	size_t field_count;
	bool has_partial;
	uint64_t partial_at, partial_len;
	struct str name; /* as it is answered: "BODY[HEADER.FIELDS (To From)]<0>" */
};

struct imap_fetch_row;

struct imap_fetch_item {
	const struct imap_fetch_row *row;
	unsigned needs;
	bool sets_seen;
	struct imap_section *section; /* or NULL */
};

/* One message being printed. */
struct imap_fetch {
	struct imap_command *cmd;
	const struct imap_view *view;
	const struct imap_row *row;
	const struct imap_chunk *chunk;
	const MetadataFetchReply__Row *wide; /* NULL when no item needs it */
	struct arena *arena;                 /* of the page */
	struct imap_ahead *ahead;
	/*
	 * What is printed so far. It goes to the client once it is long; then the answer has begun (is_committed), and a failure can only end the
	 * connection. Before that, it only costs this message.
	 */
	struct buffer *out;
	bool is_committed;
};

struct imap_fetch_row {
	const char *name; /* up to "[" */
	unsigned needs;
	/* The rest of the item, behind its name: a section. NULL: there is none. */
	enum err (*parse)(struct imap_cursor *cur, struct imap_fetch_item *item);
	/* "NAME value" */
	enum err (*print)(struct imap_fetch *fetch, const struct imap_fetch_item *item);
};

extern const struct imap_fetch_row imap_fetch_core[];

/* Sections (section.c). */
enum err imap_section_parse(struct imap_cursor *cur, struct imap_fetch_item *item);
enum err imap_section_print(struct imap_fetch *fetch, const struct imap_fetch_item *item);
/* An item that is a section by another name: RFC822.HEADER and its like. */
struct imap_section *imap_section_named(struct arena *arena, const char *name, enum mail_section which);

/* The bytes of the blob that this section of a message is, when it is some and no others are needed. */
bool imap_section_range(const MetadataFetchReply__Row *row, const struct imap_section *section, uint64_t *ret_offset, uint64_t *ret_len);

/* Send what is printed, if it is long. */
void imap_fetch_flush(struct imap_fetch *fetch);

#endif
