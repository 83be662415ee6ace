/* Accounts and their addresses: the operator's calls. */
#include "libcommon/crypto/password.h"
#include "libcommon/sasl/sasl.h"
#include "services/metadata/rpc/rpc.h"
#include "services/metadata/watch.h"

enum { LIST_MAX = 1000 };

#define ACCOUNT_COLUMNS                                                                                                \
	"a.account, a.state, c.hash, u.limit_bytes, u.bytes, u.messages, a.created_ms, a.deleted_ms,"                  \
	" (SELECT array_agg(x.address ORDER BY x.is_primary DESC, x.folded) FROM addresses x WHERE x.account = a.account)"
#define ACCOUNT_TABLES "accounts a JOIN credentials c ON c.account = a.account JOIN usage u ON u.account = a.account"

static void
account_fill(const struct pg_rows *rows, size_t row, struct arena *arena, MetadataAccount *ret)
{
	struct str_list addresses = pg_byteses(rows, row, 8, arena);

	ret->account = (uint64_t)pg_int(rows, row, 0);
	ret->state = data_of(pg_bytes(rows, row, 1));
	ret->hash = data_of(str_c(password_scheme(pg_bytes(rows, row, 2))));
	ret->quota_bytes = (uint64_t)pg_int(rows, row, 3);
	ret->used_bytes = (uint64_t)pg_int(rows, row, 4);
	ret->used_messages = (uint64_t)pg_int(rows, row, 5);
	ret->created_ms = pg_int(rows, row, 6);
	ret->deleted_ms = pg_int(rows, row, 7);
	ret->n_address = addresses.count;
	ret->address = addresses.count > 0 ? ARENA_ARRAY(arena, ProtobufCBinaryData, addresses.count) : NULL;
	for (size_t i = 0; i < addresses.count; i++)
		ret->address[i] = data_of(addresses.items[i]);
}

enum err
account_read(struct rpc *rpc, uint64_t account, MetadataAccount *ret)
{
	static const struct pg_statement statement = { "account",
		"SELECT " ACCOUNT_COLUMNS " FROM " ACCOUNT_TABLES " WHERE a.account = $1" };
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	pg_arg_int(&args, (int64_t)account);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	if (rows.count == 0)
		return ERR_NO_ACCOUNT;
	account_fill(&rows, 0, rpc->arena, ret);
	return ERR_OK;
}

enum err
rpc_show_account(struct rpc *rpc, const MetadataAccountName *req, MetadataAccount *reply)
{
	static const struct pg_statement statement = { "account_by_address",
		"SELECT " ACCOUNT_COLUMNS " FROM addresses f JOIN " ACCOUNT_TABLES " ON f.account = a.account WHERE f.folded = $1" };
	struct pg_args args = { .arena = rpc->arena };
	struct str folded;
	struct pg_rows rows;

	if (address_fold(rpc->arena, str_of(req->address), &folded) != ERR_OK)
		return ERR_NO_ACCOUNT;
	pg_arg_bytes(&args, folded);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	if (rows.count == 0)
		return ERR_NO_ACCOUNT;
	account_fill(&rows, 0, rpc->arena, reply);
	return ERR_OK;
}

enum err
rpc_list_accounts(struct rpc *rpc, const MetadataListAccountsRequest *req, MetadataListAccountsReply *reply)
{
	static const struct pg_statement statement = { "accounts",
		"SELECT " ACCOUNT_COLUMNS " FROM addresses f JOIN " ACCOUNT_TABLES " ON f.account = a.account"
		" WHERE f.is_primary AND f.folded > $1 ORDER BY f.folded LIMIT $2" };
	size_t limit = req->limit == 0 || req->limit > LIST_MAX ? LIST_MAX : req->limit;
	struct pg_args args = { .arena = rpc->arena };
	struct str after = STR_NONE;
	struct pg_rows rows;

	if (req->after.len > 0 && address_fold(rpc->arena, str_of(req->after), &after) != ERR_OK)
		after = str_of(req->after);
	pg_arg_bytes(&args, after);
	pg_arg_int(&args, (int64_t)limit + 1);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	reply->more = rows.count > limit;
	reply->n_account = reply->more ? limit : rows.count;
	reply->account = ARENA_ARRAY(rpc->arena, MetadataAccount *, reply->n_account + 1);
	for (size_t i = 0; i < reply->n_account; i++) {
		reply->account[i] = ARENA_NEW(rpc->arena, MetadataAccount);
		metadata_account__init(reply->account[i]);
		account_fill(&rows, i, rpc->arena, reply->account[i]);
	}
	return ERR_OK;
}

