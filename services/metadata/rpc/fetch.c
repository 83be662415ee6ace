/* Fetch: the wide columns of some messages. */
#include "services/metadata/rpc/rpc.h"

enum { PAGE_ROWS = 256, TEXT_ROWS = 512, REPLY_BYTES = 2 << 20, TEXTS = 3 };
/* A mail that somebody made to hurt has 2 MiB in these columns: where there is one so long, it is known what comes before it is read. */
enum { LONG_BYTES = 32 * 1024 };
enum { COLUMN_UID, COLUMN_BYTES, COLUMN_FIRST };

/*
 * Which are wanted comes first, in the order of the UIDs, as their ranges are; then their wide rows, one by one. LATERALs keep the order: an
 * ORDER BY would cost more than all the rest, as its Sort copies every row. `bytes` says how many octets the statement's columns have.
 */
#define FROM_WANTED(bytes) " FROM (SELECT w.uid, w.message FROM unnest($3, $4) r(f, l), LATERAL (SELECT uid, message FROM entries" \
	"  WHERE account = $1 AND mailbox = $2 AND uid BETWEEN r.f AND r.l ORDER BY uid LIMIT $5) w" \
	"  WHERE EXISTS (SELECT FROM mailbox_state WHERE account = $1 AND mailbox = $2) LIMIT $5) e" \
	", LATERAL (SELECT *, " bytes " AS bytes FROM messages WHERE account = $1 AND message = e.message OFFSET 0) m"
#define WIDE(number, column) "CASE WHEN $" number " AND m.bytes <= $6 THEN m." column " END"
#define BYTES(number, column) "CASE WHEN $" number " THEN octet_length(" column ") ELSE 0 END"
#define TEXT_COLUMNS WIDE("7", "envelope") "," WIDE("8", "bodystructure") "," WIDE("9", "body")
#define TEXT_BYTES BYTES("7", "envelope") "+" BYTES("8", "bodystructure") "+" BYTES("9", "body")

static const struct pg_statement fetch_statement = { "fetch",
	"SELECT e.uid, m.bytes, m.email_id, m.blob_size, " TEXT_COLUMNS "," WIDE("10", "parts") "," WIDE("11", "fields") ","
	" m.is_fields_complete, m.parser_version, CASE WHEN $10 THEN m.prefix END, CASE WHEN $10 THEN m.blob END, m.put_ms"
	FROM_WANTED(TEXT_BYTES "+" BYTES("10", "parts") "+" BYTES("11", "fields")) };

static const struct pg_statement texts_statement = { "fetch_texts", "SELECT e.uid, m.bytes, " TEXT_COLUMNS FROM_WANTED(TEXT_BYTES) };

static MetadataFetchReply__Row *
row_read(const struct pg_rows *rows, size_t row, struct arena *arena, size_t *bytes)
{
	MetadataFetchReply__Row *out = ARENA_NEW(arena, MetadataFetchReply__Row);
	MetadataMail *mail = ARENA_NEW(arena, MetadataMail);

	metadata_fetch_reply__row__init(out);
	metadata_mail__init(mail);
	out->uid = (uint32_t)pg_int(rows, row, COLUMN_UID);
	out->email_id = (uint64_t)pg_int(rows, row, 2);
	out->prefix = data_of(pg_bytes(rows, row, 11));
	out->mail = mail;
	mail->blob_size = (uint64_t)pg_int(rows, row, 3);
	mail->envelope = data_of(pg_bytes(rows, row, 4));
	mail->bodystructure = data_of(pg_bytes(rows, row, 5));
	mail->body = data_of(pg_bytes(rows, row, 6));
	mail->parts = data_of(pg_bytes(rows, row, 7));
	mail->fields = data_of(pg_bytes(rows, row, 8));
	mail->fields_complete = pg_int(rows, row, 9) != 0;
	mail->parser_version = (uint32_t)pg_int(rows, row, 10);
	mail->blob = data_of(pg_bytes(rows, row, 12));
	mail->put_ms = pg_int(rows, row, 13);
	*bytes += metadata_mail__get_packed_size(mail) + out->prefix.len + 32;
	return out;
}

/* What is asked for: the statement, and how many rows at most, with the first `columns` of those that may be wanted. */
struct page {
	const struct pg_statement *statement;
	size_t rows, columns;
};

static enum err
run_page(struct rpc *rpc, const struct page *page, const MetadataFetchRequest *req, uint32_t from, size_t count, int64_t long_bytes,
    struct pg_rows *ret)
{
	const bool wanted[] = { req->envelope, req->bodystructure, req->body, req->parts, req->fields };
	struct pg_args args = { .arena = rpc->arena };

	pg_arg_int(&args, (int64_t)req->account);
	pg_arg_int4(&args, req->mailbox <= INT32_MAX ? (int32_t)req->mailbox : 0);
	TRY(ranges_args(&args, req->uids, req->n_uids, from));
	pg_arg_int(&args, (int64_t)count);
	pg_arg_int(&args, long_bytes);
	for (size_t i = 0; i < page->columns; i++)
		pg_arg_bool(&args, wanted[i]);
	return metadata_read(rpc, page->statement, &args, ret);
}

