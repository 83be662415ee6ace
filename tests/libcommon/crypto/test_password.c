/* Password hashes: ours, and those that the field's tools have written. */
#include <criterion/criterion.h>

#include "libcommon/crypto/password.h"

Test(password, of_other_tools_are_understood)
{
	static const struct {
		const char *stored, *password;
		bool want;
	} cases[] = {
		/* Openwall's vector; doveadm's prefixes. */
		{ "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", true },
		{ "{BLF-CRYPT}$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", true },
		{ "{crypt}$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", true },
		{ "{BLF-CRYPT}$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*V", false },
		/* Made with Python's hashlib: sha512(password), sha512(password + salt) + salt. */
		{ "{SHA512}VraY3v7bWkNbY0r+MyC7rz/c2SC2xQOkRvx7endrKY1HnRumqLYXgI6wv1ec6aldZoNHvKtxSQhayTyyeZUZew==",
		  "correct horse", true },
		{ "{SSHA512}+4p2b5gSRv19rYw7ZsquNzblTZAV2dwAI++9qyh3SobNXFB8/aB/Ul9rcpVlRabBdrrAtKCWmjmOcJTuqVsj/gECc2FsdP/+",
		  "correct horse", true },
		{ "{SSHA512.HEX}fb8a766f981246fd7dad8c3b66caae3736e54d9015d9dc0023efbdab28774a86cd5c507cfda07f525f6b72956545a6c17"
		  "6bac0b4a0969a398e7094eea95b23fe010273616c74fffe",
		  "correct horse", true },
		{ "{sha512.hex}56B698DEFEDB5A435B634AFE3320BBAF3FDCD920B6C503A446FC7B7A776B298D479D1BA6A8B617808EB0BF579CE9A95D66"
		  "8347BCAB7149085AC93CB27995197B",
		  "correct horse", true },
		{ "", "x", false },
		{ "{BLF-CRYPT}", "x", false },
		{ "{BLF-CRYPT}*0", "x", false },
		{ "{BLF-CRYPT}$2y$05$short", "x", false },
		{ "{SHA512}bm90IGEgaGFzaA==", "x", false },
		{ "{SHA512.HEX}zz", "x", false },
		{ "{SSHA512}***", "x", false },
		{ "{PLAIN}x", "x", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(password_verify(str_c(cases[i].stored), str_c(cases[i].password)), cases[i].want, "%s", cases[i].stored);
}

Test(password, what_is_hashed_is_verified)
{
	static const char *const schemes[] = { "bcrypt", "ssha512", "sha512" };
	struct arena arena = { 0 };

	for (size_t i = 0; i < 3; i++) {
		struct str hash, again;

		cr_assert_eq(password_hash(str_c(schemes[i]), STR("p\xc3\xa4ss"), &arena, &hash), ERR_OK);
		cr_assert_eq(password_hash(str_c(schemes[i]), STR("p\xc3\xa4ss"), &arena, &again), ERR_OK);
		cr_expect_eq(str_equal(hash, again), i == 2, "%s is salted", schemes[i]);
		cr_expect(password_verify(hash, STR("p\xc3\xa4ss")), "%s", schemes[i]);
		cr_expect(!password_verify(hash, STR("p\xc3\xa4sS")), "%s", schemes[i]);
		cr_expect(!password_verify(hash, STR("p\xc3\xa4ss\0")), "%s", schemes[i]);
		cr_expect_str_eq(password_scheme(hash), schemes[i]);
	}
	arena_clear(&arena);
}

Test(password, limits_and_unknown_schemes_are_errors)
{
	struct arena arena = { 0 };
	char text[1001];
	struct str hash;

	memset(text, 'x', sizeof(text));
	cr_expect_eq(password_hash(STR("rot13"), STR("x"), &arena, &hash), ERR_NOT_SUPPORTED);
	cr_expect_eq(password_hash(STR("bcrypt"), STR(""), &arena, &hash), ERR_INVALID);
	cr_expect_eq(password_hash(STR("bcrypt"), str_from(text, 73), &arena, &hash), ERR_INVALID);
	cr_expect_eq(password_hash(STR("bcrypt"), STR("a\0b"), &arena, &hash), ERR_INVALID);
	cr_expect_eq(password_hash(STR("sha512"), str_from(text, 1001), &arena, &hash), ERR_INVALID);
	cr_expect_eq(password_hash(STR("sha512"), str_from(text, 1000), &arena, &hash), ERR_OK);
	arena_clear(&arena);
}
