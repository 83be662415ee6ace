/* SCRAM's functions, by the examples of RFC 5802 s. 5 and RFC 7677 s. 3. */
#include <criterion/criterion.h>

#include "libcommon/crypto/encode.h"
#include "libcommon/crypto/scram.h"

static const struct example {
	enum scram_hash hash;
	const char *salt, *message, *proof, *signature;
} examples[] = {
	{ SCRAM_SHA_1, "QSXCR+Q6sek8bf92",
	  "n=user,r=fyko+d2lbbFgONRv9qkxdawL,"
	  "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,"
	  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
	  "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
	{ SCRAM_SHA_256, "W22ZaJ0SNY7soEsUEjb6gQ==",
	  "n=user,r=rOprNGfwEbeRWgbNEkqO,"
	  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
	  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	  "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
};
enum { EXAMPLES = sizeof(examples) / sizeof(examples[0]) };

static struct str
decoded(struct arena *arena, const char *text)
{
	struct str bytes;

	cr_assert(base64_decode(arena, str_c(text), &bytes), "%s", text);
	return bytes;
}

Test(scram, examples_of_the_rfcs)
{
	for (size_t i = 0; i < EXAMPLES; i++) {
		const struct example *e = &examples[i];
		struct arena arena = { 0 };
		struct scram_verifier verifier = scram_verifier_make(e->hash, STR("pencil"), decoded(&arena, e->salt), 4096, &arena);
		struct str signature;

		cr_assert(scram_verify(&verifier, str_c(e->message), decoded(&arena, e->proof), &arena, &signature), "example %zu", i);
		cr_expect(str_equal(signature, decoded(&arena, e->signature)), "example %zu", i);
		arena_clear(&arena);
	}
}

Test(scram, any_other_proof_message_or_password_is_wrong)
{
	for (size_t i = 0; i < EXAMPLES; i++) {
		const struct example *e = &examples[i];
		struct arena arena = { 0 };
		struct str salt = decoded(&arena, e->salt), proof = decoded(&arena, e->proof), message = str_c(e->message), signature;
		struct scram_verifier verifier = scram_verifier_make(e->hash, STR("pencil"), salt, 4096, &arena);
		struct scram_verifier other = scram_verifier_make(e->hash, STR("pencils"), salt, 4096, &arena);
		struct scram_verifier more = scram_verifier_make(e->hash, STR("pencil"), salt, 4097, &arena);
		struct scram_verifier none = scram_verifier_none(e->hash);

		for (size_t at = 0; at < proof.len; at++) {
			struct str changed = arena_copy(&arena, proof);

			((char *)changed.ptr)[at] ^= 1;
			cr_expect(!scram_verify(&verifier, message, changed, &arena, &signature), "byte %zu", at);
		}
		cr_expect(!scram_verify(&verifier, str_sub(message, 0, message.len - 1), proof, &arena, &signature));
		cr_expect(!scram_verify(&verifier, message, str_sub(proof, 0, proof.len - 1), &arena, &signature));
		cr_expect(!scram_verify(&verifier, message, STR(""), &arena, &signature));
		cr_expect(!scram_verify(&other, message, proof, &arena, &signature));
		cr_expect(!scram_verify(&more, message, proof, &arena, &signature));
		cr_expect(!scram_verify(&none, message, proof, &arena, &signature));
		arena_clear(&arena);
	}
}

Test(scram, a_verifier_is_stored_and_read)
{
	for (int hash = 0; hash < SCRAM_HASHES; hash++) {
		struct arena arena = { 0 };
		struct str stored = scram_verifier_new((enum scram_hash)hash, STR("secret"), &arena);
		struct scram_verifier read, made;

		cr_assert_eq(scram_verifier_read((enum scram_hash)hash, stored, &arena, &read), ERR_OK, "%.*s", STR_ARG(stored));
		cr_expect_eq(read.iterations, SCRAM_ITERATIONS);
		cr_expect_eq(read.salt.len, SCRAM_SALT_BYTES);
		made = scram_verifier_make((enum scram_hash)hash, STR("secret"), read.salt, read.iterations, &arena);
		cr_expect(str_equal(made.stored_key, read.stored_key) && str_equal(made.server_key, read.server_key));
		cr_expect(!str_equal(scram_verifier_new((enum scram_hash)hash, STR("secret"), &arena), stored), "its salt is fresh");
		arena_clear(&arena);
	}
}

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define KEY_256 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

Test(scram, what_is_no_verifier_is_refused)
{
	static const struct {
		const char *stored;
		enum err err;
	} cases[] = {
		{ "{SCRAM-SHA-1}4096,c2FsdA==," KEY "," KEY, ERR_OK },
		{ "", ERR_SYNTAX },
		{ "{SCRAM-SHA-256}4096,c2FsdA==," KEY_256 "," KEY_256, ERR_SYNTAX },
		{ "{SCRAM-SHA-1}4095,c2FsdA==," KEY "," KEY, ERR_SYNTAX },
		{ "{SCRAM-SHA-1}1000001,c2FsdA==," KEY "," KEY, ERR_SYNTAX },
		{ "{SCRAM-SHA-1}x,c2FsdA==," KEY "," KEY, ERR_SYNTAX },
		{ "{SCRAM-SHA-1}4096,," KEY "," KEY, ERR_SYNTAX },
		{ "{SCRAM-SHA-1}4096,c2FsdA," KEY "," KEY, ERR_SYNTAX },
		{ "{SCRAM-SHA-1}4096,c2FsdA==," KEY "," KEY_256, ERR_SYNTAX },
		{ "{SCRAM-SHA-1}4096,c2FsdA==," KEY_256 "," KEY, ERR_SYNTAX },
		{ "{SCRAM-SHA-1}4096,c2FsdA==," KEY, ERR_SYNTAX },
		{ "{SCRAM-SHA-1}4096,c2FsdA==," KEY "," KEY ",", ERR_SYNTAX },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = { 0 };
		struct scram_verifier read;

		cr_expect_eq(scram_verifier_read(SCRAM_SHA_1, str_c(cases[i].stored), &arena, &read), cases[i].err, "%s", cases[i].stored);
		arena_clear(&arena);
	}
}
