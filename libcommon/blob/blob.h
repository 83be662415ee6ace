/*
 * Bodies, for frontends: one is written as it arrives, or read in pieces; neither is ever held whole.
 *
 *	struct blob_upload up;
 *	blob_upload_begin(&up, &call);
 *	while (more)
 *		blob_upload_add(&up, bytes);            (its error stays; look at it here or at the end)
 *	err = blob_upload_finish(&up, arena, &stored);  (or blob_upload_abort)
 *
 *	struct blob_reader in;
 *	blob_reader_begin(&in, &call, ref, offset, length);
 *	while ((err = blob_reader_next(&in, &piece)) == ERR_OK && piece.len > 0)
 *		net_write(conn, piece);
 *	blob_reader_end(&in);
 *
 * Of several bodies that are read one after the other the first pieces may be asked for together: blob_readers_start.
 */
#ifndef SORA_BLOB_BLOB_H
#define SORA_BLOB_BLOB_H

#include "libcommon/bus/bus.h"
#include "libcommon/core/buffer.h"

/* A reference is opaque, and never longer than this. */
enum { BLOB_REF_MAX = 64 };

/* What an upload became. */
struct blob_stored {
	struct str ref;   /* for metadata: Append and Deliver's `blob` */
	int64_t put_ms;   /* when the upload began; the age fence's `put_ms` */
	uint64_t size;    /* bytes that were added */
};

/* Its fields are the module's own. Holds at most one chunk (256 KiB) while another one is on its way. */
struct blob_upload {
	struct bus_call call;
	struct arena arena;
	struct buffer chunk;
	struct bus_future *future;
	uint64_t upload, sent, size;
	bool is_complete;
	enum err err;
};

/*
 * Begin one. Of `caller` the bus, role, log, token, deadline and patience are copied; a deadline of 0 gives each chunk the method's own. Sends
 * nothing yet. Must be ended by blob_upload_finish or blob_upload_abort.
 */
void blob_upload_begin(struct blob_upload *up, const struct bus_call *caller);
/*
 * Add bytes, of any length; may wait until the chunk before is taken. After an error the upload takes and forgets everything, so that a
 * client's data can be drained with the same calls; each returns the first error again.
 *
 * ERR_UNAVAILABLE, ERR_DEADLINE  no blob service, or no store behind it
 * ERR_BUSY       too many uploads at once, and the caller has no patience
 * ERR_STALE      the upload was idle for too long (2 minutes), or its replica is gone: send the body again
 * ERR_CLOCK      clocks are too far apart to store anything
 */
enum err blob_upload_add(struct blob_upload *up, struct str bytes);
/* The body is complete: send its end now, for a blob_upload_finish that comes later, so that several uploads overlap. */
void blob_upload_complete(struct blob_upload *up);
/*
 * The body is complete: wait until it is durable. Errors as above, or the first that an add had. ERR_OK: *ret is set, its reference
 * lives in `arena`. In any case the upload has ended.
 */
enum err blob_upload_finish(struct blob_upload *up, struct arena *arena, struct blob_stored *ret);
/* Give it up; nothing is stored. For one that was finished or zeroed: nothing happens. */
void blob_upload_abort(struct blob_upload *up);

struct blob_batch;

/* Its fields are the module's own but `size`. Holds two chunks: the one that was given out, and the next on its way. */
struct blob_reader {
	uint64_t size; /* of the whole body; known after the first blob_reader_next that had something to read */
	struct bus_call call[2];
	struct arena arena[2];
	struct bus_future *future;
	struct blob_batch *batch; /* not NULL: the first piece was asked for with others', and it was not its turn yet */
	bool has_first;           /* it came with others' */
	struct str first;
	uint64_t at, end, asked;
	unsigned turn;
	size_t ref_len;
	char ref_bytes[BLOB_REF_MAX];
};

/*
 * Read `length` bytes of the body `ref` from `offset`; UINT64_MAX: to its end. `caller` as above. Sends nothing yet. Must be ended by
 * blob_reader_end.
 */
void blob_reader_begin(struct blob_reader *in, const struct bus_call *caller, struct str ref, uint64_t offset, uint64_t length);
/* Ask for the first piece now, for a blob_reader_next that comes later. `in` stays where it is until its end. */
void blob_reader_start(struct blob_reader *in);
/*
 * The same for several, all of one caller. Of short bodies that the service has at hand the pieces come together, as many as fit into 256 KiB,
 * from each replica in one answer. What did not come with it is asked for one by one, in the order of `readers`: when one of them is read, it
 * and the next four; where no answer came, it alone. What is wrong with one is told by its own blob_reader_next.
 */
void blob_readers_start(struct blob_reader *const *readers, size_t count);
/*
 * The next piece, at most 256 KiB, valid until the next call; empty at the end of the range or of the body, whichever comes first.
 *
 * ERR_NONEXISTENT              there is no such body
 * ERR_CORRUPT                  what is stored failed its check; no wrong byte was given out
 * ERR_UNAVAILABLE, _DEADLINE.. a passing failure; never answered as an empty body
 */
enum err blob_reader_next(struct blob_reader *in, struct str *ret_piece);
void blob_reader_end(struct blob_reader *in);

/* A short range at once, in `arena`: header blocks and the like. Shorter than asked only at the body's end. `length` is memory. */
enum err blob_read(const struct bus_call *caller, struct str ref, uint64_t offset, size_t length, struct arena *arena, struct str *ret);

#endif
