/*
 * AES-256-GCM (NIST SP 800-38D), by OpenSSL: bytes that nobody reads or changes without the key.
 *
 * A nonce is used once with a key, or all is lost: who calls says why it is fresh.
 */
#ifndef SORA_CRYPTO_GCM_H
#define SORA_CRYPTO_GCM_H

#include "libcommon/core/str.h"

enum { GCM_KEY_BYTES = 32, GCM_NONCE_BYTES = 12, GCM_TAG_BYTES = 16 };

/* Seal `plain` into as many bytes at `ret`, which may be its own. `aad` is not in them, but must be the same to open them. */
void gcm_seal(const uint8_t key[GCM_KEY_BYTES], const uint8_t nonce[GCM_NONCE_BYTES], struct str aad, struct str plain, char *ret,
    uint8_t ret_tag[GCM_TAG_BYTES]);
/* False: these are not bytes, tag and `aad` of one sealing by this key; `ret` then holds zeros. */
bool gcm_open(const uint8_t key[GCM_KEY_BYTES], const uint8_t nonce[GCM_NONCE_BYTES], struct str aad, struct str sealed,
    const uint8_t tag[GCM_TAG_BYTES], char *ret);

#endif
