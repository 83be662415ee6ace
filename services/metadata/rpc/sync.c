/* Sync: what the journal has since a cursor, in one snapshot with the state that becomes the new cursor. */
#include "services/metadata/rpc/rpc.h"

/* More than this is read faster, and more surely, as the mailbox itself. */
enum { CHANGES_MAX = 1000, CHANGED_ROWS_MAX = 50000, ITEMS_MAX = 1000 };

static const struct pg_statement sync_statement = { "sync",
	"SELECT s.timeline, s.modseq, s.recent_uid, s.timeline = $3 AND $4 BETWEEN s.floor AND s.modseq, c.modseq, c.uidnext, c.is_new,"
	" c.uids, c.flags, c.sizes, c.dates, c.keywords, c.vanished, c.keyword, c.keyword_first"
	" FROM mailbox_state s LEFT JOIN changes c ON c.account = s.account AND c.mailbox = s.mailbox AND c.modseq > $4"
	" AND c.modseq <= s.modseq AND s.timeline = $3 AND $4 BETWEEN s.floor AND s.modseq"
	" WHERE s.account = $1 AND s.mailbox = $2 ORDER BY c.modseq LIMIT 1001" };

static bool
changes_read(const struct pg_rows *rows, int column, struct arena *arena, size_t *ret_count, MetadataChange ***ret)
{
	MetadataChange **changes = ARENA_ARRAY(arena, MetadataChange *, rows->count);
	size_t n = 0, total = 0;

	if (rows->count > CHANGES_MAX)
		return false;
	for (size_t i = 0; i < rows->count && !pg_is_null(rows, i, column); i++) {
		changes[n] = change_read(rows, i, column, arena);
		total += (changes[n]->rows ? changes[n]->rows->n_uid : 0) + changes[n]->n_vanished;
		n++;
		if (total > CHANGED_ROWS_MAX)
			return false;
	}
	*ret_count = n;
	*ret = changes;
	return true;
}

enum err
sync_read(struct rpc *rpc, uint64_t account, uint64_t mailbox, const MetadataCursor *have, MetadataSync *ret)
{
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	pg_arg_int(&args, (int64_t)account);
	pg_arg_int4(&args, mailbox <= INT32_MAX ? (int32_t)mailbox : 0);
	pg_arg_int(&args, have ? (int64_t)have->timeline : 0);
	pg_arg_int(&args, have ? (int64_t)have->modseq : 0);
	TRY(metadata_read(rpc, &sync_statement, &args, &rows));
	if (rows.count == 0) {
		ret->status = ERR_NO_MAILBOX;
		return ERR_OK;
	}
	ret->cursor = cursor_make(rpc->arena, (uint64_t)pg_int(&rows, 0, 0), (uint64_t)pg_int(&rows, 0, 1));
	ret->recent_uid = (uint32_t)pg_int(&rows, 0, 2);
	ret->is_lost = pg_int(&rows, 0, 3) == 0 || !changes_read(&rows, 4, rpc->arena, &ret->n_change, &ret->change);
	return ERR_OK;
}

/* The effects on this mailbox alone, as what they are to a view at `have`. False: there are none, or they do not follow on it. */
static bool
tell_effects(const struct effects *effects, uint64_t mailbox, const MetadataCursor *have, struct arena *arena, MetadataSync *ret)
{
	MetadataCursor at = METADATA_CURSOR__INIT;

	if (!effects || !have)
		return false;
	at = *have;
	ret->change = ARENA_ARRAY(arena, MetadataChange *, effects->count + 1);
	for (size_t i = 0; i < effects->count; i++) {
		const struct effect *effect = &effects->items[i];

		if (effect->mailbox != mailbox || !effect->change)
			continue;
		if (effect->old.timeline != at.timeline || effect->old.modseq != at.modseq || effect->new.timeline != at.timeline)
			return false;
		at.modseq = effect->new.modseq;
		ret->change[ret->n_change++] = effect->change;
		ret->recent_uid = effect->recent_uid;
	}
	ret->cursor = cursor_make(arena, at.timeline, at.modseq);
	return ret->n_change > 0;
}

enum err
sync_after(struct rpc *rpc, uint64_t account, uint64_t mailbox, const MetadataCursor *have, const struct effects *effects,
    MetadataSync **ret)
{
	MetadataSync *sync = ARENA_NEW(rpc->arena, MetadataSync);

	metadata_sync__init(sync);
	*ret = sync;
	if (tell_effects(effects, mailbox, have, rpc->arena, sync))
		return ERR_OK;
	metadata_sync__init(sync);
	return sync_read(rpc, account, mailbox, have, sync);
}

enum err
rpc_sync(struct rpc *rpc, const MetadataSyncRequest *req, MetadataSyncReply *reply)
{
	struct claim *claims;

	if (req->n_item > ITEMS_MAX)
		return ERR_LIMIT;
	claims = ARENA_ARRAY(rpc->arena, struct claim, req->n_item + 1);
	for (size_t i = 0; i < req->n_item; i++) {
		struct str token = str_of(req->item[i]->token);

		claims[i] = (struct claim){ .token = token.len > 0 ? token : rpc->token, .account = req->item[i]->account };
	}
	TRY(authorise_claims(rpc, claims, req->n_item));
	reply->n_sync = req->n_item;
	reply->sync = ARENA_ARRAY(rpc->arena, MetadataSync *, req->n_item + 1);
	for (size_t i = 0; i < req->n_item; i++) {
		const MetadataSyncRequest__Item *item = req->item[i];

		reply->sync[i] = ARENA_NEW(rpc->arena, MetadataSync);
		metadata_sync__init(reply->sync[i]);
		reply->sync[i]->status = claims[i].err;
		if (claims[i].err == ERR_OK)
			TRY(sync_read(rpc, item->account, item->mailbox, item->have, reply->sync[i]));
	}
	return ERR_OK;
}
