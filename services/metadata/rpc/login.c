/* Login: a name and a password, or SCRAM's proof of one, become a token. */
#include "services/metadata/login.h"

#include "services/metadata/rpc/rpc.h"

static const struct pg_statement credential_statement = { "credential",
	"SELECT a.account, a.state, c.hash, c.version, p.address, " VERIFIER_COLUMNS
	" FROM addresses f JOIN accounts a ON a.account = f.account"
	" JOIN credentials c ON c.account = f.account JOIN addresses p ON p.account = f.account AND p.is_primary WHERE f.folded = $1" };

struct attempt {
	struct login login;
	struct rpc *rpc;
	MetadataLoginReply *reply;
	uint64_t account;
	int64_t version;
	bool is_disabled;
	struct str user;
	struct str verifiers[SCRAM_HASHES]; /* as stored; empty: there is none */
};

static enum err
let_in(struct attempt *attempt)
{
	struct rpc *rpc = attempt->rpc;

	if (attempt->is_disabled)
		return ERR_DISABLED;
	attempt->reply->account = attempt->account;
	attempt->reply->user = data_of(attempt->user);
	attempt->reply->token = data_of(token_make(rpc->service, rpc->arena, attempt->account, attempt->version));
	return ERR_OK;
}

static enum err
decide(struct attempt *attempt, bool is_right)
{
	enum err err = is_right ? let_in(attempt) : ERR_AUTH_FAILED;

	log_info(&attempt->rpc->log, "login", KV_STR("user", attempt->login.user), KV_STR("peer", attempt->login.peer), KV_ERR(err));
	return err;
}

/*
 * An account from before there was SCRAM: now that its password is here, it gets verifiers. When that fails, which is logged, the next
 * login will do.
 */
static void
add_verifiers(struct attempt *attempt)
{
	static const struct pg_statement statement = { "verifiers",
		"UPDATE credentials SET scram_sha_256 = $3, scram_sha_1 = $4, scram_version = version WHERE account = $1 AND version = $2" };
	struct rpc *rpc = attempt->rpc;
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	pg_arg_int(&args, (int64_t)attempt->account);
	pg_arg_int(&args, attempt->version);
	for (int hash = 0; hash < SCRAM_HASHES; hash++)
		pg_arg_text(&args, scram_verifier_new((enum scram_hash)hash, attempt->login.password, rpc->arena));
	(void)metadata_run(rpc, &statement, &args, &rows);
}

static void
checked(struct login *login, bool is_right)
{
	struct attempt *attempt = login->context;
	enum err err = decide(attempt, is_right);

	if (err == ERR_OK && attempt->verifiers[0].len == 0)
		add_verifiers(attempt);
	rpc_finish(attempt->rpc, err);
}

/* SCRAM's proof, RFC 5802 s. 3: no work to speak of, so it needs no thread of its own. */
static enum err
prove(struct attempt *attempt, const MetadataLoginRequest__Scram *scram)
{
	struct rpc *rpc = attempt->rpc;
	struct metadata *metadata = rpc->service;
	struct scram_verifier verifier;
	enum scram_hash hash;
	struct str signature;

	if (!scram_hash_find(str_of(scram->hash), &hash))
		return ERR_INVALID;
	if (scram_verifier_read(hash, attempt->verifiers[hash], rpc->arena, &verifier) != ERR_OK)
		verifier = scram_verifier_none(hash);
	if (!scram_verify(&verifier, str_of(scram->message), str_of(scram->proof), rpc->arena, &signature)) {
		login_failed(metadata->logins, &attempt->login);
		return decide(attempt, false);
	}
	attempt->reply->signature = data_of(signature);
	return decide(attempt, true);
}

/* An unknown user's attempt goes on with an empty hash, as long as any other. */
static enum err
read_credential(struct rpc *rpc, struct attempt *attempt)
{
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	pg_arg_bytes(&args, attempt->login.user);
	TRY(metadata_read(rpc, &credential_statement, &args, &rows));
	if (rows.count == 0 || str_equal(pg_bytes(&rows, 0, 1), STR("deleted")))
		return ERR_OK;
	attempt->account = (uint64_t)pg_int(&rows, 0, 0);
	attempt->is_disabled = str_equal(pg_bytes(&rows, 0, 1), STR("disabled"));
	attempt->login.stored = pg_bytes(&rows, 0, 2);
	attempt->version = pg_int(&rows, 0, 3);
	attempt->user = pg_bytes(&rows, 0, 4);
	for (int hash = 0; hash < SCRAM_HASHES; hash++)
		attempt->verifiers[hash] = pg_bytes(&rows, 0, 5 + hash);
	return ERR_OK;
}

enum err
rpc_login(struct rpc *rpc, const MetadataLoginRequest *req, MetadataLoginReply *reply)
{
	struct metadata *metadata = rpc->service;
	struct attempt *attempt = ARENA_NEW(rpc->arena, struct attempt);
	enum err err;

	attempt->rpc = rpc;
	attempt->reply = reply;
	attempt->login = (struct login){ .password = str_of(req->password), .peer = str_of(req->peer), .done = checked,
		.context = attempt };
	if (address_fold(rpc->arena, str_of(req->user), &attempt->login.user) != ERR_OK)
		attempt->login.user = str_of(req->user);
	TRY(read_credential(rpc, attempt));
	TRY(login_may_try(metadata->logins, &attempt->login));
	if (req->scram != NULL)
		return prove(attempt, req->scram);
	/* One without verifiers is to get them: what is remembered does not hinder that. */
	if (attempt->verifiers[0].len > 0 && login_is_remembered(metadata->logins, &attempt->login))
		return let_in(attempt);
	rpc_defer(rpc);
	err = login_check(metadata->logins, &attempt->login);
	if (err != ERR_OK)
		rpc_finish(rpc, err);
	return ERR_OK;
}
