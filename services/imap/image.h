/*
 * A mailbox at one moment: immutable, reference-counted, its rows in chunks that later images share where nothing changed.
 *
 * A change makes a new image which copies only the chunks that it touches. Any thread may read an image it holds a reference to.
 */
#ifndef SORA_IMAP_IMAGE_H
#define SORA_IMAP_IMAGE_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"
#include "libcommon/mail/date.h"
#include "proto/metadata.pb-c.h"
#include "services/imap/set.h"

enum { IMAP_CHUNK_ROWS = 256, IMAP_KEYWORDS_MAX = 255 };

struct imap_row {
	uint32_t uid;
	uint8_t flags; /* MetadataFlag, or-ed */
	uint8_t keyword_count;
	uint16_t keyword_at; /* in its chunk's keywords */
	uint64_t modseq;
	uint64_t size;
	int64_t date; /* ms since 1970 * 2048 + (offset in minutes + 1024) */
};

struct imap_chunk {
	unsigned refs;
	uint32_t count;
	uint16_t *keywords; /* numbers in the image's table of keywords */
	struct imap_row rows[];
};

/* The mailbox's keywords, by number; only ever added to. Immutable too. */
struct imap_keywords {
	unsigned refs;
	uint32_t count;
	struct str names[];
};

struct imap_cursor_at {
	uint64_t timeline, modseq;
};

struct imap_image {
	unsigned refs;
	uint32_t count;             /* messages */
	uint32_t uidnext;
	struct imap_cursor_at cursor;
	struct imap_keywords *keywords;
	size_t chunk_count;
	struct imap_chunk **chunks;
	uint32_t *starts;           /* messages before each chunk */
};

/* A message as a change brings it. */
struct imap_new_row {
	struct imap_row row;
	const uint16_t *keywords;
};

/* Without messages. */
struct imap_image *imap_image_new(void);
struct imap_image *imap_image_ref(struct imap_image *image);
void imap_image_unref(struct imap_image *image);
/* Memory, shared chunks counted in full. */
size_t imap_image_bytes(const struct imap_image *image);

/* `seq` is 1 to count. */
const struct imap_row *imap_image_row(const struct imap_image *image, uint32_t seq, const struct imap_chunk **ret_chunk);
/* The sequence number of a UID, 0 when it is not there. */
uint32_t imap_image_find(const struct imap_image *image, uint32_t uid);
/* The sequence number of the first message with at least this UID; count + 1: there is none. */
uint32_t imap_image_lower_bound(const struct imap_image *image, uint32_t uid);
/* The highest UID, 0 in an empty mailbox. */
uint32_t imap_image_last_uid(const struct imap_image *image);
/* The number of the keyword `name` (any case), or -1. */
int imap_image_keyword(const struct imap_image *image, struct str name);

/*
 * A new image: `image` without the UIDs of `gone`, with `rows` replacing or added to what is there. A row that is older (by modseq) than
 * the one held changes nothing, unless `is_forced`. Both are ascending. Everything else is taken over.
 */
struct imap_image *imap_image_merge(const struct imap_image *image, const struct imap_new_row *rows, size_t count, struct imap_set gone,
    bool is_forced);
/* Columns as they came by the bus. ERR_INTERNAL: they do not fit together. */
enum err imap_image_rows(const MetadataRows *columns, struct arena *arena, struct imap_new_row **ret_rows, size_t *ret_count);
/* A new image that is `image` with the change, its cursor being the change's. Applying twice is applying once. */
enum err imap_image_apply(const struct imap_image *image, const MetadataChange *change, struct imap_image **ret_image);
/* Let the image have these keywords from number `first` on; what it has stays. It must not be shared yet. */
void imap_image_add_keywords(struct imap_image *image, const ProtobufCBinaryData *names, size_t count, uint32_t first);
/* Let a new image have the keywords of `from`. */
void imap_image_share_keywords(struct imap_image *image, const struct imap_image *from);

/* INTERNALDATE. */
struct mail_date imap_row_date(const struct imap_row *row);

bool imap_row_same_flags(const struct imap_row *a, const struct imap_chunk *a_chunk, const struct imap_row *b,
    const struct imap_chunk *b_chunk);

#endif
