/* LeaseOutbox, RenewLease, FinishOutbox, QueueState: mail on its way out, for those who send it. */
#include "libcommon/core/random.h"
#include "services/metadata/rpc/rpc.h"

enum { VISITS = 1000, FULL_MAX = 1000, OWNER_MAX = 255, REPLY_MAX = 1000, LEASE_MIN_MS = 1000, LEASE_MAX_MS = 60 * 60 * 1000 };
static const int64_t DELAY_MAX_MS = 30LL * 86400 * 1000;

/* Not zero, which stands for no lease. */
static int64_t
new_token(void)
{
	return (int64_t)(random_u64() >> 1) | 1;
}

static int64_t
within(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

static void
give_item(const struct pg_rows *rows, MetadataLeaseOutboxReply *reply, struct arena *arena)
{
	reply->found = true;
	reply->lease = ARENA_NEW(arena, MetadataLease);
	metadata_lease__init(reply->lease);
	reply->lease->account = (uint64_t)pg_int(rows, 0, 0);
	reply->lease->item = (uint64_t)pg_int(rows, 0, 1);
	reply->lease->token = (uint64_t)pg_int(rows, 0, 2);
	reply->kind = data_of(pg_bytes(rows, 0, 3));
	reply->sender = data_of(pg_bytes(rows, 0, 4));
	reply->recipient = data_of(pg_bytes(rows, 0, 5));
	reply->domain = data_of(pg_bytes(rows, 0, 6));
	reply->message_id = data_of(pg_bytes(rows, 0, 7));
	reply->blob = data_of(pg_bytes(rows, 0, 8));
	reply->blob_size = (uint64_t)pg_int(rows, 0, 9);
	reply->prefix = data_of(pg_bytes(rows, 0, 10));
	reply->age_ms = pg_int(rows, 0, 11);
	reply->attempts = (uint32_t)pg_int(rows, 0, 12);
}

enum err
rpc_lease_outbox(struct rpc *rpc, const MetadataLeaseOutboxRequest *req, MetadataLeaseOutboxReply *reply)
{
	static const struct pg_statement statement = { "outbox_lease",
		"SELECT l.account, l.item, l.token, l.kind, l.sender, l.recipient, l.domain, l.message_id, l.blob, l.blob_size, l.prefix,"
		" now_ms() - l.created_ms, l.attempts, l.reached"
		" FROM (SELECT (r.o).*, r.reached FROM (SELECT * FROM outbox_lease($1, $2, $3, $4, $5, $6, $7)) r) l" };
	struct pg_args args = { .arena = rpc->arena };
	struct str *domains = ARENA_ARRAY(rpc->arena, struct str, req->n_full_domain + 1);
	struct pg_rows rows;

	if (req->n_full_account > FULL_MAX || req->n_full_domain > FULL_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < req->n_full_domain; i++)
		domains[i] = str_of(req->full_domain[i]);
	pg_arg_int(&args, (int64_t)req->after);
	pg_arg_int4(&args, VISITS);
	pg_arg_ints(&args, (const int64_t *)req->full_account, req->n_full_account);
	pg_arg_byteses(&args, domains, req->n_full_domain);
	pg_arg_text(&args, str_is_utf8(str_of(req->owner)) ? str_sub(str_of(req->owner), 0, OWNER_MAX) : STR_NONE);
	pg_arg_int(&args, new_token());
	pg_arg_int(&args, within(req->lease_ms, LEASE_MIN_MS, LEASE_MAX_MS));
	TRY(metadata_run(rpc, &statement, &args, &rows));
	reply->at_end = pg_is_null(&rows, 0, 13);
	reply->after = (uint64_t)pg_int(&rows, 0, 13);
	if (!pg_is_null(&rows, 0, 1))
		give_item(&rows, reply, rpc->arena);
	return ERR_OK;
}

static enum err
lease_args(struct pg_args *args, const MetadataLease *lease)
{
	if (!lease || lease->token == 0)
		return ERR_INVALID;
	pg_arg_int(args, (int64_t)lease->account);
	pg_arg_int(args, (int64_t)lease->item);
	pg_arg_int(args, (int64_t)lease->token);
	return ERR_OK;
}

enum err
rpc_renew_lease(struct rpc *rpc, const MetadataRenewLeaseRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "outbox_renew", "SELECT outbox_renew($1, $2, $3, $4)" };
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	(void)reply;
	TRY(lease_args(&args, req->lease));
	pg_arg_int(&args, within(req->lease_ms, LEASE_MIN_MS, LEASE_MAX_MS));
	TRY(metadata_run(rpc, &statement, &args, &rows));
	return pg_int(&rows, 0, 0) ? ERR_OK : ERR_NONEXISTENT;
}

static enum err
bounce_args(struct pg_args *args, const MetadataFinishOutboxRequest *req)
{
	const MetadataMail *bounce = req->outcome == METADATA_FINISH_OUTBOX_REQUEST__OUTCOME__GAVE_UP ? req->bounce : NULL;

	TRY(mail_check(bounce, STR_NONE, 0, NULL, 0));
	if (req->bounce_message_id.len > MESSAGE_ID_MAX)
		return ERR_INVALID;
	pg_arg_bytes(args, bounce ? str_of(bounce->blob) : STR_NONE);
	pg_arg_int(args, bounce ? bounce->put_ms : 0);
	pg_arg_int(args, bounce ? (int64_t)bounce->blob_size : 0);
	pg_arg_bytes(args, str_of(req->bounce_message_id));
	return ERR_OK;
}

enum err
rpc_finish_outbox(struct rpc *rpc, const MetadataFinishOutboxRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement defer = { "outbox_defer", "SELECT outbox_defer($1, $2, $3, $4, $5, $6)" },
		end = { "outbox_end", "SELECT outbox_end($1, $2, $3, $4, $5, $6, $7)" };
	bool is_deferred = req->outcome == METADATA_FINISH_OUTBOX_REQUEST__OUTCOME__DEFERRED;
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	(void)reply;
	TRY(lease_args(&args, req->lease));
	if (is_deferred) {
		pg_arg_bytes(&args, str_sub(str_of(req->reply), 0, REPLY_MAX));
		pg_arg_int(&args, within(req->delay_ms, 0, DELAY_MAX_MS));
		pg_arg_bool(&args, req->counts);
	} else {
		TRY(bounce_args(&args, req));
	}
	TRY(metadata_run(rpc, is_deferred ? &defer : &end, &args, &rows));
	return status_read(pg_bytes(&rows, 0, 0));
}

enum err
rpc_queue_state(struct rpc *rpc, const MetadataEmpty *req, MetadataQueueStateReply *reply)
{
	static const struct pg_statement statement = { "outbox_state",
		"SELECT count(*), count(*) FILTER (WHERE due_ms <= n.now), count(*) FILTER (WHERE due_ms > n.now AND token <> 0),"
		" coalesce(max(n.now - created_ms), 0) FROM outbox, (SELECT now_ms() AS now OFFSET 0) n" };
	struct pg_args none = { .arena = rpc->arena };
	struct pg_rows rows;

	(void)req;
	TRY(metadata_read(rpc, &statement, &none, &rows));
	reply->items = (uint64_t)pg_int(&rows, 0, 0);
	reply->ready = (uint64_t)pg_int(&rows, 0, 1);
	reply->sending = (uint64_t)pg_int(&rows, 0, 2);
	reply->oldest_ms = pg_int(&rows, 0, 3);
	return ERR_OK;
}
