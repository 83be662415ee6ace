/*
 * The format of a stored body: frames of 64 KiB, each on its own, so that a range can be read and checked without the rest. Pure.
 *
 *	header   magic "SORABLB1", u32 flags, u32 key, object
 *	frames   each zstd when that is smaller, else as it is
 *	index    a row for each frame: u32 stored length (top bit: zstd), 16 bytes of check
 *	trailer  magic "SORAEND1", u32 frames, u32 bytes of a frame, u64 body's length, u64 index's place, SHA-256 of the body,
 *	         SHA-256 of header, index and what stands before in the trailer
 *
 * A frame's check is the start of a SHA-256 over object, number, row and stored bytes: a frame is good only where it was written. The
 * trailer's hash makes the index good, and the reference says where the trailer is. Nothing is decompressed before its check; no byte is
 * given out that failed one. A sealed body (key not 0) will have AES-GCM's tag as the check.
 */
#ifndef SORA_BLOB_FRAME_FRAME_H
#define SORA_BLOB_FRAME_FRAME_H

#include "libcommon/core/buffer.h"
#include "libcommon/crypto/hash.h"
#include "services/blob/frame/ref.h"

enum {
	FRAME_BYTES = 64 * 1024, /* of the body; the last one may have less */
	FRAME_HEADER_BYTES = 32,
	FRAME_ROW_BYTES = 20,
	FRAME_TRAILER_BYTES = 96,
	FRAME_CHECK_BYTES = 16,
};

static inline uint64_t
frame_count(uint64_t size)
{
	return (size + FRAME_BYTES - 1) / FRAME_BYTES;
}

/* ---- writing */

/* Where stored bytes go; what it returns ends the writing. */
struct frame_sink {
	enum err (*write)(void *self, struct str bytes);
	void *self;
};

struct frame_writer {
	struct uuid object;
	struct frame_sink sink;
	struct sha256 hash;
	struct buffer pending; /* of a frame that is not full */
	struct buffer index;
	uint64_t size, stored;
};

void frame_writer_init(struct frame_writer *w, const struct uuid *object, const struct frame_sink *sink);
/* ERR_TOO_BIG past BODY_MAX; the sink's errors. After an error only frame_writer_clear may follow. */
enum err frame_writer_add(struct frame_writer *w, struct str bytes);
/* The last frame, index and trailer. *ret has object, offset 0 and the lengths; `put_ms` is the caller's. */
enum err frame_writer_finish(struct frame_writer *w, struct blob_ref *ret);
void frame_writer_clear(struct frame_writer *w);

/* ---- reading */

struct frame_row {
	uint64_t offset;  /* from the header's first byte */
	uint32_t stored;
	bool is_zstd;
	uint8_t check[FRAME_CHECK_BYTES];
};

struct frame_index {
	struct blob_ref ref;
	uint8_t hash[SHA256_BYTES];
	size_t count;
	struct frame_row rows[];
};

/* Bytes of index and trailer, which are the last of what is stored. */
static inline size_t
frame_tail_bytes(const struct blob_ref *ref)
{
	return (size_t)frame_count(ref->size) * FRAME_ROW_BYTES + FRAME_TRAILER_BYTES;
}

/*
 * Read index and trailer. *ret is on the heap: free(). ERR_CORRUPT; ERR_CONFIG: it is sealed and the key is not here.
 */
enum err frame_index_read(const struct blob_ref *ref, struct str tail, struct frame_index **ret);

/* The header must be just so. ERR_CORRUPT. */
enum err frame_header_check(const struct blob_ref *ref, struct str header);

/* Bytes of the body in frame `number`. */
size_t frame_plain_bytes(const struct frame_index *index, size_t number);

/* Check frame `number` and write its frame_plain_bytes to `ret`. ERR_CORRUPT. */
enum err frame_read(const struct frame_index *index, size_t number, struct str stored, char *ret);

/* Is this the whole body? ERR_CORRUPT when not. */
enum err frame_body_check(const struct frame_index *index, struct str body);

#endif