/* Every change here is answered with the account as it has become. */
static enum err
answer_account(struct change_call *call, const struct effects *effects)
{
	uint64_t account = effects->answer.count > 0 ? (uint64_t)effects->answer.items[0] : 0;
	struct metadata *metadata = call->rpc->service;

	/* Who has logged in with what no longer holds is told nothing more. */
	watch_refuse(metadata->watch, account, authorise_again(call->rpc, account));
	return account_read(call->rpc, account, (MetadataAccount *)call->rpc->reply);
}

static const struct refusal refusals[] = {
	{ ERR_NO_ACCOUNT, "no account has this address, or it was deleted" },
	{ ERR_EXISTS, "the address is taken, perhaps by a deleted account that can be restored: show-account shows whose it is" },
	{ ERR_CANNOT, "the main address cannot be removed: make another one the main one first" },
	{ ERR_NONEXISTENT, "the account has no such address: show-account shows which it has" },
	{ ERR_LIMIT, "the account has too many addresses" },
	{ ERR_OK, NULL },
};

/* A call of the operator, with its key as the first parameters. */
static enum err
operator_call(struct rpc *rpc, const struct pg_statement *statement, const void *req, struct change_call **ret)
{
	TRY(change_call_new(rpc, 0, statement, req, answer_account, ret));
	(*ret)->refusals = refusals;
	(*ret)->write.is_alone = true;
	key_args(&(*ret)->write.args, rpc->key);
	return ERR_OK;
}

static enum err
fold(struct rpc *rpc, ProtobufCBinaryData address, struct str *ret)
{
	enum err err = address_fold(rpc->arena, str_of(address), ret);

	if (err != ERR_OK)
		rpc->detail = STR("this is not an address: user@domain");
	return err;
}

/* What a password is known by; all empty: there is none. */
struct credential {
	struct str hash, verifiers[SCRAM_HASHES];
};

/* Of the password as mail programs' logins will bring it: prepared. */
static enum err
credential_make(struct rpc *rpc, ProtobufCBinaryData password, ProtobufCBinaryData scheme, struct credential *ret)
{
	struct metadata *metadata = rpc->service;
	struct str name = scheme.len > 0 ? str_of(scheme) : metadata->config->account_hash, prepared;
	enum err err = sasl_prep(str_of(password), rpc->arena, &prepared) == ERR_OK ?
	    password_hash(name, prepared, rpc->arena, &ret->hash) : ERR_INVALID;

	if (err == ERR_NOT_SUPPORTED)
		rpc->detail = STR("the hash is bcrypt, ssha512 or sha512");
	else if (err == ERR_INVALID)
		rpc->detail = STR("a password has 1 to 1000 bytes (bcrypt: 72) of UTF-8 and no control characters");
	for (int hash = 0; hash < SCRAM_HASHES && err == ERR_OK; hash++)
		ret->verifiers[hash] = scram_verifier_new((enum scram_hash)hash, prepared, rpc->arena);
	return err;
}

static void
credential_args(struct pg_args *args, const struct credential *credential)
{
	pg_arg_text_or_null(args, credential->hash);
	for (int hash = 0; hash < SCRAM_HASHES; hash++)
		pg_arg_text_or_null(args, credential->verifiers[hash]);
}

/* "Sent \Sent": a name and, perhaps, its special use. */
static void
default_mailbox(struct arena *arena, struct str text, struct str *ret_name, int32_t *ret_attributes)
{
	static const struct {
		const char *name;
		int32_t attribute;
	} uses[] = {
		{ " \\Archive", METADATA_ATTRIBUTE__METADATA_ARCHIVE }, { " \\Drafts", METADATA_ATTRIBUTE__METADATA_DRAFTS },
		{ " \\Junk", METADATA_ATTRIBUTE__METADATA_JUNK }, { " \\Sent", METADATA_ATTRIBUTE__METADATA_SENT },
		{ " \\Trash", METADATA_ATTRIBUTE__METADATA_TRASH },
	};

	*ret_attributes = 0;
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		if (!str_ends_with(text, str_c(uses[i].name)))
			continue;
		*ret_attributes = uses[i].attribute;
		text.len -= strlen(uses[i].name);
		break;
	}
	if (mailbox_name_new(arena, str_trim(text), ret_name) != ERR_OK)
		*ret_name = STR_NONE;
}

static void
default_mailboxes_args(struct pg_args *args, const struct str_list *setting)
{
	struct str *names = ARENA_ARRAY(args->arena, struct str, setting->count + 1);
	int32_t *attributes = ARENA_ARRAY(args->arena, int32_t, setting->count + 1);
	size_t n = 0;

	names[n++] = STR("INBOX");
	for (size_t i = 0; i < setting->count; i++) {
		default_mailbox(args->arena, setting->items[i], &names[n], &attributes[n]);
		n += names[n].len > 0;
	}
	pg_arg_byteses(args, names, n);
	pg_arg_int4s(args, attributes, n);
}

