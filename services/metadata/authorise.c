/* Tokens of logins, and whether their accounts still are what they were. */
#include <endian.h>
#include <pthread.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/crypto/hash.h"
#include "services/metadata/authorise.h"

enum { KEYS_MAX = 8, KNOWN = 8192, KNOWN_MS = 10000, SIGNED_BYTES = 40 };

/* What was signed, as it is sent. */
struct token {
	uint32_t form, key_id;
	uint64_t account, session, ends_ms, version;
};
_Static_assert(sizeof(struct token) == SIGNED_BYTES, "a token has no padding");
_Static_assert(TOKEN_BYTES == SIGNED_BYTES + SHA256_BYTES, "what is signed, and the signature");

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

/* Read the accounts of these claims that are right so far: one row each, in their order. */
static enum err
read_accounts(struct rpc *rpc, struct claim **claims, size_t count, struct known *ret)
{
	static const struct pg_statement statement = { "authorise",
		"SELECT c.version, a.state = 'active' FROM unnest($1::bigint[]) WITH ORDINALITY w(account, place)"
		" LEFT JOIN accounts a ON a.account = w.account LEFT JOIN credentials c ON c.account = w.account ORDER BY w.place" };
	struct accounts *accounts = ((struct metadata *)rpc->service)->accounts;
	struct pg_args args = { .arena = rpc->arena };
	int64_t *numbers = ARENA_ARRAY(rpc->arena, int64_t, count), now = clock_mono_ms();
	struct pg_rows rows;

	for (size_t i = 0; i < count; i++)
		numbers[i] = (int64_t)claims[i]->account;
	pg_arg_ints(&args, numbers, count);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	if (rows.count != count)
		return ERR_INTERNAL;
	pthread_mutex_lock(&accounts->mutex);
	for (size_t i = 0; i < count; i++) {
		ret[i] = (struct known){ claims[i]->account, pg_int(&rows, i, 0), now, pg_int(&rows, i, 1) != 0 };
		*known_of(accounts, ret[i].account) = ret[i];
	}
	pthread_mutex_unlock(&accounts->mutex);
	return ERR_OK;
}

/* By what the token says itself. */
static enum err
judge_token(const struct accounts *accounts, struct claim *claim)
{
	struct token token;

	if (claim->token.len != TOKEN_BYTES)
		return ERR_DENIED;
	memcpy(&token, claim->token.ptr, SIGNED_BYTES);
	if (!is_ours(accounts, claim->token, &token) || be64toh(token.account) != claim->account)
		return ERR_DENIED;
	claim->ends_ms = (int64_t)be64toh(token.ends_ms);
	claim->version = (int64_t)be64toh(token.version);
	return claim->ends_ms < clock_wall_ms() ? ERR_AUTH_EXPIRED : ERR_OK;
}

/* By what is known of the account. */
static enum err
judge_account(const struct known *known, const struct claim *claim)
{
	return known->is_active && known->version == claim->version ? ERR_OK : ERR_AUTH_EXPIRED;
}

/* False also where the claim may be the newer one: a login after the password was changed, or the account enabled, at another replica. */
static bool
is_known(struct accounts *accounts, const struct claim *claim, struct known *ret)
{
	pthread_mutex_lock(&accounts->mutex);
	*ret = *known_of(accounts, claim->account);
	pthread_mutex_unlock(&accounts->mutex);
	return ret->account == claim->account && ret->read_ms + KNOWN_MS >= clock_mono_ms() && ret->is_active &&
	    ret->version >= claim->version;
}

enum err
authorise_claims(struct rpc *rpc, struct claim *claims, size_t count)
{
	struct accounts *accounts = ((struct metadata *)rpc->service)->accounts;
	struct claim **unknown = ARENA_ARRAY(rpc->arena, struct claim *, count + 1);
	struct known *read, known;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		claims[i].err = judge_token(accounts, &claims[i]);
		if (claims[i].err != ERR_OK)
			continue;
		if (is_known(accounts, &claims[i], &known))
			claims[i].err = judge_account(&known, &claims[i]);
		else
			unknown[n++] = &claims[i];
	}
	if (n == 0)
		return ERR_OK;
	read = ARENA_ARRAY(rpc->arena, struct known, n);
	TRY(read_accounts(rpc, unknown, n, read));
	for (size_t i = 0; i < n; i++)
		unknown[i]->err = judge_account(&read[i], unknown[i]);
	return ERR_OK;
}

int64_t
authorise_again(struct rpc *rpc, uint64_t account)
{
	struct claim claim = { .account = account }, *claims[] = { &claim };
	struct known known;

	return read_accounts(rpc, claims, 1, &known) == ERR_OK && known.is_active ? known.version : -1;
}

enum err
authorise(struct rpc *rpc, uint64_t account)
{
	struct claim claim = { .token = rpc->token, .account = account };

	TRY(authorise_claims(rpc, &claim, 1));
	return claim.err;
}
