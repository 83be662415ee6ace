/* AES-256-GCM. */
#include "libcommon/crypto/gcm.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

/* What OpenSSL refuses here (no memory, no provider) ends the process. */
static void
must(bool is_done)
{
	if (!is_done)
		abort();
}

static EVP_CIPHER_CTX *
begin(const uint8_t *key, const uint8_t *nonce, bool is_sealing, struct str aad)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len;

	must(ctx != NULL && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, is_sealing) == 1);
	must(EVP_CipherUpdate(ctx, NULL, &len, (const uint8_t *)aad.ptr, (int)aad.len) == 1);
	return ctx;
}

static void
update(EVP_CIPHER_CTX *ctx, struct str bytes, char *ret)
{
	int len = 0;

	must(bytes.len <= INT_MAX);
	if (bytes.len > 0)
		must(EVP_CipherUpdate(ctx, (uint8_t *)ret, &len, (const uint8_t *)bytes.ptr, (int)bytes.len) == 1);
}

void
gcm_seal(const uint8_t key[GCM_KEY_BYTES], const uint8_t nonce[GCM_NONCE_BYTES], struct str aad, struct str plain, char *ret,
    uint8_t ret_tag[GCM_TAG_BYTES])
{
	EVP_CIPHER_CTX *ctx = begin(key, nonce, true, aad);
	int len;

	update(ctx, plain, ret);
	must(EVP_CipherFinal_ex(ctx, (uint8_t *)ret + plain.len, &len) == 1);
	must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_BYTES, ret_tag) == 1);
	EVP_CIPHER_CTX_free(ctx);
}

bool
gcm_open(const uint8_t key[GCM_KEY_BYTES], const uint8_t nonce[GCM_NONCE_BYTES], struct str aad, struct str sealed,
    const uint8_t tag[GCM_TAG_BYTES], char *ret)
{
	EVP_CIPHER_CTX *ctx = begin(key, nonce, false, aad);
	uint8_t expected[GCM_TAG_BYTES];
	bool is_good;
	int len;

	memcpy(expected, tag, sizeof(expected));
	update(ctx, sealed, ret);
	must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_BYTES, expected) == 1);
	is_good = EVP_CipherFinal_ex(ctx, (uint8_t *)ret + sealed.len, &len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (!is_good)
		OPENSSL_cleanse(ret, sealed.len);
	return is_good;
}