/* How many of the rows have room in an answer, at least one. *ret_is_long: one of them is long, and may have come without its columns. */
static size_t
count_fitting(const struct pg_rows *rows, bool *ret_is_long)
{
	size_t bytes = 0, count;

	*ret_is_long = false;
	for (count = 0; count < rows->count; count++) {
		size_t more = (size_t)pg_int(rows, count, COLUMN_BYTES);

		bytes += more;
		if (bytes > REPLY_BYTES && count > 0)
			break;
		*ret_is_long |= more > LONG_BYTES;
	}
	return count;
}

/* The rows from `from` on that have room in an answer. *ret_more: there may be others behind; never without a row. */
static enum err
read_page(struct rpc *rpc, const struct page *page, const MetadataFetchRequest *req, uint32_t from, struct pg_rows *ret, bool *ret_more)
{
	bool is_long;
	size_t found;

	do {
		TRY(run_page(rpc, page, req, from, page->rows, LONG_BYTES, ret));
		found = ret->count;
		ret->count = count_fitting(ret, &is_long);
		if (is_long) {
			TRY(run_page(rpc, page, req, from, ret->count, INT64_MAX, ret));
			ret->count = count_fitting(ret, &is_long);
		}
		/* None: those were expunged meanwhile. */
	} while (found > 0 && ret->count == 0);
	*ret_more = found == page->rows || ret->count < found;
	return ERR_OK;
}

/* One page of rows behind `*from`. ERR_AGAIN: there may be more, and room for it. */
static enum err
fetch_page(struct rpc *rpc, const MetadataFetchRequest *req, uint32_t *from, size_t *bytes, MetadataFetchReply *reply)
{
	static const struct page page = { &fetch_statement, PAGE_ROWS, TEXTS + 2 };
	MetadataFetchReply__Row **all;
	struct pg_rows rows;
	bool more;

	TRY(read_page(rpc, &page, req, *from, &rows, &more));
	all = ARENA_ARRAY(rpc->arena, MetadataFetchReply__Row *, reply->n_row + rows.count + 1);
	if (reply->n_row > 0)
		memcpy(all, reply->row, reply->n_row * sizeof(*all));
	reply->row = all;
	for (size_t i = 0; i < rows.count; i++) {
		MetadataFetchReply__Row *row = row_read(&rows, i, rpc->arena, bytes);

		if (*bytes > REPLY_BYTES && reply->n_row > 0) {
			reply->more = true;
			return ERR_OK;
		}
		reply->row[reply->n_row++] = row;
	}
	if (rows.count < PAGE_ROWS || reply->row[reply->n_row - 1]->uid == UINT32_MAX) {
		reply->more = more;
		return ERR_OK;
	}
	*from = reply->row[reply->n_row - 1]->uid + 1;
	return ERR_AGAIN;
}

static void
add_texts(const struct pg_rows *rows, size_t row, const bool wanted[TEXTS], MetadataFetchReply__Texts *texts)
{
	texts->uid[texts->n_uid++] = (uint32_t)pg_int(rows, row, COLUMN_UID);
	for (int i = 0; i < TEXTS; i++) {
		struct str text = pg_bytes(rows, row, COLUMN_FIRST + i);

		if (!wanted[i])
			continue;
		if (text.len > 0)
			memcpy(texts->text.data + texts->text.len, text.ptr, text.len);
		texts->text.len += text.len;
		texts->length[texts->n_length++] = (uint32_t)text.len;
	}
}

/* The first page of them. */
static enum err
fetch_texts(struct rpc *rpc, const MetadataFetchRequest *req, MetadataFetchReply *reply)
{
	static const struct page page = { &texts_statement, TEXT_ROWS, TEXTS };
	const bool wanted[TEXTS] = { req->envelope, req->bodystructure, req->body };
	MetadataFetchReply__Texts *texts = ARENA_NEW(rpc->arena, MetadataFetchReply__Texts);
	struct pg_rows rows;
	size_t bytes = 0;
	bool more;

	TRY(read_page(rpc, &page, req, 1, &rows, &more));
	for (size_t i = 0; i < rows.count; i++)
		bytes += (size_t)pg_int(&rows, i, COLUMN_BYTES);
	metadata_fetch_reply__texts__init(texts);
	texts->uid = ARENA_ARRAY(rpc->arena, uint32_t, rows.count + 1);
	texts->length = ARENA_ARRAY(rpc->arena, uint32_t, rows.count * TEXTS + 1);
	texts->text.data = arena_alloc(rpc->arena, bytes + 1);
	for (size_t i = 0; i < rows.count; i++)
		add_texts(&rows, i, wanted, texts);
	reply->texts = texts;
	reply->more = more;
	return ERR_OK;
}

enum err
rpc_fetch(struct rpc *rpc, const MetadataFetchRequest *req, MetadataFetchReply *reply)
{
	uint32_t from = 1;
	size_t bytes = 0;
	enum err err;

	TRY(authorise(rpc, req->account));
	if (req->texts)
		return fetch_texts(rpc, req, reply);
	do {
		err = fetch_page(rpc, req, &from, &bytes, reply);
	} while (err == ERR_AGAIN);
	return err;
}
