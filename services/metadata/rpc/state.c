/* A mailbox's state as it is sent; Status. */
#include "services/metadata/rpc/rpc.h"

enum { NAMES_MAX = 20000 };

void
state_read(const struct pg_rows *rows, size_t row, int column, struct arena *arena, MetadataState *ret)
{
	struct str_list keywords = pg_byteses(rows, row, column + STATE_KEYWORDS, arena);

	ret->status = ERR_OK;
	ret->mailbox = (uint64_t)pg_int(rows, row, column + STATE_MAILBOX);
	ret->uidvalidity = (uint32_t)pg_int(rows, row, column + STATE_UIDVALIDITY);
	ret->attributes = (uint32_t)pg_int(rows, row, column + STATE_ATTRIBUTES);
	ret->uidnext = (uint32_t)pg_int(rows, row, column + STATE_UIDNEXT);
	ret->cursor = cursor_make(arena, (uint64_t)pg_int(rows, row, column + STATE_TIMELINE),
	    (uint64_t)pg_int(rows, row, column + STATE_MODSEQ));
	ret->recent_uid = (uint32_t)pg_int(rows, row, column + STATE_RECENT);
	ret->messages = (uint32_t)pg_int(rows, row, column + STATE_MESSAGES);
	ret->unseen = (uint32_t)pg_int(rows, row, column + STATE_UNSEEN);
	ret->deleted = (uint32_t)pg_int(rows, row, column + STATE_DELETED);
	ret->bytes = (uint64_t)pg_int(rows, row, column + STATE_BYTES);
	ret->n_keyword = keywords.count;
	ret->keyword = ARENA_ARRAY(arena, ProtobufCBinaryData, keywords.count + 1);
	for (size_t i = 0; i < keywords.count; i++)
		ret->keyword[i] = data_of(keywords.items[i]);
}

enum err
rpc_status(struct rpc *rpc, const MetadataStatusRequest *req, MetadataStatusReply *reply)
{
	static const struct pg_statement statement = { "status",
		"SELECT " STATE_COLUMNS ", m.name FROM " STATE_TABLES " WHERE m.account = $1 AND m.name = ANY ($2)" };
	struct pg_args args = { .arena = rpc->arena };
	struct str *names = ARENA_ARRAY(rpc->arena, struct str, req->n_name + 1);
	struct pg_rows rows;

	if (req->n_name > NAMES_MAX)
		return ERR_LIMIT;
	TRY(authorise(rpc, req->account));
	for (size_t i = 0; i < req->n_name; i++)
		names[i] = mailbox_name(rpc->arena, str_of(req->name[i]));
	pg_arg_int(&args, (int64_t)req->account);
	pg_arg_byteses(&args, names, req->n_name);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	reply->n_state = req->n_name;
	reply->state = ARENA_ARRAY(rpc->arena, MetadataState *, req->n_name + 1);
	for (size_t i = 0; i < req->n_name; i++) {
		reply->state[i] = ARENA_NEW(rpc->arena, MetadataState);
		metadata_state__init(reply->state[i]);
		reply->state[i]->status = ERR_NO_MAILBOX;
		for (size_t row = 0; row < rows.count; row++)
			if (str_equal(pg_bytes(&rows, row, STATE_COUNT), names[i]))
				state_read(&rows, row, 0, rpc->arena, reply->state[i]);
	}
	return ERR_OK;
}
