/* Sieve scripts, as ManageSieve and sora-admin keep them. Errors are those of RFC 5804. */
#include "services/metadata/rpc/rpc.h"

enum { SIZE_MAX_BYTES = 1024 * 1024 }; /* whatever sieve.script_size says: several go into one message of the bus */

static const struct refusal refusals[] = {
	{ ERR_NONEXISTENT, "there is no script by that name" },
	{ ERR_EXISTS, "there is a script by that name already" },
	{ ERR_ACTIVE, "the active script can not be deleted" },
	{ ERR_LIMIT, "there are too many scripts" },
	{ ERR_OVERQUOTA, "all scripts together would be too big" },
	{ ERR_OK, NULL },
};

/* What to say about a refusal that is not the answer of a change. */
static enum err
refuse(struct rpc *rpc, enum err err)
{
	for (const struct refusal *r = refusals; r->err != ERR_OK; r++)
		if (r->err == err)
			rpc->detail = str_c(r->detail);
	return err;
}

static enum err
refuse_with(struct rpc *rpc, enum err err, struct str why)
{
	rpc->detail = why;
	return err;
}

/* ---- whose they are */

static enum err
find_account(struct rpc *rpc, struct str address, uint64_t *ret)
{
	static const struct pg_statement statement = { "script_owner",
		"SELECT a.account FROM addresses f JOIN accounts a ON a.account = f.account WHERE f.folded = $1 AND a.state <> 'deleted'" };
	struct pg_args args = { .arena = rpc->arena };
	struct str folded;
	struct pg_rows rows;

	if (address_fold(rpc->arena, address, &folded) != ERR_OK)
		return ERR_NO_ACCOUNT;
	pg_arg_bytes(&args, folded);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	if (rows.count == 0)
		return ERR_NO_ACCOUNT;
	*ret = (uint64_t)pg_int(&rows, 0, 0);
	return ERR_OK;
}

/* Users have their own scripts; the administrator has every account's, of every kind, and, without an address, those of account 0. */
static enum err
find_owner(struct rpc *rpc, uint64_t account, ProtobufCBinaryData address, MetadataScriptKind kind, uint64_t *ret)
{
	if (kind > METADATA_SCRIPT_KIND__METADATA_AFTER)
		return ERR_INVALID;
	if (rpc->role != BUS_ROLE_ADMIN) {
		TRY(authorise(rpc, account));
		*ret = account;
		return kind == METADATA_SCRIPT_KIND__METADATA_OWN ? ERR_OK : ERR_DENIED;
	}
	*ret = 0;
	if (address.len > 0)
		return find_account(rpc, str_of(address), ret);
	if (kind != METADATA_SCRIPT_KIND__METADATA_OWN)
		return refuse_with(rpc, ERR_INVALID,
		    STR("of the library of all, the settings sieve.before and sieve.after say which run before and after"));
	return ERR_OK;
}

static enum err
check_name(struct rpc *rpc, ProtobufCBinaryData name, struct str *ret)
{
	if (script_name(rpc->arena, str_of(name), ret) == ERR_OK)
		return ERR_OK;
	return refuse_with(rpc, ERR_INVALID, STR("a script's name has 1 to 512 bytes of UTF-8, and no control characters"));
}

static bool
is_log(uint64_t owner, MetadataScriptKind kind, struct str name)
{
	return owner != 0 && kind == METADATA_SCRIPT_KIND__METADATA_OWN && str_equal(name, SIEVE_LOG_NAME);
}

/* Of a script that is to be changed. */
static enum err
check_changeable(struct rpc *rpc, uint64_t owner, MetadataScriptKind kind, ProtobufCBinaryData name, struct str *ret)
{
	TRY(check_name(rpc, name, ret));
	if (is_log(owner, kind, *ret))
		return refuse_with(rpc, ERR_CANNOT, STR("this is the log of what went wrong, which is read only; deleting it empties it"));
	return ERR_OK;
}

/* ---- reading */

enum { COLUMN_NAME, COLUMN_HASH, COLUMN_SIZE, COLUMN_CHANGED, COLUMN_ACTIVE, COLUMN_READ_ONLY, COLUMN_SOURCE };

