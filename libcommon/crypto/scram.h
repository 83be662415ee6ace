/*
 * SCRAM's functions (RFC 5802 s. 3, RFC 7677), and its verifiers: what a server keeps to know a password by, without the password.
 *
 *	{SCRAM-SHA-256}iterations,base64(salt),base64(StoredKey),base64(ServerKey)
 *
 * That is as Dovecot writes them.
 */
#ifndef SORA_CRYPTO_SCRAM_H
#define SORA_CRYPTO_SCRAM_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

/* RFC 7677 s. 4 asks for 4096 iterations at least, and names 15,000 for machines of its time. */
enum { SCRAM_KEY_MAX = 32, SCRAM_SALT_BYTES = 16, SCRAM_ITERATIONS = 16384, SCRAM_ITERATIONS_MIN = 4096, SCRAM_ITERATIONS_MAX = 1000000 };

enum scram_hash { SCRAM_SHA_256, SCRAM_SHA_1, SCRAM_HASHES };

/* By its name, "SHA-256"; false: there is none. */
bool scram_hash_find(struct str name, enum scram_hash *ret);
const char *scram_hash_name(enum scram_hash hash);

struct scram_verifier {
	enum scram_hash hash;
	uint32_t iterations;
	struct str salt, stored_key, server_key;
};

/* Of a password, prepared by SASLprep. Its keys are in `arena`, the salt is as given. 1 ms for about 2000 iterations. */
struct scram_verifier scram_verifier_make(enum scram_hash hash, struct str password, struct str salt, uint32_t iterations, struct arena *arena);
/* One that no proof is right for, to be tried in place of one that is not there. */
struct scram_verifier scram_verifier_none(enum scram_hash hash);
/* With a fresh salt and SCRAM_ITERATIONS, as it is stored. */
struct str scram_verifier_new(enum scram_hash hash, struct str password, struct arena *arena);
/* Of what is stored. ERR_SYNTAX: it is no verifier by this hash. */
enum err scram_verifier_read(enum scram_hash hash, struct str stored, struct arena *arena, struct scram_verifier *ret);

/*
 * Does `proof` show that the client has the password, for this AuthMessage? Then *ret_signature is what shows it that the server has the
 * verifier: ServerSignature, in `arena`. Takes the same time whatever the proof is.
 */
bool scram_verify(const struct scram_verifier *verifier, struct str auth_message, struct str proof, struct arena *arena,
    struct str *ret_signature);

#endif
