/* Purge, Referenced, DueDeletions, DeletionsDone, Relocate: what the worker asks for. */
#include "services/metadata/rpc/rpc.h"

enum {
	PURGE_MAX = 10000,
	OBJECTS_MAX = 1000,
	NAME_BYTES = 17,          /* of an object, which a reference begins with */
	REFERENCE_BYTES_MAX = 64,
	HOLD_MIN_MS = 1000,
	HOLD_MAX_MS = 24 * 60 * 60 * 1000,
};

static enum err
database_now(struct rpc *rpc, int64_t *ret)
{
	static const struct pg_statement statement = { "now", "SELECT now_ms()" };
	struct pg_args none = { .arena = rpc->arena };
	struct pg_rows rows;

	TRY(metadata_read(rpc, &statement, &none, &rows));
	*ret = pg_int(&rows, 0, 0);
	return ERR_OK;
}

enum err
rpc_purge(struct rpc *rpc, const MetadataPurgeRequest *req, MetadataPurgeReply *reply)
{
	static const struct pg_statement account = { "purge_account", "SELECT purge_account($1)" },
		doomed = { "purge_doomed", "SELECT purge_doomed($1)" },
		expunged = { "purge_expunged", "SELECT purge_expunged($1, $2)" },
		journal = { "purge_journal", "SELECT purge_journal($1, $2)" },
		calls = { "purge_calls", "SELECT purge_calls($1)" },
		marks = { "purge_marks", "SELECT purge_marks($1)" };
	const struct config *config = ((struct metadata *)rpc->service)->config;
	const struct {
		const struct pg_statement *statement;
		bool has_limit, has_before, has_messages;
		int64_t keep_ms;
	} kinds[] = {
		{ &account, false, true, false, config->account_keep },
		{ &doomed, true, false, false, 0 },
		{ &expunged, true, true, true, config->expunge_keep },
		{ &journal, true, true, false, config->journal_keep },
		{ &calls, true, false, false, 0 },
		{ &marks, true, false, false, 0 },
	};
	int32_t limit = req->limit == 0 || req->limit > PURGE_MAX ? PURGE_MAX : (int32_t)req->limit;
	int64_t now_ms;

	TRY(database_now(rpc, &now_ms));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct pg_args args = { .arena = rpc->arena };
		struct pg_rows rows;
		int64_t many;

		if (kinds[i].has_limit)
			pg_arg_int4(&args, limit);
		if (kinds[i].has_before)
			pg_arg_int(&args, now_ms - kinds[i].keep_ms);
		TRY(metadata_run(rpc, kinds[i].statement, &args, &rows));
		many = pg_int(&rows, 0, 0);
		reply->more |= many > 0;
		if (kinds[i].has_messages)
			reply->purged = (uint32_t)many;
	}
	return ERR_OK;
}

/* References or names, as a bytea[]; each must have at least a name's length and at most a reference's. */
static enum err
arg_names(struct pg_args *args, const ProtobufCBinaryData *names, size_t count)
{
	struct str *items = ARENA_ARRAY(args->arena, struct str, count + 1);

	if (count > OBJECTS_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < count; i++) {
		items[i] = str_of(names[i]);
		if (items[i].len < NAME_BYTES || items[i].len > REFERENCE_BYTES_MAX)
			return ERR_INVALID;
	}
	pg_arg_byteses(args, items, count);
	return ERR_OK;
}

static void
give_names(struct arena *arena, struct str_list names, size_t *ret_count, ProtobufCBinaryData **ret)
{
	*ret_count = names.count;
	*ret = ARENA_ARRAY(arena, ProtobufCBinaryData, names.count + 1);
	for (size_t i = 0; i < names.count; i++)
		(*ret)[i] = data_of(names.items[i]);
}

