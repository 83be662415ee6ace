/* Resolve: is there an account behind each of these addresses, and may it be given mail? */
#include "services/metadata/rpc/rpc.h"

static const struct pg_statement resolve_statement = { "resolve",
	"SELECT f.folded, a.account, a.state, f.address, u.limit_bytes = 0 OR u.bytes + $2 <= u.limit_bytes"
	" FROM unnest($1) n JOIN addresses f ON f.folded = n JOIN accounts a ON a.account = f.account JOIN usage u ON u.account = f.account" };

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

static bool
find(const struct pg_rows *rows, struct str folded, MetadataResolveReply__Result *ret)
{
	for (size_t i = 0; i < rows->count; i++) {
		if (folded.len == 0 || !str_equal(pg_bytes(rows, i, 0), folded))
			continue;
		ret->status = status_of(pg_bytes(rows, i, 2), pg_int(rows, i, 4) != 0);
		ret->account = (uint64_t)pg_int(rows, i, 1);
		ret->address = data_of(pg_bytes(rows, i, 3));
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
	struct pg_args args = { .arena = rpc->arena };
	struct str *folded = ARENA_ARRAY(rpc->arena, struct str, req->n_address * 2 + 1);
	struct pg_rows rows;

	if (req->n_address > ADDRESSES_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < req->n_address; i++)
		look_up(rpc, str_of(req->address[i]), &folded[2 * i]);
	pg_arg_byteses(&args, folded, req->n_address * 2);
	pg_arg_int(&args, (int64_t)(req->size & UINT32_MAX));
	TRY(metadata_read(rpc, &resolve_statement, &args, &rows));
	reply->n_result = req->n_address;
	reply->result = ARENA_ARRAY(rpc->arena, MetadataResolveReply__Result *, req->n_address + 1);
	for (size_t i = 0; i < req->n_address; i++) {
		reply->result[i] = ARENA_NEW(rpc->arena, MetadataResolveReply__Result);
		metadata_resolve_reply__result__init(reply->result[i]);
		reply->result[i]->status = ERR_NO_ACCOUNT;
		if (!find(&rows, folded[2 * i], reply->result[i]))
			(void)find(&rows, folded[2 * i + 1], reply->result[i]);
	}
	return ERR_OK;
}
