/* Find: which messages of a mailbox are these mails? */
#include "services/metadata/rpc/rpc.h"

enum { ASKED_MAX = 10000, PAGE_ROWS = 20000 };

/* A mail's email_id is the number of its row, so that no index of its own is needed; its messages in all mailboxes are few. */
static const struct pg_statement find_statement = { "find",
	"SELECT e.uid, m.email_id FROM (SELECT DISTINCT unnest($3) AS id) a"
	", LATERAL (SELECT message, email_id FROM messages WHERE account = $1 AND message = a.id AND email_id = a.id OFFSET 0) m"
	", LATERAL (SELECT mailbox, uid FROM entries WHERE account = $1 AND message = m.message OFFSET 0) e"
	" WHERE e.mailbox = $2 AND e.uid > $4 AND EXISTS (SELECT FROM mailbox_state WHERE account = $1 AND mailbox = $2)"
	" ORDER BY e.uid LIMIT $5" };

static void
ids_arg(struct pg_args *args, const MetadataFindRequest *req)
{
	int64_t *ids = ARENA_ARRAY(args->arena, int64_t, req->n_email_id + 1);

	for (size_t i = 0; i < req->n_email_id; i++)
		ids[i] = (int64_t)req->email_id[i];
	pg_arg_ints(args, ids, req->n_email_id);
}

enum err
rpc_find(struct rpc *rpc, const MetadataFindRequest *req, MetadataFindReply *reply)
{
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	TRY(authorise(rpc, req->account));
	if (req->n_email_id > ASKED_MAX)
		return ERR_LIMIT;
	pg_arg_int(&args, (int64_t)req->account);
	pg_arg_int4(&args, req->mailbox <= INT32_MAX ? (int32_t)req->mailbox : 0);
	ids_arg(&args, req);
	pg_arg_int(&args, req->after_uid);
	pg_arg_int(&args, PAGE_ROWS);
	TRY(metadata_read(rpc, &find_statement, &args, &rows));
	reply->n_uid = reply->n_email_id = rows.count;
	reply->uid = ARENA_ARRAY(rpc->arena, uint32_t, rows.count + 1);
	reply->email_id = ARENA_ARRAY(rpc->arena, uint64_t, rows.count + 1);
	for (size_t i = 0; i < rows.count; i++) {
		reply->uid[i] = (uint32_t)pg_int(&rows, i, 0);
		reply->email_id[i] = (uint64_t)pg_int(&rows, i, 1);
	}
	reply->more = rows.count == PAGE_ROWS;
	return ERR_OK;
}