enum err
rpc_create_account(struct rpc *rpc, const MetadataCreateAccountRequest *req, MetadataAccount *reply)
{
	static const struct pg_statement statement = { "account_create",
		"SELECT * FROM account_create($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)" };
	struct metadata *metadata = rpc->service;
	struct change_call *call;
	struct credential credential;
	struct pg_args *args;
	struct str folded;

	(void)reply;
	TRY(fold(rpc, req->address, &folded));
	TRY(credential_make(rpc, req->password, req->hash, &credential));
	TRY(operator_call(rpc, &statement, req, &call));
	args = &call->write.args;
	pg_arg_timeline(args);
	pg_arg_int(args, (int64_t)(random_u64() >> 1 | 1));
	pg_arg_bytes(args, str_of(req->address));
	pg_arg_bytes(args, folded);
	credential_args(args, &credential);
	pg_arg_int(args, req->has_quota ? (int64_t)(req->quota_bytes & INT64_MAX) : metadata->config->account_quota);
	default_mailboxes_args(args, &metadata->config->account_mailboxes);
	return change_call_submit(call);
}

enum err
rpc_update_account(struct rpc *rpc, const MetadataUpdateAccountRequest *req, MetadataAccount *reply)
{
	static const struct pg_statement statement = { "account_update", "SELECT * FROM account_update($1, $2, $3, $4::text, $5::text, $6::text, $7::bigint, $8, $9, $10)" };
	struct change_call *call;
	struct credential credential = { 0 };
	struct pg_args *args;
	struct str folded;

	(void)reply;
	if (req->enable && req->disable)
		return ERR_INVALID;
	TRY(fold(rpc, req->address, &folded));
	if (req->password.len > 0)
		TRY(credential_make(rpc, req->password, req->hash, &credential));
	TRY(operator_call(rpc, &statement, req, &call));
	args = &call->write.args;
	pg_arg_bytes(args, folded);
	credential_args(args, &credential);
	pg_arg_int_or_null(args, (int64_t)(req->quota_bytes & INT64_MAX), req->has_quota);
	pg_arg_bool(args, req->primary);
	pg_arg_bool(args, req->enable);
	pg_arg_bool(args, req->disable);
	return change_call_submit(call);
}

static enum err
by_address(struct rpc *rpc, const struct pg_statement *statement, const MetadataAccountName *req)
{
	struct change_call *call;
	struct str folded;

	TRY(fold(rpc, req->address, &folded));
	TRY(operator_call(rpc, statement, req, &call));
	pg_arg_bytes(&call->write.args, folded);
	return change_call_submit(call);
}

enum err
rpc_delete_account(struct rpc *rpc, const MetadataAccountName *req, MetadataAccount *reply)
{
	static const struct pg_statement statement = { "account_delete", "SELECT * FROM account_delete($1, $2, $3)" };

	(void)reply;
	return by_address(rpc, &statement, req);
}

enum err
rpc_restore_account(struct rpc *rpc, const MetadataAccountName *req, MetadataAccount *reply)
{
	static const struct pg_statement statement = { "account_restore", "SELECT * FROM account_restore($1, $2, $3)" };

	(void)reply;
	return by_address(rpc, &statement, req);
}

enum err
rpc_add_address(struct rpc *rpc, const MetadataAddressRequest *req, MetadataAccount *reply)
{
	static const struct pg_statement statement = { "address_add", "SELECT * FROM address_add($1, $2, $3, $4, $5, $6)" };
	struct change_call *call;
	struct str folded, extra;

	(void)reply;
	TRY(fold(rpc, req->address, &folded));
	TRY(fold(rpc, req->extra, &extra));
	TRY(operator_call(rpc, &statement, req, &call));
	pg_arg_bytes(&call->write.args, folded);
	pg_arg_bytes(&call->write.args, str_of(req->extra));
	pg_arg_bytes(&call->write.args, extra);
	pg_arg_bool(&call->write.args, req->primary);
	return change_call_submit(call);
}

enum err
rpc_remove_address(struct rpc *rpc, const MetadataAddressRequest *req, MetadataAccount *reply)
{
	static const struct pg_statement statement = { "address_remove", "SELECT * FROM address_remove($1, $2, $3, $4)" };
	struct change_call *call;
	struct str folded, extra;

	(void)reply;
	TRY(fold(rpc, req->address, &folded));
	TRY(fold(rpc, req->extra, &extra));
	TRY(operator_call(rpc, &statement, req, &call));
	pg_arg_bytes(&call->write.args, folded);
	pg_arg_bytes(&call->write.args, extra);
	return change_call_submit(call);
}
