/*
 * Keys that seal bodies: those of the setting blob.seal_keys, and what is made of one for one body.
 *
 * Why no nonce is ever used twice with a key: the key of AES-256-GCM is one body's alone, HMAC-SHA256 of the seal key over the body's header,
 * which has its object and its place there. An object's id is fresh at each try to write it, a failed one included, and a place in an
 * object is written once: what comes behind a body begins where that ended, even when nobody wants it any more. Within a body the nonce is
 * the number of the frame, and each is sealed once. So neither counters that outlive a process nor random nonces are needed.
 */
#ifndef SORA_BLOB_FRAME_SEAL_H
#define SORA_BLOB_FRAME_SEAL_H

#include "libcommon/core/buffer.h"
#include "libcommon/core/err.h"
#include "libcommon/crypto/gcm.h"
#include "libcommon/crypto/hash.h"

enum { SEAL_KEYS_MAX = 16 };

struct seal_key {
	uint32_t id; /* the first bytes of the key's SHA-256; never 0 */
	uint8_t bytes[GCM_KEY_BYTES];
};

/* The first writes, all read. Zeroed: bodies are not sealed. */
struct seal_keys {
	struct seal_key keys[SEAL_KEYS_MAX];
	size_t count;
};

/* Read keys of 64 hex digits each. ERR_CONFIG: not such keys, or two of one id; with a line in `problems` that does not show them. */
enum err seal_keys_read(const struct str *texts, size_t count, struct seal_keys *ret, struct buffer *problems);
/* The one to write with. NULL: what is written is not sealed. */
const struct seal_key *seal_keys_first(const struct seal_keys *keys);
/* NULL: there is none of this id. */
const struct seal_key *seal_keys_find(const struct seal_keys *keys, uint32_t id);

/* For one body. Zeroed: it is not sealed. */
struct seal {
	bool is_on;
	uint8_t frames[GCM_KEY_BYTES], hashes[SHA256_BYTES];
};

/* `key` NULL: not sealed. */
void seal_init(struct seal *seal, const struct seal_key *key, struct str header);
/* Of frame `number`, `ret` may be `plain`'s own bytes; see gcm.h. */
void seal_frame(const struct seal *seal, uint64_t number, struct str aad, struct str plain, char *ret, uint8_t ret_tag[GCM_TAG_BYTES]);
bool seal_frame_open(const struct seal *seal, uint64_t number, struct str aad, struct str sealed, const uint8_t tag[GCM_TAG_BYTES],
    char *ret);
/* Where a hash goes in the open, put in its place what only the key can make of it. `what` tells one kind of hash from another. */
void seal_hash(const struct seal *seal, char what, uint8_t hash[SHA256_BYTES]);

#endif
