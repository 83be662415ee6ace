/* FetchScripts: the sources that a delivery needs. */
#include "services/metadata/rpc/rpc.h"

enum { SCRIPTS_MAX = 100, SOURCES_MAX = 3 * 1024 * 1024 }; /* bytes: what a message of the bus can carry */

static const struct pg_statement statement = { "fetch_scripts",
	"SELECT u.i, s.hash, s.source, s.changed_ms, s.is_active, s.name"
	" FROM unnest($1, $2, $3, $4) WITH ORDINALITY u(account, kind, name, active, i)"
	" JOIN scripts s ON s.account = u.account AND s.kind = u.kind AND CASE u.active WHEN 0 THEN s.name = u.name ELSE s.is_active END" };
enum { COLUMN_PLACE, COLUMN_HASH, COLUMN_SOURCE, COLUMN_CHANGED, COLUMN_ACTIVE, COLUMN_NAME };

/* What no script can be called is looked for as the empty name, which none has. */
static void
look_up(struct pg_args *args, const MetadataFetchScriptsRequest *req)
{
	int64_t *accounts = ARENA_ARRAY(args->arena, int64_t, req->n_script + 1);
	int32_t *kinds = ARENA_ARRAY(args->arena, int32_t, req->n_script + 1);
	int32_t *active = ARENA_ARRAY(args->arena, int32_t, req->n_script + 1);
	struct str *names = ARENA_ARRAY(args->arena, struct str, req->n_script + 1);

	for (size_t i = 0; i < req->n_script; i++) {
		accounts[i] = req->script[i]->global ? 0 : (int64_t)req->account;
		kinds[i] = (int32_t)req->script[i]->kind;
		active[i] = req->script[i]->active;
		names[i] = STR("");
		(void)script_name(args->arena, str_of(req->script[i]->name), &names[i]);
	}
	pg_arg_ints(args, accounts, req->n_script);
	pg_arg_int4s(args, kinds, req->n_script);
	pg_arg_byteses(args, names, req->n_script);
	pg_arg_int4s(args, active, req->n_script);
}

static enum err
fill(const struct pg_rows *rows, MetadataFetchScriptsReply *reply)
{
	size_t bytes = 0;

	for (size_t i = 0; i < rows->count; i++) {
		MetadataScript *script = reply->script[pg_int(rows, i, COLUMN_PLACE) - 1];

		script->name = data_of(pg_bytes(rows, i, COLUMN_NAME));
		script->hash = data_of(pg_bytes(rows, i, COLUMN_HASH));
		script->source = data_of(pg_bytes(rows, i, COLUMN_SOURCE));
		script->size = script->source.len;
		script->changed_ms = pg_int(rows, i, COLUMN_CHANGED);
		script->active = pg_int(rows, i, COLUMN_ACTIVE) != 0;
		bytes += script->source.len;
	}
	return bytes <= SOURCES_MAX ? ERR_OK : ERR_TOO_BIG;
}

enum err
rpc_fetch_scripts(struct rpc *rpc, const MetadataFetchScriptsRequest *req, MetadataFetchScriptsReply *reply)
{
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	if (req->n_script > SCRIPTS_MAX)
		return ERR_LIMIT;
	look_up(&args, req);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	reply->n_script = req->n_script;
	reply->script = ARENA_ARRAY(rpc->arena, MetadataScript *, req->n_script + 1);
	for (size_t i = 0; i < req->n_script; i++) {
		reply->script[i] = ARENA_NEW(rpc->arena, MetadataScript);
		metadata_script__init(reply->script[i]);
		reply->script[i]->global = req->script[i]->global;
		reply->script[i]->kind = req->script[i]->kind;
		reply->script[i]->name = req->script[i]->name;
	}
	return fill(&rows, reply);
}
