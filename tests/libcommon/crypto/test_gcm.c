/* Published vectors of AES-256-GCM: McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 16. */
#include <criterion/criterion.h>

#include "libcommon/crypto/encode.h"
#include "libcommon/crypto/gcm.h"

enum { LONGEST = 64 };

#define ZERO16 "00000000000000000000000000000000"
#define LONG_KEY "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define LONG_PLAIN "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define LONG_SEALED "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"

static const struct {
	const char *key, *nonce, *aad, *plain, *sealed, *tag;
} cases[] = {
	{ ZERO16 ZERO16, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
	{ ZERO16 ZERO16, "000000000000000000000000", "", ZERO16, "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919" },
	{ LONG_KEY, "cafebabefacedbaddecaf888", "", LONG_PLAIN "1aafd255", LONG_SEALED "898015ad", "b094dac5d93471bdec1a502270e3cc6c" },
	{ LONG_KEY, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", LONG_PLAIN, LONG_SEALED,
	    "76fc6ece0f4e1768cddf8853bb2d551b" },
};

struct vector {
	uint8_t key[GCM_KEY_BYTES], nonce[GCM_NONCE_BYTES], aad[LONGEST], plain[LONGEST], sealed[LONGEST], tag[GCM_TAG_BYTES];
	size_t aad_len, len;
};

static struct vector
vector_read(size_t i)
{
	struct vector v = { .aad_len = strlen(cases[i].aad) / 2, .len = strlen(cases[i].plain) / 2 };

	cr_assert(hex_read(str_c(cases[i].key), v.key, sizeof(v.key)) && hex_read(str_c(cases[i].nonce), v.nonce, sizeof(v.nonce)) &&
	    hex_read(str_c(cases[i].aad), v.aad, v.aad_len) && hex_read(str_c(cases[i].plain), v.plain, v.len) &&
	    hex_read(str_c(cases[i].sealed), v.sealed, v.len) && hex_read(str_c(cases[i].tag), v.tag, sizeof(v.tag)));
	return v;
}

Test(gcm, gives_the_published_values_both_ways_and_in_place)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct vector v = vector_read(i);
		uint8_t tag[GCM_TAG_BYTES];
		char got[LONGEST];

		memcpy(got, v.plain, v.len);
		gcm_seal(v.key, v.nonce, str_from(v.aad, v.aad_len), str_from(got, v.len), got, tag);
		cr_assert(memcmp(got, v.sealed, v.len) == 0 && memcmp(tag, v.tag, sizeof(tag)) == 0, "case %zu", i);
		cr_assert(gcm_open(v.key, v.nonce, str_from(v.aad, v.aad_len), str_from(v.sealed, v.len), v.tag, got), "case %zu", i);
		cr_assert_eq(memcmp(got, v.plain, v.len), 0, "case %zu", i);
	}
}

Test(gcm, any_changed_bit_opens_nothing)
{
	struct vector v = vector_read(3);
	struct { uint8_t *bytes; size_t len; } parts[] = { { v.key, sizeof(v.key) }, { v.nonce, sizeof(v.nonce) },
		{ v.aad, v.aad_len }, { v.sealed, v.len }, { v.tag, sizeof(v.tag) } };
	char got[LONGEST], zero[LONGEST] = { 0 };

	for (size_t p = 0; p < sizeof(parts) / sizeof(*parts); p++) {
		for (size_t i = 0; i < 8 * parts[p].len; i++) {
			parts[p].bytes[i / 8] ^= (uint8_t)(1 << i % 8);
			cr_assert(!gcm_open(v.key, v.nonce, str_from(v.aad, v.aad_len), str_from(v.sealed, v.len), v.tag, got),
			    "part %zu bit %zu", p, i);
			cr_assert_eq(memcmp(got, zero, v.len), 0, "nothing is given out");
			parts[p].bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		}
	}
}
