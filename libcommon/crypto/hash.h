/*
 * SHA-256 (FIPS 180-4) and HMAC-SHA256 (RFC 2104), by OpenSSL.
 *
 * They can not fail, but MD5: what OpenSSL refuses here (no memory, no provider) ends the process.
 */
#ifndef SORA_CRYPTO_HASH_H
#define SORA_CRYPTO_HASH_H

#include "libcommon/core/str.h"

enum { SHA256_BYTES = 32, MD5_BYTES = 16 };

/* A hash in the making; zeroed is not valid. */
struct sha256 {
	void *state;
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, struct str bytes);
/* The hash of all that was added; ends as sha256_clear does. */
void sha256_finish(struct sha256 *hash, uint8_t ret[SHA256_BYTES]);
void sha256_clear(struct sha256 *hash);

void sha256(struct str bytes, uint8_t ret[SHA256_BYTES]);
void hmac_sha256(struct str key, struct str bytes, uint8_t ret[SHA256_BYTES]);

/* For what others name by it (S3's ETag), never for safety. False: this OpenSSL will not (FIPS). */
bool md5(struct str bytes, uint8_t ret[MD5_BYTES]);

/* Are these equal? Takes the same time whatever they hold. */
bool crypto_equal(struct str a, struct str b);

#endif