static void
fill(const struct pg_rows *rows, size_t row, uint64_t owner, MetadataScriptKind kind, MetadataScript *ret)
{
	ret->global = owner == 0;
	ret->kind = kind;
	ret->name = data_of(pg_bytes(rows, row, COLUMN_NAME));
	ret->hash = data_of(pg_bytes(rows, row, COLUMN_HASH));
	ret->size = (uint64_t)pg_int(rows, row, COLUMN_SIZE);
	ret->changed_ms = pg_int(rows, row, COLUMN_CHANGED);
	ret->active = pg_int(rows, row, COLUMN_ACTIVE) != 0;
	ret->read_only = pg_int(rows, row, COLUMN_READ_ONLY) != 0;
}

enum err
rpc_list_scripts(struct rpc *rpc, const MetadataListScriptsRequest *req, MetadataListScriptsReply *reply)
{
	static const struct pg_statement statement = { "scripts",
		"SELECT name, hash, octet_length(source), changed_ms, is_active, false FROM scripts WHERE account = $1 AND kind = $2"
		" UNION ALL SELECT $3, '', 0, max(last_ms), false, true FROM sieve_log WHERE account = $1 AND $2 = 0 HAVING count(*) > 0"
		" ORDER BY 1" };
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;
	uint64_t owner;

	TRY(find_owner(rpc, req->account, req->address, req->kind, &owner));
	pg_arg_int(&args, (int64_t)owner);
	pg_arg_int4(&args, (int32_t)req->kind);
	pg_arg_bytes(&args, SIEVE_LOG_NAME);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	reply->n_script = rows.count;
	reply->script = ARENA_ARRAY(rpc->arena, MetadataScript *, rows.count + 1);
	for (size_t i = 0; i < rows.count; i++) {
		reply->script[i] = ARENA_NEW(rpc->arena, MetadataScript);
		metadata_script__init(reply->script[i]);
		fill(&rows, i, owner, req->kind, reply->script[i]);
	}
	return ERR_OK;
}

enum err
rpc_get_script(struct rpc *rpc, const MetadataScriptRequest *req, MetadataScript *reply)
{
	static const struct pg_statement statement = { "script",
		"SELECT name, hash, octet_length(source), changed_ms, is_active, false, source FROM scripts"
		" WHERE account = $1 AND kind = $2 AND name = $3" };
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;
	struct str name;
	uint64_t owner;

	TRY(find_owner(rpc, req->account, req->address, req->kind, &owner));
	TRY(check_name(rpc, req->name, &name));
	if (is_log(owner, req->kind, name))
		return refuse(rpc, sieve_log_script(rpc, owner, reply));
	pg_arg_int(&args, (int64_t)owner);
	pg_arg_int4(&args, (int32_t)req->kind);
	pg_arg_bytes(&args, name);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	if (rows.count == 0)
		return refuse(rpc, ERR_NONEXISTENT);
	fill(&rows, 0, owner, req->kind, reply);
	reply->source = data_of(pg_bytes(&rows, 0, COLUMN_SOURCE));
	return ERR_OK;
}

/* ---- room */

static enum err
check_size(struct rpc *rpc, uint64_t size)
{
	struct metadata *metadata = rpc->service;

	if (size > (uint64_t)metadata->config->sieve_script_size || size > SIZE_MAX_BYTES)
		return refuse_with(rpc, ERR_TOO_BIG, STR("the script is too big"));
	return ERR_OK;
}

static void
room_args(struct rpc *rpc, struct pg_args *args)
{
	struct metadata *metadata = rpc->service;

	pg_arg_int(args, metadata->config->sieve_scripts);
	pg_arg_int(args, metadata->config->sieve_total_size);
}

enum err
rpc_have_space(struct rpc *rpc, const MetadataHaveSpaceRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "script_room", "SELECT script_room($1, $2, $3, $4, $5, $6)" };
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;
	struct str name;
	uint64_t owner;

	(void)reply;
	TRY(find_owner(rpc, req->account, req->address, req->kind, &owner));
	TRY(check_changeable(rpc, owner, req->kind, req->name, &name));
	TRY(check_size(rpc, req->size));
	pg_arg_int(&args, (int64_t)owner);
	pg_arg_int4(&args, (int32_t)req->kind);
	pg_arg_bytes(&args, name);
	pg_arg_int(&args, (int64_t)req->size);
	room_args(rpc, &args);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	return refuse(rpc, status_read(pg_bytes(&rows, 0, 0)));
}

