/* The setting blob.seal_keys. */
#include <criterion/criterion.h>

#include "services/blob/frame/seal.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER "ff0102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f"

Test(seal, keys_are_known_by_the_start_of_their_hash)
{
	struct str texts[] = { STR(KEY), STR(OTHER) };
	struct seal_keys keys;

	cr_assert_eq(seal_keys_read(texts, 2, &keys, &(struct buffer){ 0 }), ERR_OK);
	cr_assert_eq(keys.count, 2);
	cr_assert_eq(keys.keys[0].id, 0x630dcd29);
	cr_assert_eq(seal_keys_first(&keys), &keys.keys[0]);
	cr_assert_eq(seal_keys_find(&keys, keys.keys[1].id), &keys.keys[1]);
	cr_assert_eq(seal_keys_find(&keys, 0), NULL);
	cr_assert_eq(seal_keys_read(NULL, 0, &keys, &(struct buffer){ 0 }), ERR_OK);
	cr_assert_eq(seal_keys_first(&keys), NULL);
}

Test(seal, what_is_no_key_is_refused_by_its_number_and_not_shown)
{
	static const struct { struct str texts[2]; const char *problem; } cases[] = {
		{ { STR(KEY), STR("00") }, "key 2 is not 64 hex digits" },
		{ { STR(KEY), STR("") }, "key 2 is not 64 hex digits" },
		{ { STR(KEY "00"), STR(KEY) }, "key 1 is not 64 hex digits" },
		{ { STR(KEY), STR("g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f") }, "key 2 is not 64 hex digits" },
		{ { STR(KEY), STR(KEY) }, "key 2 is there twice" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buffer problems = { 0 };
		struct seal_keys keys;

		cr_assert_eq(seal_keys_read(cases[i].texts, 2, &keys, &problems), ERR_CONFIG, "case %zu", i);
		cr_assert_lt(str_find(buffer_str(&problems), str_c(cases[i].problem)), buffer_len(&problems), "case %zu", i);
		cr_assert_eq(str_find(buffer_str(&problems), STR("0405060708")), buffer_len(&problems), "case %zu", i);
		buffer_clear(&problems);
	}
}

Test(seal, there_is_a_limit_to_keys)
{
	struct str texts[SEAL_KEYS_MAX + 1] = { STR_NONE };
	struct buffer problems = { 0 };
	struct seal_keys keys;

	cr_assert_eq(seal_keys_read(texts, SEAL_KEYS_MAX + 1, &keys, &problems), ERR_CONFIG);
	cr_assert_lt(str_find(buffer_str(&problems), STR("at most 16")), buffer_len(&problems));
	buffer_clear(&problems);
}
