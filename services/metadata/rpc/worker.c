/* Purge, Referenced, DueDeletions, DeletionsDone: what the worker asks for. */
#include "services/metadata/rpc/rpc.h"

enum { PURGE_MAX = 10000, OBJECTS_MAX = 1000, ATTEMPTS = 5 };

/* A statement that changes something, in a transaction of its own; lost against another, it is run again. */
static enum err
worker_run(struct rpc *rpc, const struct pg_statement *statement, struct pg_args *args, struct pg_rows *ret)
{
	struct metadata *metadata = rpc->service;
	struct pg_failure failure = { .text = STR_NONE };
	enum err err = ERR_OK;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		err = pg_read(metadata->pool, statement, args, rpc->deadline_ms, rpc->arena, ret, &failure);
		if (err == ERR_OK || !pg_is_retryable(&failure))
			break;
	}
	if (err != ERR_OK)
		log_warn(&rpc->log, "pg.worker", KV_ERR(err), KV_C("statement", statement->name), KV_C("sqlstate", failure.sqlstate),
		    KV_STR("detail", failure.text));
	return err;
}

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
		calls = { "purge_calls", "SELECT purge_calls($1)" };
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
		TRY(worker_run(rpc, kinds[i].statement, &args, &rows));
		many = pg_int(&rows, 0, 0);
		reply->more |= many > 0;
		if (kinds[i].has_messages)
			reply->purged = (uint32_t)many;
	}
	return ERR_OK;
}

enum err
rpc_referenced(struct rpc *rpc, const MetadataReferencedRequest *req, MetadataReferencedReply *reply)
{
	static const struct pg_statement statement = { "referenced", "SELECT objects_referenced($1, $2)" };
	struct pg_args args = { .arena = rpc->arena };
	struct str *objects = ARENA_ARRAY(rpc->arena, struct str, req->n_object + 1);
	struct str_list wanted;
	struct pg_rows rows;

	if (req->n_object > OBJECTS_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < req->n_object; i++)
		objects[i] = str_of(req->object[i]);
	pg_arg_byteses(&args, objects, req->n_object);
	pg_arg_int(&args, req->put_before_ms);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	if (pg_is_null(&rows, 0, 0))
		return ERR_IN_USE;
	wanted = pg_byteses(&rows, 0, 0, rpc->arena);
	reply->n_object = wanted.count;
	reply->object = ARENA_ARRAY(rpc->arena, ProtobufCBinaryData, wanted.count + 1);
	for (size_t i = 0; i < wanted.count; i++)
		reply->object[i] = data_of(wanted.items[i]);
	return ERR_OK;
}

enum err
rpc_due_deletions(struct rpc *rpc, const MetadataDueDeletionsRequest *req, MetadataDueDeletionsReply *reply)
{
	static const struct pg_statement statement = { "deletions_due", "SELECT * FROM deletions_due($1, $2)" };
	const struct config *config = ((struct metadata *)rpc->service)->config;
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;
	int64_t now_ms;

	TRY(database_now(rpc, &now_ms));
	pg_arg_int4(&args, req->limit == 0 || req->limit > OBJECTS_MAX ? OBJECTS_MAX : (int32_t)req->limit);
	pg_arg_int(&args, now_ms - config->blob_keep);
	TRY(worker_run(rpc, &statement, &args, &rows));
	reply->n_blob = rows.count;
	reply->blob = ARENA_ARRAY(rpc->arena, ProtobufCBinaryData, rows.count + 1);
	for (size_t i = 0; i < rows.count; i++)
		reply->blob[i] = data_of(pg_bytes(&rows, i, 0));
	return ERR_OK;
}

enum err
rpc_deletions_done(struct rpc *rpc, const MetadataDeletionsDoneRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "deletions_done",
		"DELETE FROM deletions d WHERE d.blob = ANY ($1)" };
	struct pg_args args = { .arena = rpc->arena };
	struct str *blobs = ARENA_ARRAY(rpc->arena, struct str, req->n_blob + 1);
	struct pg_rows rows;

	(void)reply;
	for (size_t i = 0; i < req->n_blob; i++)
		blobs[i] = str_of(req->blob[i]);
	pg_arg_byteses(&args, blobs, req->n_blob);
	return worker_run(rpc, &statement, &args, &rows);
}
