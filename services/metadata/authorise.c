/* Tokens of logins, and whether their accounts still are what they were. */
#include <endian.h>
#include <pthread.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/crypto/hash.h"
#include "services/metadata/authorise.h"

enum { KEYS_MAX = 8, KNOWN = 8192, KNOWN_MS = 10000, SIGNED_BYTES = 40, TOKEN_BYTES = SIGNED_BYTES + SHA256_BYTES };

/* What was signed, as it is sent. */
struct token {
	uint32_t form, key_id;
	uint64_t account, session, ends_ms, version;
};
_Static_assert(sizeof(struct token) == SIGNED_BYTES, "a token has no padding");

struct known {
	uint64_t account;
	int64_t version;
	int64_t read_ms;
	bool is_active;
};

struct accounts {
	pthread_mutex_t mutex;
	struct known known[KNOWN];
	struct arena arena;
	struct str keys[KEYS_MAX];
	uint32_t key_ids[KEYS_MAX];
	size_t key_count;
	int64_t life_ms;
};

static void
add_key(struct accounts *accounts, struct str key)
{
	uint8_t hash[SHA256_BYTES];

	if (key.len == 0 || accounts->key_count == KEYS_MAX)
		return;
	sha256(key, hash);
	memcpy(&accounts->key_ids[accounts->key_count], hash, sizeof(uint32_t));
	accounts->keys[accounts->key_count++] = arena_copy(&accounts->arena, key);
}

struct accounts *
accounts_new(const struct config *config)
{
	struct accounts *accounts = MEM_NEW(struct accounts);
	char own[SHA256_BYTES];

	pthread_mutex_init(&accounts->mutex, NULL);
	accounts->life_ms = config->token_life;
	for (size_t i = 0; i < config->token_keys.count; i++)
		add_key(accounts, config->token_keys.items[i]);
	if (accounts->key_count == 0) {
		random_bytes(own, sizeof(own));
		add_key(accounts, str_from(own, sizeof(own)));
	}
	return accounts;
}

void
accounts_free(struct accounts *accounts)
{
	if (!accounts)
		return;
	pthread_mutex_destroy(&accounts->mutex);
	arena_clear(&accounts->arena);
	free(accounts);
}

struct str
token_make(struct metadata *metadata, struct arena *arena, uint64_t account, int64_t version)
{
	struct accounts *accounts = metadata->accounts;
	struct token token = { .form = htobe32(1), .key_id = accounts->key_ids[0], .account = htobe64(account), .session = random_u64(),
		.ends_ms = htobe64((uint64_t)(clock_wall_ms() + accounts->life_ms)), .version = htobe64((uint64_t)version) };
	char *out = arena_alloc(arena, TOKEN_BYTES);

	memcpy(out, &token, SIGNED_BYTES);
	hmac_sha256(accounts->keys[0], str_from(out, SIGNED_BYTES), (uint8_t *)out + SIGNED_BYTES);
	return str_from(out, TOKEN_BYTES);
}

static bool
is_ours(const struct accounts *accounts, struct str bytes, const struct token *token)
{
	uint8_t mac[SHA256_BYTES];

	for (size_t i = 0; i < accounts->key_count; i++) {
		if (accounts->key_ids[i] != token->key_id)
			continue;
		hmac_sha256(accounts->keys[i], str_sub(bytes, 0, SIGNED_BYTES), mac);
		if (crypto_equal(str_from(mac, sizeof(mac)), str_sub(bytes, SIGNED_BYTES, SIZE_MAX)))
			return true;
	}
	return false;
}

static struct known *
known_of(struct accounts *accounts, uint64_t account)
{
	return &accounts->known[(account * 0x9e3779b97f4a7c15ULL) >> 51];
}

void
authorise_forget(struct metadata *metadata, uint64_t account)
{
	struct known *known = known_of(metadata->accounts, account);

	pthread_mutex_lock(&metadata->accounts->mutex);
	if (known->account == account)
		known->read_ms = 0;
	pthread_mutex_unlock(&metadata->accounts->mutex);
}

static enum err
read_account(struct rpc *rpc, uint64_t account, struct known *ret)
{
	static const struct pg_statement statement = { "authorise",
		"SELECT c.version, a.state = 'active' FROM accounts a JOIN credentials c USING (account) WHERE a.account = $1" };
	struct metadata *metadata = rpc->service;
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	*ret = (struct known){ .account = account, .read_ms = clock_mono_ms() };
	pg_arg_int(&args, (int64_t)account);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	if (rows.count > 0) {
		ret->version = pg_int(&rows, 0, 0);
		ret->is_active = pg_int(&rows, 0, 1) != 0;
	}
	pthread_mutex_lock(&metadata->accounts->mutex);
	*known_of(metadata->accounts, account) = *ret;
	pthread_mutex_unlock(&metadata->accounts->mutex);
	return ERR_OK;
}

enum err
authorise_token(struct rpc *rpc, struct str bytes, uint64_t account)
{
	struct metadata *metadata = rpc->service;
	struct token token;
	struct known known;

	if (bytes.len != TOKEN_BYTES)
		return ERR_DENIED;
	memcpy(&token, bytes.ptr, SIGNED_BYTES);
	if (!is_ours(metadata->accounts, bytes, &token) || be64toh(token.account) != account)
		return ERR_DENIED;
	if ((int64_t)be64toh(token.ends_ms) < clock_wall_ms())
		return ERR_AUTH_EXPIRED;
	pthread_mutex_lock(&metadata->accounts->mutex);
	known = *known_of(metadata->accounts, account);
	pthread_mutex_unlock(&metadata->accounts->mutex);
	if (known.account != account || known.read_ms + KNOWN_MS < clock_mono_ms())
		TRY(read_account(rpc, account, &known));
	return known.is_active && known.version == (int64_t)be64toh(token.version) ? ERR_OK : ERR_AUTH_EXPIRED;
}

enum err
authorise(struct rpc *rpc, uint64_t account)
{
	return authorise_token(rpc, rpc->token, account);
}
