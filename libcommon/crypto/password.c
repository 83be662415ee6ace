/* Password hashes: bcrypt by libcrypt, SHA-512 by OpenSSL. */
#include "libcommon/crypto/password.h"

#include <crypt.h>

#include <openssl/evp.h>

#include "libcommon/core/mem.h"
#include "libcommon/core/random.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/crypto/hash.h"

enum { SHA512_BYTES = 64, SALT_BYTES = 16, BCRYPT_COST = 10, BCRYPT_BYTES = 72, PASSWORD_MAX = 1000, STORED_MAX = 1024 };

enum encoding { ENCODING_CRYPT, ENCODING_BASE64, ENCODING_HEX };

/* The schemes that are understood; the first of a name is the one that is written. */
static const struct scheme {
	const char *name;
	const char *prefix;
	enum encoding encoding;
} schemes[] = {
	{ "bcrypt",  "{BLF-CRYPT}",   ENCODING_CRYPT },
	{ "ssha512", "{SSHA512}",     ENCODING_BASE64 },
	{ "sha512",  "{SHA512}",      ENCODING_BASE64 },
	{ "ssha512", "{SSHA512.HEX}", ENCODING_HEX },
	{ "sha512",  "{SHA512.HEX}",  ENCODING_HEX },
	{ "ssha512", "{SSHA512.B64}", ENCODING_BASE64 },
	{ "sha512",  "{SHA512.B64}",  ENCODING_BASE64 },
	{ "bcrypt",  "{CRYPT}",       ENCODING_CRYPT },
	{ "bcrypt",  "",              ENCODING_CRYPT },
};

static const struct scheme *
scheme_of(struct str stored)
{
	const struct scheme *scheme = schemes;

	while (!str_starts_with_nocase(stored, str_c(scheme->prefix)))
		scheme++;
	return scheme;
}

static bool
is_bcrypt(struct str setting)
{
	return str_starts_with(setting, STR("$2a$")) || str_starts_with(setting, STR("$2b$")) || str_starts_with(setting, STR("$2y$"));
}

const char *
password_scheme(struct str stored)
{
	const struct scheme *scheme = scheme_of(stored);

	if (scheme->encoding == ENCODING_CRYPT && !is_bcrypt(str_sub(stored, strlen(scheme->prefix), SIZE_MAX)))
		return "other";
	return scheme->name;
}

/* crypt(3) under `setting`; empty when it will not. */
static struct str
crypt_under(const char *setting, struct str password, struct arena *arena)
{
	struct crypt_data *data = MEM_NEW(struct crypt_data);
	char *plain = arena_cstr(arena, password);
	const char *hash = crypt_r(plain, setting, data);
	struct str out = STR_NONE;

	if (hash && hash[0] != '*')
		out = arena_copy(arena, str_c(hash));
	explicit_bzero(plain, password.len);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return out;
}

static void
sha512_salted(struct str password, struct str salt, uint8_t ret[SHA512_BYTES])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) || !EVP_DigestUpdate(ctx, password.ptr, password.len) ||
	    !EVP_DigestUpdate(ctx, salt.ptr, salt.len) || !EVP_DigestFinal_ex(ctx, ret, NULL))
		abort();
	EVP_MD_CTX_free(ctx);
}

static enum err
bcrypt_new(struct str password, struct arena *arena, struct str *ret)
{
	char random[SALT_BYTES], setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct str hash;

	if (password.len > BCRYPT_BYTES)
		return ERR_INVALID;
	random_bytes(random, sizeof(random));
	if (!crypt_gensalt_rn("$2b$", BCRYPT_COST, random, sizeof(random), setting, sizeof(setting)))
		return ERR_INTERNAL;
	hash = crypt_under(setting, password, arena);
	if (hash.len == 0)
		return ERR_INTERNAL;
	*ret = arena_printf(arena, "{BLF-CRYPT}%.*s", STR_ARG(hash));
	return ERR_OK;
}

enum err
password_hash(struct str scheme, struct str password, struct arena *arena, struct str *ret)
{
	uint8_t bytes[SHA512_BYTES + SALT_BYTES];
	struct str salt = str_from(bytes + SHA512_BYTES, SALT_BYTES);

	if (password.len == 0 || password.len > PASSWORD_MAX || str_index(password, '\0') < password.len)
		return ERR_INVALID;
	if (str_equal(scheme, STR("bcrypt")))
		return bcrypt_new(password, arena, ret);
	if (str_equal(scheme, STR("sha512")))
		salt.len = 0;
	else if (!str_equal(scheme, STR("ssha512")))
		return ERR_NOT_SUPPORTED;
	random_bytes(bytes + SHA512_BYTES, SALT_BYTES);
	sha512_salted(password, salt, bytes);
	*ret = arena_printf(arena, "%s%.*s", salt.len > 0 ? "{SSHA512}" : "{SHA512}",
	    STR_ARG(base64_encode(arena, str_from(bytes, SHA512_BYTES + salt.len))));
	return ERR_OK;
}

/* Hash and, with "ssha512", the salt behind it. */
static bool
decode(const struct scheme *scheme, struct str text, struct arena *arena, struct str *ret)
{
	bool is_salted = str_equal(str_c(scheme->name), STR("ssha512"));

	if (scheme->encoding == ENCODING_HEX) {
		uint8_t *bytes = arena_alloc(arena, text.len / 2 + 1);

		if (!hex_read(text, bytes, text.len / 2))
			return false;
		*ret = str_from(bytes, text.len / 2);
	} else if (!base64_decode(arena, text, ret)) {
		return false;
	}
	return is_salted ? ret->len > SHA512_BYTES : ret->len == SHA512_BYTES;
}

static bool
verify(const struct scheme *scheme, struct str text, struct str password, struct arena *arena)
{
	uint8_t hash[SHA512_BYTES];
	struct str stored;

	if (scheme->encoding == ENCODING_CRYPT) {
		stored = text;
		return is_bcrypt(text) && crypto_equal(crypt_under(arena_cstr(arena, text), password, arena), stored);
	}
	if (!decode(scheme, text, arena, &stored))
		return false;
	sha512_salted(password, str_sub(stored, SHA512_BYTES, SIZE_MAX), hash);
	return crypto_equal(str_from(hash, sizeof(hash)), str_sub(stored, 0, SHA512_BYTES));
}

bool
password_verify(struct str stored, struct str password)
{
	const struct scheme *scheme = scheme_of(stored);
	struct arena arena = { 0 };
	bool is_right;

	if (stored.len > STORED_MAX || password.len == 0 || password.len > PASSWORD_MAX || str_index(password, '\0') < password.len)
		return false;
	is_right = verify(scheme, str_sub(stored, strlen(scheme->prefix), SIZE_MAX), password, &arena);
	arena_clear(&arena);
	return is_right;
}
