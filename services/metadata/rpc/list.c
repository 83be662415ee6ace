/* List: the tree of an account's mailboxes. */
#include "services/metadata/rpc/rpc.h"

/* A subscription without a mailbox is a row too (number 0). */
static const struct pg_statement list_statement = { "list",
	"SELECT n.version, t.mailbox, t.name, t.attributes FROM namespace n LEFT JOIN LATERAL ("
	" SELECT m.mailbox, m.name, m.attributes | CASE WHEN s.name IS NULL THEN 0 ELSE 2 END AS attributes"
	" FROM mailboxes m LEFT JOIN subscriptions s ON s.account = m.account AND s.name = m.name WHERE m.account = n.account"
	" UNION ALL SELECT 0, s.name, 2 FROM subscriptions s WHERE s.account = n.account AND NOT EXISTS"
	" (SELECT FROM mailboxes m WHERE m.account = s.account AND m.name = s.name)) t ON n.version <> $2"
	" WHERE n.account = $1 ORDER BY t.name" };

enum err
rpc_list(struct rpc *rpc, const MetadataListRequest *req, MetadataListReply *reply)
{
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	TRY(authorise(rpc, req->account));
	pg_arg_int(&args, (int64_t)req->account);
	pg_arg_int(&args, (int64_t)req->have_version);
	TRY(metadata_read(rpc, &list_statement, &args, &rows));
	if (rows.count == 0)
		return ERR_NO_ACCOUNT;
	reply->version = (uint64_t)pg_int(&rows, 0, 0);
	reply->unchanged = reply->version == req->have_version;
	reply->mailbox = ARENA_ARRAY(rpc->arena, MetadataMailbox *, rows.count);
	for (size_t i = 0; i < rows.count && !pg_is_null(&rows, i, 1); i++) {
		MetadataMailbox *mailbox = ARENA_NEW(rpc->arena, MetadataMailbox);

		metadata_mailbox__init(mailbox);
		mailbox->mailbox = (uint64_t)pg_int(&rows, i, 1);
		mailbox->name = data_of(pg_bytes(&rows, i, 2));
		mailbox->attributes = (uint32_t)pg_int(&rows, i, 3);
		reply->mailbox[reply->n_mailbox++] = mailbox;
	}
	return ERR_OK;
}
