/* Resolve: is there an account behind each of these addresses, may it be given mail, and which scripts filter it? */
#include "libcommon/crypto/hash.h"
#include "services/metadata/rpc/rpc.h"

/* A script is its kind in a byte, its hash and its name. Those of the library of all are looked up once, in the order of the settings. */
#define LIBRARY(names)                                                                                                 \
	"ARRAY(SELECT '\\x00' || s.hash || s.name FROM unnest(" names ") WITH ORDINALITY n(name, i)"                    \
	" JOIN scripts s ON s.account = 0 AND s.kind = 0 AND s.name = n.name ORDER BY n.i)"
static const struct pg_statement resolve_statement = { "resolve",
	"SELECT f.folded, a.account, a.state, f.address, u.limit_bytes = 0 OR u.bytes + $2 <= u.limit_bytes, " LIBRARY("$3") ", " LIBRARY("$4") ","
	" ARRAY(SELECT set_byte('\\x00', 0, s.kind) || s.hash || s.name FROM scripts s WHERE s.account = a.account AND s.is_active),"
	" ARRAY(SELECT x.address FROM addresses x WHERE x.account = a.account ORDER BY x.is_primary DESC, x.folded LIMIT 100)"
	" FROM unnest($1) n JOIN addresses f ON f.folded = n JOIN accounts a ON a.account = f.account JOIN usage u ON u.account = f.account" };
enum { COLUMN_FOLDED, COLUMN_ACCOUNT, COLUMN_STATE, COLUMN_ADDRESS, COLUMN_HAS_ROOM, COLUMN_BEFORE, COLUMN_AFTER, COLUMN_SCRIPTS, COLUMN_OWN };

enum { ADDRESSES_MAX = 10000 };

static enum err
status_of(struct str state, bool has_room)
{
	if (str_equal(state, STR("deleted")))
		return ERR_NO_ACCOUNT;
	if (!str_equal(state, STR("active")))
		return ERR_DISABLED;
	return has_room ? ERR_OK : ERR_OVERQUOTA;
}

static void
add_script(struct str packed, bool is_global, struct arena *arena, MetadataResolveReply__Result *ret)
{
	MetadataScript *script = ARENA_NEW(arena, MetadataScript);

	metadata_script__init(script);
	script->global = is_global;
	script->kind = (MetadataScriptKind)packed.ptr[0];
	script->hash = data_of(str_sub(packed, 1, SHA256_BYTES));
	script->name = data_of(str_sub(packed, 1 + SHA256_BYTES, SIZE_MAX));
	script->active = !is_global;
	ret->script[ret->n_script++] = script;
}

/* In the order in which they run: the library's, the account's before, its own, its after, the library's. */
static void
fill_scripts(const struct pg_rows *rows, size_t row, struct arena *arena, MetadataResolveReply__Result *ret)
{
	static const MetadataScriptKind order[] = { METADATA_SCRIPT_KIND__METADATA_BEFORE, METADATA_SCRIPT_KIND__METADATA_OWN,
		METADATA_SCRIPT_KIND__METADATA_AFTER };
	struct str_list before = pg_byteses(rows, row, COLUMN_BEFORE, arena), after = pg_byteses(rows, row, COLUMN_AFTER, arena),
		active = pg_byteses(rows, row, COLUMN_SCRIPTS, arena);

	ret->script = ARENA_ARRAY(arena, MetadataScript *, before.count + active.count + after.count + 1);
	for (size_t i = 0; i < before.count; i++)
		add_script(before.items[i], true, arena, ret);
	for (size_t kind = 0; kind < sizeof(order) / sizeof(order[0]); kind++)
		for (size_t i = 0; i < active.count; i++)
			if (active.items[i].ptr[0] == (char)order[kind])
				add_script(active.items[i], false, arena, ret);
	for (size_t i = 0; i < after.count; i++)
		add_script(after.items[i], true, arena, ret);
}

static void
fill_own(const struct pg_rows *rows, size_t row, struct arena *arena, MetadataResolveReply__Result *ret)
{
	struct str_list own = pg_byteses(rows, row, COLUMN_OWN, arena);

	ret->n_own = own.count;
	ret->own = ARENA_ARRAY(arena, ProtobufCBinaryData, own.count + 1);
	for (size_t i = 0; i < own.count; i++)
		ret->own[i] = data_of(own.items[i]);
}

static bool
find(const struct pg_rows *rows, struct str folded, struct arena *arena, MetadataResolveReply__Result *ret)
{
	for (size_t i = 0; i < rows->count; i++) {
		if (folded.len == 0 || !str_equal(pg_bytes(rows, i, COLUMN_FOLDED), folded))
			continue;
		ret->status = status_of(pg_bytes(rows, i, COLUMN_STATE), pg_int(rows, i, COLUMN_HAS_ROOM) != 0);
		ret->account = (uint64_t)pg_int(rows, i, COLUMN_ACCOUNT);
		ret->address = data_of(pg_bytes(rows, i, COLUMN_ADDRESS));
		fill_scripts(rows, i, arena, ret);
		if (ret->n_script > 0)
			fill_own(rows, i, arena, ret);
		return true;
	}
	return false;
}

/* What to look for: the address as it is, and without its detail. */
static void
look_up(struct rpc *rpc, struct str address, struct str ret_folded[2])
{
	struct metadata *metadata = rpc->service;
	struct str plain;

	ret_folded[0] = ret_folded[1] = STR_NONE;
	if (address_fold(rpc->arena, address, &ret_folded[0]) != ERR_OK)
		return;
	if (address_without_detail(rpc->arena, ret_folded[0], metadata->config->address_detail, &plain))
		ret_folded[1] = plain;
}

enum err
rpc_resolve(struct rpc *rpc, const MetadataResolveRequest *req, MetadataResolveReply *reply)
{
	struct metadata *metadata = rpc->service;
	struct pg_args args = { .arena = rpc->arena };
	struct str *folded = ARENA_ARRAY(rpc->arena, struct str, req->n_address * 2 + 1);
	struct pg_rows rows;

	if (req->n_address > ADDRESSES_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < req->n_address; i++)
		look_up(rpc, str_of(req->address[i]), &folded[2 * i]);
	pg_arg_byteses(&args, folded, req->n_address * 2);
	pg_arg_int(&args, (int64_t)(req->size & UINT32_MAX));
	pg_arg_byteses(&args, metadata->config->sieve_before.items, metadata->config->sieve_before.count);
	pg_arg_byteses(&args, metadata->config->sieve_after.items, metadata->config->sieve_after.count);
	TRY(metadata_read(rpc, &resolve_statement, &args, &rows));
	reply->n_result = req->n_address;
	reply->result = ARENA_ARRAY(rpc->arena, MetadataResolveReply__Result *, req->n_address + 1);
	for (size_t i = 0; i < req->n_address; i++) {
		reply->result[i] = ARENA_NEW(rpc->arena, MetadataResolveReply__Result);
		metadata_resolve_reply__result__init(reply->result[i]);
		reply->result[i]->status = ERR_NO_ACCOUNT;
		if (!find(&rows, folded[2 * i], rpc->arena, reply->result[i]))
			(void)find(&rows, folded[2 * i + 1], rpc->arena, reply->result[i]);
	}
	return ERR_OK;
}
