/* BeginLogin: salt and iterations, of whoever is asked for. */
#include "libcommon/crypto/hash.h"
#include "services/metadata/rpc/rpc.h"

/*
 * A salt that never changes and that nobody can tell from another, so that who is asked for might exist (RFC 5802 s. 9 has the server's
 * data secret, not its users; accounts are not to be probed all the same).
 */
static struct str
salt_of(struct arena *arena, struct str secret, enum scram_hash hash, struct str user)
{
	struct str name = arena_printf(arena, "%s %.*s", scram_hash_name(hash), STR_ARG(user));
	uint8_t mac[SHA256_BYTES];

	hmac_sha256(secret, name, mac);
	return arena_copy(arena, str_from(mac, SCRAM_SALT_BYTES));
}

enum err
rpc_begin_login(struct rpc *rpc, const MetadataBeginLoginRequest *req, MetadataBeginLoginReply *reply)
{
	static const struct pg_statement statement = { "login_begin",
		"SELECT s.value, " VERIFIER_COLUMNS " FROM secrets s LEFT JOIN (addresses f JOIN credentials c ON c.account = f.account"
		" JOIN accounts a ON a.account = f.account AND a.state <> 'deleted') ON f.folded = $1 WHERE s.name = 'salts'" };
	struct pg_args args = { .arena = rpc->arena };
	struct scram_verifier verifier = { .iterations = SCRAM_ITERATIONS };
	enum scram_hash hash;
	struct pg_rows rows;
	struct str user;

	if (!scram_hash_find(str_of(req->hash), &hash))
		return ERR_INVALID;
	if (address_fold(rpc->arena, str_of(req->user), &user) != ERR_OK)
		user = str_of(req->user);
	pg_arg_bytes(&args, user);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	if (rows.count == 0)
		return ERR_INTERNAL;
	verifier.salt = salt_of(rpc->arena, pg_bytes(&rows, 0, 0), hash, user);
	(void)scram_verifier_read(hash, pg_bytes(&rows, 0, 1 + (int)hash), rpc->arena, &verifier);
	reply->salt = data_of(verifier.salt);
	reply->iterations = verifier.iterations;
	return ERR_OK;
}
