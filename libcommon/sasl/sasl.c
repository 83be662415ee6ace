/* The table of mechanisms, and one exchange. */
#include "libcommon/sasl/mechanisms.h"

const struct sasl_mechanism sasl_mechanisms[] = {
	/* name    cleartext  step */
	{ "PLAIN", true,      sasl_plain_step },
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
sasl_step(struct sasl *sasl, struct str response, struct str *ret_challenge)
{
	if (response.len > SASL_RESPONSE_MAX)
		return ERR_SYNTAX;
	return sasl->mechanism->step(sasl, response, ret_challenge);
}
