/*
 * SCRAM: the client proves that it has the password, the server that it knows it; neither says it. -PLUS, likewise, that they speak over
 * the same TLS connection.                                                                    RFC 5802, RFC 7677, RFC 9266
 */
#include "libcommon/core/random.h"
#include "libcommon/crypto/encode.h"
#include "libcommon/crypto/hash.h"
#include "libcommon/sasl/mechanisms.h"
#include "libcommon/sasl/scram_message.h"

enum { NONCE_BYTES = 18 };

/* After the first message. */
struct exchange {
	struct scram_first first;
	struct str user;
	struct str nonce;    /* both halves */
	struct str sent;     /* server-first-message */
};

/* s. 6: who could bind and was told that there is no -PLUS was told so by someone in between. */
static enum err
check_flag(const struct sasl *sasl, const struct scram_first *first)
{
	bool is_right;

	if (sasl->mechanism->needs == SASL_NEEDS_BINDING)
		is_right = first->flag == 'p' && str_equal(first->binding, STR("tls-exporter"));
	else
		is_right = first->flag == 'n' || (first->flag == 'y' && !sasl->backend->can_bind);
	return is_right ? ERR_OK : ERR_AUTH_FAILED;
}

static struct str
add_nonce(struct arena *arena, struct str client)
{
	uint8_t random[NONCE_BYTES];

	random_bytes(random, sizeof(random));
	return arena_printf(arena, "%.*s%.*s", STR_ARG(client), STR_ARG(base64_encode(arena, str_from(random, sizeof(random)))));
}

/* The message may go before the exchange does. */
static enum err
begin(struct sasl *sasl, struct str message, struct str *ret_challenge)
{
	struct exchange *exchange = ARENA_NEW(sasl->arena, struct exchange);
	struct scram_first *first = &exchange->first;
	struct sasl_salt salt;

	TRY(scram_first_parse(arena_copy(sasl->arena, message), sasl->arena, first));
	if (first->user.len > SASL_NAME_MAX || first->authzid.len > SASL_NAME_MAX)
		return ERR_SYNTAX;
	TRY(check_flag(sasl, first));
	TRY(sasl_prep(first->user, sasl->arena, &exchange->user));
	TRY(sasl_check_authzid(sasl, first->authzid, exchange->user));
	TRY(sasl->backend->salt(sasl->backend->context, str_c(sasl->mechanism->hash), exchange->user, &salt));
	exchange->nonce = add_nonce(sasl->arena, first->nonce);
	exchange->sent = scram_server_first(sasl->arena, exchange->nonce, salt.salt, salt.iterations);
	sasl->state = exchange;
	*ret_challenge = exchange->sent;
	return ERR_AGAIN;
}

static struct str
join(struct arena *arena, struct str a, struct str b)
{
	char *both = arena_alloc(arena, a.len + b.len + 1);

	memcpy(both, a.ptr, a.len);
	memcpy(both + a.len, b.ptr, b.len);
	return str_from(both, a.len + b.len);
}

/* s. 5.1, "c": what the client says of the channel is what we see of it. */
static enum err
check_binding(const struct sasl *sasl, const struct scram_first *first, struct str said)
{
	struct str data = STR("");

	if (first->flag == 'p' && !sasl->backend->binding(sasl->backend->context, &data))
		return ERR_AUTH_FAILED;
	return crypto_equal(said, join(sasl->arena, first->header, data)) ? ERR_OK : ERR_AUTH_FAILED;
}

static enum err
finish(struct sasl *sasl, struct exchange *exchange, struct str message, struct str *ret_challenge)
{
	struct sasl_proof proof = { .user = exchange->user, .hash = str_c(sasl->mechanism->hash) };
	struct scram_final final;
	struct str signature;

	TRY(scram_final_parse(message, sasl->arena, &final));
	if (!crypto_equal(final.nonce, exchange->nonce))
		return ERR_AUTH_FAILED;
	TRY(check_binding(sasl, &exchange->first, final.binding));
	proof.message = scram_auth_message(sasl->arena, exchange->first.bare, exchange->sent, final.unproved);
	proof.proof = final.proof;
	TRY(sasl->backend->proof(sasl->backend->context, &proof, &signature));
	*ret_challenge = scram_server_final(sasl->arena, signature);
	return ERR_OK;
}

enum err
sasl_scram_step(struct sasl *sasl, struct str response, struct str *ret_challenge)
{
	if (sasl->state != NULL)
		return finish(sasl, sasl->state, response, ret_challenge);
	if (response.ptr != NULL)
		return begin(sasl, response, ret_challenge);
	*ret_challenge = STR("");
	return ERR_AGAIN;
}
