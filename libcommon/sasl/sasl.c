/* The table of mechanisms, and one exchange. */
#include "libcommon/sasl/mechanisms.h"

/* The best first: some clients take the first that they know. */
const struct sasl_mechanism sasl_mechanisms[] = {
	/* name                   needs               hash       step */
	{ "SCRAM-SHA-256-PLUS", SASL_NEEDS_BINDING, "SHA-256", sasl_scram_step },
	{ "SCRAM-SHA-1-PLUS",   SASL_NEEDS_BINDING, "SHA-1",   sasl_scram_step },
	{ "SCRAM-SHA-256",      SASL_NEEDS_NOTHING, "SHA-256", sasl_scram_step },
	{ "SCRAM-SHA-1",        SASL_NEEDS_NOTHING, "SHA-1",   sasl_scram_step },
	{ "PLAIN",              SASL_NEEDS_PRIVACY, NULL,      sasl_plain_step },
	{ 0 },
};

const struct sasl_mechanism *
sasl_find(struct str name)
{
	for (const struct sasl_mechanism *m = sasl_mechanisms; m->name; m++)
		if (str_equal_nocase(str_c(m->name), name))
			return m;
	return NULL;
}

enum err
sasl_admit(const struct sasl_mechanism *mechanism, bool is_private, bool can_bind)
{
	if (mechanism == NULL || (mechanism->needs == SASL_NEEDS_BINDING && !can_bind))
		return ERR_NOT_SUPPORTED;
	return mechanism->needs == SASL_NEEDS_PRIVACY && !is_private ? ERR_DENIED : ERR_OK;
}

struct sasl *
sasl_new(const struct sasl_mechanism *mechanism, const struct sasl_backend *backend, struct arena *arena)
{
	struct sasl *sasl = ARENA_NEW(arena, struct sasl);

	sasl->mechanism = mechanism;
	sasl->backend = backend;
	sasl->arena = arena;
	return sasl;
}

enum err
sasl_check_authzid(struct sasl *sasl, struct str authzid, struct str user)
{
	struct str prepared;

	if (authzid.len == 0)
		return ERR_OK;
	TRY(sasl_prep(authzid, sasl->arena, &prepared));
	return str_equal_nocase(prepared, user) ? ERR_OK : ERR_DENIED;
}

enum err
sasl_step(struct sasl *sasl, struct str response, struct str *ret_challenge)
{
	*ret_challenge = STR_NONE;
	if (response.len > SASL_RESPONSE_MAX)
		return ERR_SYNTAX;
	/* RFC 4422 s. 3: what goes with success is a challenge, its response empty, where the protocol has no other place for it. */
	if (sasl->is_ended)
		return response.len == 0 ? ERR_OK : ERR_SYNTAX;
	TRY(sasl->mechanism->step(sasl, response, ret_challenge));
	sasl->is_ended = ret_challenge->ptr != NULL && !sasl->backend->has_final_data;
	return sasl->is_ended ? ERR_AGAIN : ERR_OK;
}
