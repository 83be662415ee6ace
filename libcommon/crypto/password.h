/*
 * Passwords as they are stored, and whether one is right.
 *
 *	bcrypt   {BLF-CRYPT}$2b$10$...           crypt(5), cost 10; also $2a$ and $2y$, bare or as {CRYPT}
 *	ssha512  {SSHA512}base64(hash || salt)   hash = SHA-512(password || salt); also {SSHA512.HEX}
 *	sha512   {SHA512}base64(hash)            also {SHA512.HEX}
 *
 * The schemes in braces are what the field's tools write, in any case.
 */
#ifndef SORA_CRYPTO_PASSWORD_H
#define SORA_CRYPTO_PASSWORD_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

/*
 * Hash a password with a fresh salt, for storing. ERR_NOT_SUPPORTED: no such scheme. ERR_INVALID: empty, a NUL within, or longer than
 * the scheme looks at (72 bytes for bcrypt, 1000 for the others).
 */
enum err password_hash(struct str scheme, struct str password, struct arena *arena, struct str *ret);

/* Is this the password? What cannot be understood is never right. The comparison takes the same time whatever it finds. */
bool password_verify(struct str stored, struct str password);

/* "bcrypt", "ssha512", "sha512", or "other". */
const char *password_scheme(struct str stored);

#endif
