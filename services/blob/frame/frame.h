/*
 * The format of a stored body: frames of 64 KiB, each on its own, so that a range can be read and checked without the rest. Pure.
 *
 *	header   magic "SORABLB1", u32 where the body begins in the object, u32 key, object
 *	frames   each zstd when that is smaller, else as it is; sealed when key is not 0
 *	index    a row for each frame: u32 stored length (top bit: zstd), 16 bytes of check
 *	trailer  magic "SORAEND1", u32 frames, u32 bytes of a frame, u64 body's length, u64 index's place, SHA-256 of the body,
 *	         SHA-256 of header, index and what stands before in the trailer
 *
 * An object has one such body, or several that were written together, one behind the other.
 *
 * A frame's check is the start of a SHA-256 over object, body's place in it, number, row and stored bytes: a frame is good only where it
 * was written. The trailer's hash makes the index good, and the reference says where the trailer is. Nothing is decompressed before its
 * check; no byte is given out that failed one.
 *
 * Sealed, a frame's check is the tag of AES-256-GCM, with the same things beside the frame authenticated, and both hashes of the trailer are
 * HMACs of what they would be: the index can not be made by others, and nobody without the key can ask whether a mail that he knows is
 * here. What shows is how many bytes each frame has when compressed. seal.h has the keys, and why no nonce is used twice.
 */
#ifndef SORA_BLOB_FRAME_FRAME_H
#define SORA_BLOB_FRAME_FRAME_H

#include "libcommon/core/buffer.h"
#include "libcommon/crypto/hash.h"
#include "services/blob/frame/ref.h"
#include "services/blob/frame/seal.h"

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

/* Where a body is, and what seals it there. */
struct frame_place {
	struct uuid object;
	uint32_t offset, key_id;
	uint8_t header[FRAME_HEADER_BYTES];
	struct seal seal;
};

/* ---- writing */

/* Where stored bytes go; what it returns ends the writing. */
struct frame_sink {
	enum err (*write)(void *self, struct str bytes);
	void *self;
};

struct frame_writer {
	struct frame_place place;
	struct frame_sink sink;
	struct sha256 hash;
	struct buffer pending; /* of a frame that is not full */
	struct buffer index;
	uint64_t size, stored;
};

/* A body that begins at `offset` of the object, where none ever began before. `key` NULL: not sealed. */
void frame_writer_init(struct frame_writer *w, const struct uuid *object, uint32_t offset, const struct seal_key *key,
    const struct frame_sink *sink);
/* ERR_TOO_BIG past BODY_MAX; the sink's errors. After an error only frame_writer_clear may follow. */
enum err frame_writer_add(struct frame_writer *w, struct str bytes);
/* The last frame, index and trailer. *ret has object, offset, key and the lengths; `put_ms` is the caller's. */
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
	struct frame_place place;
	uint8_t hash[SHA256_BYTES]; /* as the trailer has it */
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
 * Read index and trailer. *ret is on the heap: free(). ERR_CORRUPT; ERR_CONFIG: it is sealed and `keys` do not have its key.
 */
enum err frame_index_read(const struct seal_keys *keys, const struct blob_ref *ref, struct str tail,
    struct frame_index **ret);

/* The header must be just so. ERR_CORRUPT. */
enum err frame_header_check(const struct blob_ref *ref, struct str header);

/* Bytes of the body in frame `number`. */
size_t frame_plain_bytes(const struct frame_index *index, size_t number);

/* Check frame `number` and write its frame_plain_bytes to `ret`. ERR_CORRUPT. */
enum err frame_read(const struct frame_index *index, size_t number, struct str stored, char *ret);

/* Is this the whole body? ERR_CORRUPT when not. */
enum err frame_body_check(const struct frame_index *index, struct str body);

#endif
