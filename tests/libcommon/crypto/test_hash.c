/* Published vectors: FIPS 180-4's examples, RFC 4231, RFC 4648 s. 10. */
#include <criterion/criterion.h>

#include "libcommon/crypto/encode.h"
#include "libcommon/crypto/hash.h"

static void
check_hex(const uint8_t hash[SHA256_BYTES], const char *expected)
{
	char text[2 * SHA256_BYTES + 1] = "";

	hex_write(str_from(hash, SHA256_BYTES), text);
	cr_assert_str_eq(text, expected);
}

Test(hash, sha256_gives_the_published_values)
{
	uint8_t hash[SHA256_BYTES];

	sha256(STR_NONE, hash);
	check_hex(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256(STR("abc"), hash);
	check_hex(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(hash, sha256_in_pieces_is_the_same_at_every_split)
{
	struct str all = STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");

	for (size_t i = 0; i <= all.len; i++) {
		struct sha256 state;
		uint8_t hash[SHA256_BYTES];

		sha256_init(&state);
		sha256_add(&state, str_sub(all, 0, i));
		sha256_add(&state, str_sub(all, i, SIZE_MAX));
		sha256_finish(&state, hash);
		check_hex(hash, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	}
}

Test(hash, hmac_gives_the_values_of_rfc_4231)
{
	static const struct { struct str key, data; const char *hmac; } cases[] = {
		{ STR("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"), STR("Hi There"),
		    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ STR("Jefe"), STR("what do ya want for nothing?"),
		    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ STR_NONE, STR_NONE, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t hmac[SHA256_BYTES];

		hmac_sha256(cases[i].key, cases[i].data, hmac);
		check_hex(hmac, cases[i].hmac);
	}
}

Test(hash, md5_gives_the_value_of_rfc_1321)
{
	uint8_t hash[MD5_BYTES];

	cr_assert(md5(STR("abc"), hash));
	cr_assert_eq(memcmp(hash, "\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72", sizeof(hash)), 0);
}

Test(hash, equal_compares_length_and_every_byte)
{
	cr_assert(crypto_equal(STR("abc"), STR("abc")));
	cr_assert(crypto_equal(STR_NONE, STR("")));
	cr_assert_not(crypto_equal(STR("abc"), STR("abd")));
	cr_assert_not(crypto_equal(STR("abc"), STR("ab")));
}

Test(encode, base64_gives_the_values_of_rfc_4648)
{
	static const struct { const char *bytes, *text; } cases[] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfb", "//77" },
	};
	struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str back;

		cr_assert(str_equal(base64_encode(&arena, str_c(cases[i].bytes)), str_c(cases[i].text)), "%s", cases[i].bytes);
		cr_assert(base64_decode(&arena, str_c(cases[i].text), &back), "%s", cases[i].text);
		cr_assert(str_equal(back, str_c(cases[i].bytes)), "%s", cases[i].text);
	}
	arena_clear(&arena);
}

Test(encode, base64_refuses_what_no_encoder_writes)
{
	static const char *const cases[] = { "Z", "Zg", "Zg=", "=", "====", "Z===", "Zg==Zg==", "Zh==", "Zm9=", "Zm 8", "Zm8\n", "Zg=A", "Zm9v\xff" };
	struct arena arena = { 0 };
	struct str back;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_assert_not(base64_decode(&arena, str_c(cases[i]), &back), "%s", cases[i]);
	arena_clear(&arena);
}

Test(encode, hex_reads_what_it_wrote_and_nothing_else)
{
	struct arena arena = { 0 };
	uint8_t back[4];

	cr_assert(str_equal(hex_encode(&arena, STR("\x00\x7f\xab\xff")), STR("007fabff")));
	cr_assert(hex_read(STR("007FabFf"), back, 4) && memcmp(back, "\x00\x7f\xab\xff", 4) == 0);
	cr_assert_not(hex_read(STR("007fabf"), back, 4));
	cr_assert_not(hex_read(STR("007fabfff"), back, 4));
	cr_assert_not(hex_read(STR("007fabfg"), back, 4));
	cr_assert_not(hex_read(STR("007fab\0f"), back, 4));
	arena_clear(&arena);
}
