/* Keys that seal bodies. */
#include "services/blob/frame/seal.h"

#include "libcommon/crypto/encode.h"
#include "services/blob/frame/bytes.h"

/* ---- the setting */

static enum err
key_read(struct str text, size_t number, struct seal_key *ret, struct buffer *problems)
{
	uint8_t hash[SHA256_BYTES];

	if (!hex_read(text, ret->bytes, sizeof(ret->bytes))) {
		buffer_printf(problems, "blob.seal_keys: key %zu is not 64 hex digits (openssl rand -hex 32 makes one)\n", number);
		return ERR_CONFIG;
	}
	sha256(str_from(ret->bytes, sizeof(ret->bytes)), hash);
	ret->id = get_u32(hash);
	/* 0 is what is not sealed. */
	if (ret->id == 0) {
		buffer_printf(problems, "blob.seal_keys: key %zu can not be used, make another one\n", number);
		return ERR_CONFIG;
	}
	return ERR_OK;
}

enum err
seal_keys_read(const struct str *texts, size_t count, struct seal_keys *ret, struct buffer *problems)
{
	struct seal_keys keys = { 0 };

	if (count > SEAL_KEYS_MAX) {
		buffer_printf(problems, "blob.seal_keys: at most %d keys\n", SEAL_KEYS_MAX);
		return ERR_CONFIG;
	}
	for (; keys.count < count; keys.count++) {
		struct seal_key *key = &keys.keys[keys.count];

		TRY(key_read(texts[keys.count], keys.count + 1, key, problems));
		if (seal_keys_find(&keys, key->id) != NULL) {
			buffer_printf(problems, "blob.seal_keys: key %zu is there twice, or another one has its id\n", keys.count + 1);
			return ERR_CONFIG;
		}
	}
	*ret = keys;
	return ERR_OK;
}

const struct seal_key *
seal_keys_first(const struct seal_keys *keys)
{
	return keys->count > 0 ? &keys->keys[0] : NULL;
}

const struct seal_key *
seal_keys_find(const struct seal_keys *keys, uint32_t id)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (keys->keys[i].id == id)
			return &keys->keys[i];
	}
	return NULL;
}

/* ---- one body */

/* HMAC of a label and the header, which has the body's place: another key for each purpose and each body. */
static void
derive(const struct seal_key *key, const char *label, struct str header, uint8_t ret[SHA256_BYTES])
{
	struct buffer bytes = { 0 };

	buffer_printf(&bytes, "sora blob %s:", label);
	buffer_add(&bytes, header);
	hmac_sha256(str_from(key->bytes, sizeof(key->bytes)), buffer_str(&bytes), ret);
	buffer_clear(&bytes);
}

void
seal_init(struct seal *seal, const struct seal_key *key, struct str header)
{
	*seal = (struct seal){ .is_on = key != NULL };
	if (key == NULL)
		return;
	derive(key, "frames", header, seal->frames);
	derive(key, "hashes", header, seal->hashes);
}

static void
nonce_of(uint64_t number, uint8_t ret[GCM_NONCE_BYTES])
{
	put_u32(ret, 0);
	put_u64(ret + 4, number);
}

void
seal_frame(const struct seal *seal, uint64_t number, struct str aad, struct str plain, char *ret, uint8_t ret_tag[GCM_TAG_BYTES])
{
	uint8_t nonce[GCM_NONCE_BYTES];

	nonce_of(number, nonce);
	gcm_seal(seal->frames, nonce, aad, plain, ret, ret_tag);
}

bool
seal_frame_open(const struct seal *seal, uint64_t number, struct str aad, struct str sealed, const uint8_t tag[GCM_TAG_BYTES], char *ret)
{
	uint8_t nonce[GCM_NONCE_BYTES];

	nonce_of(number, nonce);
	return gcm_open(seal->frames, nonce, aad, sealed, tag, ret);
}

void
seal_hash(const struct seal *seal, char what, uint8_t hash[SHA256_BYTES])
{
	uint8_t bytes[1 + SHA256_BYTES];

	bytes[0] = (uint8_t)what;
	memcpy(bytes + 1, hash, SHA256_BYTES);
	hmac_sha256(str_from(seal->hashes, sizeof(seal->hashes)), str_from(bytes, sizeof(bytes)), hash);
}
