/* Select and Load: a mailbox as a view begins with it. */
#include "libcommon/core/clock.h"
#include "services/metadata/rpc/rpc.h"

enum { PAGE_ROWS = 20000, CLAIM_MS = 300 };

static const struct pg_statement state_statement = { "state",
	"SELECT " STATE_COLUMNS " FROM " STATE_TABLES " WHERE m.account = $1 AND m.name = $2" };
/* State and page are one snapshot. */
static const struct pg_statement full_statement = { "select",
	"SELECT " STATE_COLUMNS ", p.* FROM " STATE_TABLES ", LATERAL entries_page(m.account, m.mailbox, 0, 20001) p"
	" WHERE m.account = $1 AND m.name = $2" };
static const struct pg_statement load_statement = { "load",
	"SELECT p.* FROM mailbox_state s, LATERAL entries_page(s.account, s.mailbox, $3, 20001) p WHERE s.account = $1 AND s.mailbox = $2" };
/* The lock's row is the newest, whatever the statement's snapshot: what it was before is what this session is told. */
static const struct pg_statement claim_statement = { "claim_recent",
	"WITH old AS (SELECT recent_uid FROM mailbox_state WHERE account = $1 AND mailbox = $2 FOR NO KEY UPDATE)"
	" UPDATE mailbox_state s SET recent_uid = greatest(old.recent_uid, $3) FROM old WHERE s.account = $1 AND s.mailbox = $2"
	" RETURNING old.recent_uid" };

/* Columns of entries_page from `column` on; one row more than a page says that there is more. */
static MetadataRows *
page_read(const struct pg_rows *rows, int column, struct arena *arena, protobuf_c_boolean *ret_more)
{
	struct pg_ints columns[6];
	MetadataRows *page;
	size_t cut = 0;

	for (int i = 0; i < 6; i++)
		columns[i] = pg_ints(rows, 0, column + i, arena);
	*ret_more = columns[0].count > PAGE_ROWS;
	if (*ret_more) {
		for (int i = 0; i < 5; i++)
			columns[i].count = PAGE_ROWS;
		/* Keywords of the row that is left out are left out too: place, count, numbers. */
		while (cut < columns[5].count && columns[5].items[cut] < PAGE_ROWS)
			cut += 2 + (size_t)columns[5].items[cut + 1];
		columns[5].count = cut;
	}
	page = rows_make(arena, columns[0], columns[2], columns[3], columns[4], columns[5], &columns[1], 0);
	return page;
}

static enum err
select_full(struct rpc *rpc, struct pg_args *args, MetadataSelectReply *reply)
{
	struct pg_rows rows;

	TRY(metadata_read(rpc, &full_statement, args, &rows));
	if (rows.count == 0)
		return ERR_NO_MAILBOX;
	state_read(&rows, 0, 0, rpc->arena, reply->state);
	reply->is_full = true;
	reply->rows = page_read(&rows, STATE_COUNT, rpc->arena, &reply->more);
	return ERR_OK;
}

/* What is new since the caller's view; ERR_LOST: it must be given everything. */
static enum err
select_new(struct rpc *rpc, struct pg_args *args, const MetadataSelectRequest *req, MetadataSelectReply *reply)
{
	MetadataSync sync = METADATA_SYNC__INIT;
	struct pg_rows rows;

	TRY(metadata_read(rpc, &state_statement, args, &rows));
	if (rows.count == 0)
		return ERR_NO_MAILBOX;
	state_read(&rows, 0, 0, rpc->arena, reply->state);
	if (reply->state->mailbox != req->have_mailbox || reply->state->uidvalidity != req->have_uidvalidity)
		return ERR_LOST;
	if (reply->state->cursor->timeline == req->have->timeline && reply->state->cursor->modseq == req->have->modseq)
		return ERR_OK;
	TRY(sync_read(rpc, req->account, req->have_mailbox, req->have, &sync));
	/* Something was committed in between: what came with the state would not be what comes with the changes. */
	if (sync.status != ERR_OK || sync.is_lost || sync.cursor->modseq != reply->state->cursor->modseq ||
	    sync.cursor->timeline != reply->state->cursor->timeline)
		return ERR_LOST;
	reply->n_change = sync.n_change;
	reply->change = sync.change;
	return ERR_OK;
}

static enum err
claim_recent(struct rpc *rpc, uint64_t account, MetadataState *state)
{
	struct metadata *metadata = rpc->service;
	struct pg_args args = { .arena = rpc->arena };
	/* Who waits for a mailbox that others change must not hold the connections of those who want another. */
	int64_t deadline_ms = clock_mono_ms() + CLAIM_MS;
	struct pg_failure failure;
	struct pg_rows rows;
	enum err err;

	if (state->recent_uid + 1 >= state->uidnext)
		return ERR_OK;
	pg_arg_int(&args, (int64_t)account);
	pg_arg_int4(&args, (int32_t)state->mailbox);
	pg_arg_int(&args, (int64_t)state->uidnext - 1);
	err = pg_read(metadata->pool, &claim_statement, &args, deadline_ms, rpc->arena, &rows, &failure);
	/* Who cannot say whether he is the first says that he is (RFC 3501 s. 2.3.2); the next one is then told the same. */
	if (err != ERR_OK && failure.sqlstate[0] != '\0')
		return ERR_OK;
	TRY(err);
	if (rows.count > 0)
		state->recent_uid = (uint32_t)pg_int(&rows, 0, 0);
	return ERR_OK;
}

enum err
rpc_select(struct rpc *rpc, const MetadataSelectRequest *req, MetadataSelectReply *reply)
{
	struct pg_args args = { .arena = rpc->arena };
	enum err err = ERR_LOST;

	TRY(authorise(rpc, req->account));
	reply->state = ARENA_NEW(rpc->arena, MetadataState);
	metadata_state__init(reply->state);
	pg_arg_int(&args, (int64_t)req->account);
	pg_arg_bytes(&args, mailbox_name(rpc->arena, str_of(req->name)));
	if (req->have && req->have_mailbox > 0)
		err = select_new(rpc, &args, req, reply);
	if (err == ERR_LOST)
		err = select_full(rpc, &args, reply);
	if (err == ERR_OK && !req->read_only)
		err = claim_recent(rpc, req->account, reply->state);
	return err;
}

enum err
rpc_load(struct rpc *rpc, const MetadataLoadRequest *req, MetadataLoadReply *reply)
{
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	TRY(authorise(rpc, req->account));
	pg_arg_int(&args, (int64_t)req->account);
	pg_arg_int4(&args, req->mailbox <= INT32_MAX ? (int32_t)req->mailbox : 0);
	pg_arg_int(&args, req->after_uid);
	TRY(metadata_read(rpc, &load_statement, &args, &rows));
	if (rows.count == 0)
		return ERR_NO_MAILBOX;
	reply->rows = page_read(&rows, 0, rpc->arena, &reply->more);
	return ERR_OK;
}