enum err
rpc_referenced(struct rpc *rpc, const MetadataReferencedRequest *req, MetadataReferencedReply *reply)
{
	static const struct pg_statement statement = { "referenced", "SELECT objects_referenced($1, $2)" };
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	TRY(arg_names(&args, req->object, req->n_object));
	pg_arg_int(&args, req->put_before_ms);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	if (pg_is_null(&rows, 0, 0))
		return ERR_IN_USE;
	give_names(rpc->arena, pg_byteses(&rows, 0, 0, rpc->arena), &reply->n_object, &reply->object);
	return ERR_OK;
}

/* What was queued before this is due. */
static enum err
due_before(struct rpc *rpc, int64_t *ret_ms)
{
	const struct config *config = ((struct metadata *)rpc->service)->config;

	TRY(database_now(rpc, ret_ms));
	*ret_ms -= config->blob_keep;
	return ERR_OK;
}

static MetadataDueDeletionsReply__Object *
due_object(const struct pg_rows *rows, size_t row, struct arena *arena)
{
	MetadataDueDeletionsReply__Object *object = ARENA_NEW(arena, MetadataDueDeletionsReply__Object);

	metadata_due_deletions_reply__object__init(object);
	object->name = data_of(pg_bytes(rows, row, 0));
	give_names(arena, pg_byteses(rows, row, 1, arena), &object->n_dead, &object->dead);
	give_names(arena, pg_byteses(rows, row, 2, arena), &object->n_live, &object->live);
	return object;
}

enum err
rpc_due_deletions(struct rpc *rpc, const MetadataDueDeletionsRequest *req, MetadataDueDeletionsReply *reply)
{
	static const struct pg_statement objects = { "objects_due", "SELECT * FROM objects_due($1, $2, $3)" },
		rest = { "deletions_rest", "SELECT EXISTS (SELECT FROM deletions WHERE look_ms <= $1)" };
	struct pg_args args = { .arena = rpc->arena }, rest_args = { .arena = rpc->arena };
	struct pg_rows rows, more;
	int64_t before_ms;

	TRY(due_before(rpc, &before_ms));
	pg_arg_int4(&args, req->limit == 0 || req->limit > OBJECTS_MAX ? OBJECTS_MAX : (int32_t)req->limit);
	pg_arg_int(&args, before_ms);
	pg_arg_int(&args, req->hold_ms < HOLD_MIN_MS ? HOLD_MIN_MS : req->hold_ms > HOLD_MAX_MS ? HOLD_MAX_MS : req->hold_ms);
	TRY(metadata_run(rpc, &objects, &args, &rows));
	pg_arg_int(&rest_args, before_ms);
	TRY(metadata_read(rpc, &rest, &rest_args, &more));
	reply->more = pg_int(&more, 0, 0) != 0;
	reply->object = ARENA_ARRAY(rpc->arena, MetadataDueDeletionsReply__Object *, rows.count + 1);
	for (size_t i = 0; i < rows.count; i++)
		reply->object[reply->n_object++] = due_object(&rows, i, rpc->arena);
	return ERR_OK;
}

enum err
rpc_deletions_done(struct rpc *rpc, const MetadataDeletionsDoneRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "deletions_done", "SELECT deletions_done($1, $2, $3)" };
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;
	int64_t before_ms;

	(void)reply;
	TRY(due_before(rpc, &before_ms));
	TRY(arg_names(&args, req->gone, req->n_gone));
	TRY(arg_names(&args, req->settled, req->n_settled));
	pg_arg_int(&args, before_ms);
	return metadata_run(rpc, &statement, &args, &rows);
}

enum err
rpc_relocate(struct rpc *rpc, const MetadataRelocateRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "relocate", "SELECT blobs_relocate($1, $2, $3)" };
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	(void)reply;
	if (req->n_from == 0 || req->n_from != req->n_to)
		return ERR_INVALID;
	TRY(arg_names(&args, req->from, req->n_from));
	TRY(arg_names(&args, req->to, req->n_to));
	pg_arg_int(&args, req->put_ms);
	TRY(metadata_run(rpc, &statement, &args, &rows));
	return str_equal(pg_bytes(&rows, 0, 0), STR("OK")) ? ERR_OK : ERR_STALE;
}
