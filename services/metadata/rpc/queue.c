/* ListQueue, RetryQueue, DropQueue: mail on its way out, for the operator. */
#include "services/metadata/rpc/rpc.h"

enum { ITEMS_MAX = 1000 };

static enum err
account_of(struct rpc *rpc, struct str address, int64_t *ret)
{
	static const struct pg_statement statement = { "address_account", "SELECT account FROM addresses WHERE folded = $1" };
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;
	struct str folded;

	if (address_fold(rpc->arena, address, &folded) != ERR_OK)
		return ERR_NO_ACCOUNT;
	pg_arg_bytes(&args, folded);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	if (rows.count == 0)
		return ERR_NO_ACCOUNT;
	*ret = pg_int(&rows, 0, 0);
	return ERR_OK;
}

static bool
is_state(struct str state)
{
	return state.len == 0 || str_equal(state, STR("ready")) || str_equal(state, STR("sending")) || str_equal(state, STR("deferred"));
}

/* The parameters of outbox_find. */
static enum err
filter_args(struct rpc *rpc, const MetadataQueueFilter *filter, struct pg_args *args)
{
	int64_t account = 0;

	if (filter->n_item > ITEMS_MAX)
		return ERR_LIMIT;
	if ((filter->kind.len > 0 && !word_is_kind(str_of(filter->kind))) || !is_state(str_of(filter->state)))
		return ERR_INVALID;
	if (filter->address.len > 0)
		TRY(account_of(rpc, str_of(filter->address), &account));
	pg_arg_ints(args, (const int64_t *)filter->item, filter->n_item);
	pg_arg_int_or_null(args, account, filter->address.len > 0);
	pg_arg_text_or_null(args, str_of(filter->kind));
	pg_arg_text_or_null(args, str_of(filter->state));
	pg_arg_int(args, (int64_t)filter->after);
	return ERR_OK;
}

static int32_t
limit_of(const MetadataQueueFilter *filter)
{
	return filter->limit == 0 || filter->limit > ITEMS_MAX ? ITEMS_MAX : (int32_t)filter->limit;
}

static MetadataQueueItem *
read_item(const struct pg_rows *rows, size_t row, struct arena *arena)
{
	MetadataQueueItem *item = ARENA_NEW(arena, MetadataQueueItem);

	metadata_queue_item__init(item);
	item->item = (uint64_t)pg_int(rows, row, 0);
	item->account = (uint64_t)pg_int(rows, row, 1);
	item->address = data_of(pg_bytes(rows, row, 2));
	item->kind = data_of(pg_bytes(rows, row, 3));
	item->state = data_of(pg_bytes(rows, row, 4));
	item->sender = data_of(pg_bytes(rows, row, 5));
	item->recipient = data_of(pg_bytes(rows, row, 6));
	item->message_id = data_of(pg_bytes(rows, row, 7));
	item->size = (uint64_t)pg_int(rows, row, 8);
	item->created_ms = pg_int(rows, row, 9);
	item->due_ms = pg_int(rows, row, 10);
	item->attempts = (uint32_t)pg_int(rows, row, 11);
	item->owner = data_of(pg_bytes(rows, row, 12));
	item->reply = data_of(pg_bytes(rows, row, 13));
	return item;
}

enum err
rpc_list_queue(struct rpc *rpc, const MetadataQueueFilter *req, MetadataListQueueReply *reply)
{
	static const struct pg_statement statement = { "outbox_list",
		"SELECT o.item, o.account, a.address, o.kind, f.state, o.sender, o.recipient, o.message_id,"
		" o.blob_size + octet_length(o.prefix), o.created_ms, o.due_ms, o.attempts, o.owner, o.reply"
		" FROM outbox_find($1, $2, $3, $4, $5, $6) f JOIN outbox o ON o.item = f.item"
		" LEFT JOIN addresses a ON a.account = o.account AND a.is_primary ORDER BY o.item" };
	struct pg_args args = { .arena = rpc->arena };
	size_t limit = (size_t)limit_of(req);
	struct pg_rows rows;

	TRY(filter_args(rpc, req, &args));
	pg_arg_int4(&args, (int32_t)limit + 1);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	reply->more = rows.count > limit;
	reply->n_item = rows.count > limit ? limit : rows.count;
	reply->item = ARENA_ARRAY(rpc->arena, MetadataQueueItem *, reply->n_item + 1);
	for (size_t i = 0; i < reply->n_item; i++)
		reply->item[i] = read_item(&rows, i, rpc->arena);
	return ERR_OK;
}

/* `statement` does it to those that outbox_find gives: how many there were, how many were changed, the last. */
static enum err
do_found(struct rpc *rpc, const struct pg_statement *statement, const MetadataQueueFilter *req, MetadataQueueDone *reply)
{
	struct pg_args args = { .arena = rpc->arena };
	int32_t limit = limit_of(req);
	struct pg_rows rows;

	TRY(filter_args(rpc, req, &args));
	pg_arg_int4(&args, limit);
	TRY(metadata_run(rpc, statement, &args, &rows));
	reply->found = (uint32_t)pg_int(&rows, 0, 0);
	reply->changed = (uint32_t)pg_int(&rows, 0, 1);
	reply->after = (uint64_t)pg_int(&rows, 0, 2);
	reply->more = reply->found == (uint32_t)limit;
	return ERR_OK;
}

enum err
rpc_retry_queue(struct rpc *rpc, const MetadataQueueFilter *req, MetadataQueueDone *reply)
{
	static const struct pg_statement statement = { "outbox_hurry",
		"SELECT cardinality(items), outbox_hurry(items), items[cardinality(items)]"
		" FROM (SELECT ARRAY(SELECT item FROM outbox_find($1, $2, $3, $4, $5, $6)) AS items OFFSET 0) f" };

	return do_found(rpc, &statement, req, reply);
}

enum err
rpc_drop_queue(struct rpc *rpc, const MetadataQueueFilter *req, MetadataQueueDone *reply)
{
	static const struct pg_statement statement = { "outbox_drop",
		"SELECT cardinality(items), outbox_drop(items), items[cardinality(items)]"
		" FROM (SELECT ARRAY(SELECT item FROM outbox_find($1, $2, $3, $4, $5, $6)) AS items OFFSET 0) f" };

	return do_found(rpc, &statement, req, reply);
}