/* ---- changes */

static enum err
answer_nothing(struct change_call *call, const struct effects *effects)
{
	(void)call;
	(void)effects;
	return ERR_OK;
}

/* A call with the parameters that each begins with. */
static enum err
script_call(struct rpc *rpc, uint64_t owner, const struct pg_statement *statement, const void *req, struct change_call **ret)
{
	TRY(change_call_new(rpc, owner, statement, req, answer_nothing, ret));
	(*ret)->refusals = refusals;
	(*ret)->write.is_alone = true;
	pg_arg_int(&(*ret)->write.args, (int64_t)owner);
	key_args(&(*ret)->write.args, rpc->key);
	return ERR_OK;
}

enum err
rpc_put_script(struct rpc *rpc, const MetadataPutScriptRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "script_put", "SELECT * FROM script_put($1, $2, $3, $4, $5, $6, $7, $8, $9)" };
	struct change_call *call;
	struct str name;
	uint64_t owner;

	(void)reply;
	TRY(find_owner(rpc, req->account, req->address, req->kind, &owner));
	TRY(check_changeable(rpc, owner, req->kind, req->name, &name));
	TRY(check_size(rpc, req->source.len));
	TRY(script_call(rpc, owner, &statement, req, &call));
	pg_arg_int4(&call->write.args, (int32_t)req->kind);
	pg_arg_bytes(&call->write.args, name);
	pg_arg_bytes(&call->write.args, str_of(req->source));
	/* None of the library of all is active. */
	pg_arg_bool(&call->write.args, req->activate && owner != 0);
	room_args(rpc, &call->write.args);
	return change_call_submit(call);
}

enum err
rpc_delete_script(struct rpc *rpc, const MetadataScriptRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "script_delete", "SELECT * FROM script_delete($1, $2, $3, $4, $5)" },
		empty_log = { "sieve_log_empty", "SELECT * FROM sieve_log_empty($1, $2, $3)" };
	struct change_call *call;
	struct str name;
	uint64_t owner;

	(void)reply;
	TRY(find_owner(rpc, req->account, req->address, req->kind, &owner));
	TRY(check_name(rpc, req->name, &name));
	if (is_log(owner, req->kind, name)) {
		TRY(script_call(rpc, owner, &empty_log, req, &call));
		return change_call_submit(call);
	}
	TRY(script_call(rpc, owner, &statement, req, &call));
	pg_arg_int4(&call->write.args, (int32_t)req->kind);
	pg_arg_bytes(&call->write.args, name);
	return change_call_submit(call);
}

enum err
rpc_rename_script(struct rpc *rpc, const MetadataRenameScriptRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "script_rename", "SELECT * FROM script_rename($1, $2, $3, $4, $5, $6)" };
	struct change_call *call;
	struct str from, to;
	uint64_t owner;

	(void)reply;
	TRY(find_owner(rpc, req->account, req->address, req->kind, &owner));
	TRY(check_changeable(rpc, owner, req->kind, req->from, &from));
	TRY(check_changeable(rpc, owner, req->kind, req->to, &to));
	TRY(script_call(rpc, owner, &statement, req, &call));
	pg_arg_int4(&call->write.args, (int32_t)req->kind);
	pg_arg_bytes(&call->write.args, from);
	pg_arg_bytes(&call->write.args, to);
	return change_call_submit(call);
}

enum err
rpc_activate_script(struct rpc *rpc, const MetadataScriptRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "script_activate", "SELECT * FROM script_activate($1, $2, $3, $4, $5)" };
	struct change_call *call;
	struct str name = STR("");
	uint64_t owner;

	(void)reply;
	TRY(find_owner(rpc, req->account, req->address, req->kind, &owner));
	if (owner == 0)
		return refuse_with(rpc, ERR_INVALID, STR("none of the library of all is active: the settings sieve.before and sieve.after"
		    " say which run"));
	if (req->name.len > 0)
		TRY(check_changeable(rpc, owner, req->kind, req->name, &name));
	TRY(script_call(rpc, owner, &statement, req, &call));
	pg_arg_int4(&call->write.args, (int32_t)req->kind);
	pg_arg_bytes(&call->write.args, name);
	return change_call_submit(call);
}
