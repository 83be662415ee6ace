/* The client's side of SCRAM's functions (RFC 5802 s. 3), for tests. */
#ifndef TEST_SCRAM_CLIENT_H
#define TEST_SCRAM_CLIENT_H

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "libcommon/core/str.h"

/* ClientProof for an AuthMessage, in `ret` of 32 bytes. `hash` is "SHA-256" or "SHA-1". */
static inline struct str
scram_client_proof(const char *hash, struct str password, struct str salt, uint32_t iterations, struct str message, uint8_t *ret)
{
	const EVP_MD *md = EVP_get_digestbyname(hash[4] == '2' ? "sha256" : "sha1");
	int bytes = EVP_MD_get_size(md);
	uint8_t salted[32], key[32], stored[32], signature[32];

	PKCS5_PBKDF2_HMAC(password.ptr, (int)password.len, (const uint8_t *)salt.ptr, (int)salt.len, (int)iterations, md, bytes, salted);
	HMAC(md, salted, bytes, (const uint8_t *)"Client Key", 10, key, NULL);
	EVP_Digest(key, (size_t)bytes, stored, NULL, md, NULL);
	HMAC(md, stored, bytes, (const uint8_t *)message.ptr, message.len, signature, NULL);
	for (int i = 0; i < bytes; i++)
		ret[i] = key[i] ^ signature[i];
	return str_from(ret, (size_t)bytes);
}

#endif
