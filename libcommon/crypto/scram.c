/* SCRAM's functions by OpenSSL, and its verifiers. */
#include "libcommon/crypto/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "libcommon/core/random.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/crypto/hash.h"

enum { STORED_MAX = 1024 };

static const struct {
	const char *name;
	size_t bytes;
	const EVP_MD *(*digest)(void);
} hashes[SCRAM_HASHES] = {
	[SCRAM_SHA_256] = { "SHA-256", 32, EVP_sha256 },
	[SCRAM_SHA_1] = { "SHA-1", 20, EVP_sha1 },
};

bool
scram_hash_find(struct str name, enum scram_hash *ret)
{
	for (int hash = 0; hash < SCRAM_HASHES; hash++) {
		if (!str_equal(name, str_c(hashes[hash].name)))
			continue;
		*ret = (enum scram_hash)hash;
		return true;
	}
	return false;
}

const char *
scram_hash_name(enum scram_hash hash)
{
	return hashes[hash].name;
}

/* As in hash.c: what OpenSSL refuses here ends the process. */
static void
must(bool is_done)
{
	if (!is_done)
		abort();
}

static void
hmac(enum scram_hash hash, struct str key, struct str text, uint8_t ret[SCRAM_KEY_MAX])
{
	must(HMAC(hashes[hash].digest(), key.ptr, (int)key.len, (const uint8_t *)text.ptr, text.len, ret, NULL) != NULL);
}

static void
digest(enum scram_hash hash, struct str text, uint8_t ret[SCRAM_KEY_MAX])
{
	must(EVP_Digest(text.ptr, text.len, ret, NULL, hashes[hash].digest(), NULL) == 1);
}

struct scram_verifier
scram_verifier_make(enum scram_hash hash, struct str password, struct str salt, uint32_t iterations, struct arena *arena)
{
	size_t bytes = hashes[hash].bytes;
	uint8_t salted[SCRAM_KEY_MAX], client[SCRAM_KEY_MAX], *keys = arena_alloc(arena, 2 * SCRAM_KEY_MAX);

	must(PKCS5_PBKDF2_HMAC(password.ptr, (int)password.len, (const uint8_t *)salt.ptr, (int)salt.len, (int)iterations,
		hashes[hash].digest(), (int)bytes, salted) == 1);
	hmac(hash, str_from(salted, bytes), STR("Client Key"), client);
	digest(hash, str_from(client, bytes), keys);
	hmac(hash, str_from(salted, bytes), STR("Server Key"), keys + SCRAM_KEY_MAX);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return (struct scram_verifier){ hash, iterations, salt, str_from(keys, bytes), str_from(keys + SCRAM_KEY_MAX, bytes) };
}

struct scram_verifier
scram_verifier_none(enum scram_hash hash)
{
	static const uint8_t zeros[SCRAM_KEY_MAX];
	struct str key = str_from(zeros, hashes[hash].bytes);

	return (struct scram_verifier){ .hash = hash, .iterations = SCRAM_ITERATIONS, .stored_key = key, .server_key = key };
}

struct str
scram_verifier_new(enum scram_hash hash, struct str password, struct arena *arena)
{
	uint8_t salt[SCRAM_SALT_BYTES];
	struct scram_verifier made;

	random_bytes(salt, sizeof(salt));
	made = scram_verifier_make(hash, password, str_from(salt, sizeof(salt)), SCRAM_ITERATIONS, arena);
	return arena_printf(arena, "{SCRAM-%s}%u,%.*s,%.*s,%.*s", hashes[hash].name, made.iterations,
	    STR_ARG(base64_encode(arena, made.salt)), STR_ARG(base64_encode(arena, made.stored_key)),
	    STR_ARG(base64_encode(arena, made.server_key)));
}

enum err
scram_verifier_read(enum scram_hash hash, struct str stored, struct arena *arena, struct scram_verifier *ret)
{
	struct scram_verifier read = { .hash = hash };
	struct str scheme = arena_printf(arena, "{SCRAM-%s}", hashes[hash].name), rest = str_sub(stored, scheme.len, SIZE_MAX), part;
	struct str *parts[] = { &read.salt, &read.stored_key, &read.server_key };

	if (stored.len > STORED_MAX || !str_starts_with(stored, scheme) || !str_split(&rest, ',', &part) ||
	    !str_to_u32(part, &read.iterations))
		return ERR_SYNTAX;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!str_split(&rest, ',', &part) || !base64_decode(arena, part, parts[i]))
			return ERR_SYNTAX;
	if (rest.ptr || read.iterations < SCRAM_ITERATIONS_MIN || read.iterations > SCRAM_ITERATIONS_MAX || read.salt.len == 0 ||
	    read.stored_key.len != hashes[hash].bytes || read.server_key.len != hashes[hash].bytes)
		return ERR_SYNTAX;
	*ret = read;
	return ERR_OK;
}

bool
scram_verify(const struct scram_verifier *verifier, struct str auth_message, struct str proof, struct arena *arena,
    struct str *ret_signature)
{
	size_t bytes = hashes[verifier->hash].bytes;
	uint8_t key[SCRAM_KEY_MAX], hashed[SCRAM_KEY_MAX], signature[SCRAM_KEY_MAX];

	if (proof.len != bytes)
		return false;
	hmac(verifier->hash, verifier->stored_key, auth_message, key);
	for (size_t i = 0; i < bytes; i++)
		key[i] ^= (uint8_t)proof.ptr[i];
	digest(verifier->hash, str_from(key, bytes), hashed);
	explicit_bzero(key, sizeof(key));
	hmac(verifier->hash, verifier->server_key, auth_message, signature);
	if (!crypto_equal(str_from(hashed, bytes), verifier->stored_key))
		return false;
	*ret_signature = arena_copy(arena, str_from(signature, bytes));
	return true;
}
