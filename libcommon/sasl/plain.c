/* PLAIN: [authzid] NUL authcid NUL password, in one message.                                                RFC 4616 */
#include "libcommon/sasl/mechanisms.h"

enum err
sasl_plain_step(struct sasl *sasl, struct str response, struct str *ret_challenge)
{
	struct str rest = response, authzid, name, password, user, secret;

	if (!response.ptr) {
		*ret_challenge = STR("");
		return ERR_AGAIN;
	}
	if (!str_split(&rest, '\0', &authzid) || !rest.ptr || !str_split(&rest, '\0', &name) || !rest.ptr)
		return ERR_SYNTAX;
	password = rest;
	if (authzid.len > SASL_NAME_MAX || name.len > SASL_NAME_MAX || password.len > SASL_PASSWORD_MAX)
		return ERR_SYNTAX;
	if (str_index(password, '\0') != password.len)
		return ERR_SYNTAX;
	TRY(sasl_prep(name, sasl->arena, &user));
	TRY(sasl_prep(password, sasl->arena, &secret));
	TRY(sasl_check_authzid(sasl, authzid, user));
	return sasl->backend->password(sasl->backend->context, user, secret);
}
