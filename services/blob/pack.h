/*
 * Small bodies that are written as one object, one behind the other: each is what it would be alone (frame/frame.h), but for its place.
 *
 * In a store that asks for a request, and in a directory for a few syncs, for each object, this is what deliveries at the same time share.
 */
#ifndef SORA_BLOB_PACK_H
#define SORA_BLOB_PACK_H

#include "services/blob/blob.h"

enum {
	PACK_BODY_MAX = 128 * 1024,  /* a longer body is an object of its own */
	PACK_BYTES = 1024 * 1024,
	PACK_BODIES = 256,
};

/* An object in the making, in memory. Its fields are the module's own, but for reading. */
struct pack {
	struct uuid object;
	struct buffer bytes;
	size_t count;
	uint64_t plain; /* bytes of the bodies */
};

void pack_init(struct pack *pack);
void pack_clear(struct pack *pack);
/* For one more body of so many bytes. */
bool pack_has_room(const struct pack *pack, size_t body_bytes);
/* There must be room. *ret has everything; it is worth something once pack_store is done. */
void pack_add(struct pack *pack, const struct seal_key *key, struct str body, struct blob_ref *ret);
/* Make it durable. ERR_CLOCK, and the store's errors: nothing of it counts as stored. */
enum err pack_store(struct blob *blob, const struct pack *pack, int64_t deadline_ms);

/* ---- those that come at the same time */

/*
 * Bodies that wait for their pack. A body that comes when nothing else is under way is written at once, by the thread that brought it. What
 * comes while a pack is written gathers in the next one, which the thread that opened it writes: when it is full, after 5 ms, or when the pack
 * before is written and nobody has come for 1.5 ms. So nobody waits on a quiet system, and on a busy one writing a pack is what gives the next
 * its time to fill.
 */
struct packer;

struct packer *packer_new(struct blob *blob);
/* Waits for the threads that are still at it; no body may wait any more. */
void packer_free(struct packer *packer);

/* One body. Belongs to the packer from packer_put until `done` is called, once, by any thread. */
struct packed {
	struct packed *next;
	struct blob_ref ref;
	/* ERR_OK: it is durable, and `ref` is where. Else it is to be put again, and will be in another object. */
	void (*done)(struct packed *packed, enum err err);
};

/* `body` is copied. Set packed->done; it may be called before this returns. May return late: the caller may have to write for others. */
void packer_put(struct packer *packer, struct str body, int64_t deadline_ms, struct packed *packed);

#endif
