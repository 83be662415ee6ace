/* SHA-256 and HMAC-SHA256. */
#include "libcommon/crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

static void
must(bool is_done)
{
	if (!is_done)
		abort();
}

void
sha256_init(struct sha256 *hash)
{
	hash->state = EVP_MD_CTX_new();
	must(hash->state != NULL);
	must(EVP_DigestInit_ex(hash->state, EVP_sha256(), NULL) == 1);
}

void
sha256_add(struct sha256 *hash, struct str bytes)
{
	must(EVP_DigestUpdate(hash->state, bytes.ptr, bytes.len) == 1);
}

void
sha256_finish(struct sha256 *hash, uint8_t ret[SHA256_BYTES])
{
	must(EVP_DigestFinal_ex(hash->state, ret, NULL) == 1);
	sha256_clear(hash);
}

void
sha256_clear(struct sha256 *hash)
{
	EVP_MD_CTX_free(hash->state);
	hash->state = NULL;
}

void
sha256(struct str bytes, uint8_t ret[SHA256_BYTES])
{
	must(EVP_Digest(bytes.ptr, bytes.len, ret, NULL, EVP_sha256(), NULL) == 1);
}

void
hmac_sha256(struct str key, struct str bytes, uint8_t ret[SHA256_BYTES])
{
	/* An empty key may come without a pointer, which OpenSSL takes for "the key of last time". */
	const void *key_ptr = key.len ? key.ptr : "";

	must(HMAC(EVP_sha256(), key_ptr, (int)key.len, (const uint8_t *)bytes.ptr, bytes.len, ret, NULL) != NULL);
}

bool
md5(struct str bytes, uint8_t ret[MD5_BYTES])
{
	return EVP_Digest(bytes.ptr, bytes.len, ret, NULL, EVP_md5(), NULL) == 1;
}

bool
crypto_equal(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}
