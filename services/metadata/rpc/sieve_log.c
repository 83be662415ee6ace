/* What went wrong when scripts ran: noted by a delivery, read by the administrator and, as a script, by the owner. */
#include <time.h>

#include "services/metadata/rpc/rpc.h"

enum { TEXT_MAX = 400, LINE_MAX_NUMBER = 1 << 30, TIME_SIZE = 32 };

static const struct pg_statement log_statement = { "sieve_log",
	"SELECT is_global, kind, name, line, text, first_ms, last_ms, times FROM sieve_log WHERE account = $1 ORDER BY last_ms DESC LIMIT 100" };
enum { COLUMN_GLOBAL, COLUMN_KIND, COLUMN_NAME, COLUMN_LINE, COLUMN_TEXT, COLUMN_FIRST, COLUMN_LAST, COLUMN_TIMES };

/* In comments there is neither an end of a line nor anything that is not UTF-8 (RFC 5228 s. 2.1, 2.3). */
static struct str
printable(struct arena *arena, struct str text)
{
	struct str whole = str_sub(text, 0, TEXT_MAX);
	bool is_utf8;
	struct str out;

	/* No character is cut in two. */
	while (whole.len < text.len && whole.len > 0 && ((unsigned char)text.ptr[whole.len] & 0xc0) == 0x80)
		whole.len--;
	is_utf8 = str_is_utf8(whole);
	out = arena_copy(arena, whole);
	for (size_t i = 0; i < out.len; i++) {
		unsigned char c = (unsigned char)out.ptr[i];

		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
			((char *)out.ptr)[i] = c < 0x20 ? ' ' : '?';
	}
	return out;
}

enum err
rpc_note_sieve(struct rpc *rpc, const MetadataNoteSieveRequest *req, MetadataEmpty *reply)
{
	static const struct pg_statement statement = { "sieve_note", "SELECT sieve_note($1, $2, $3, $4, $5, $6)" };
	struct pg_args args = { .arena = rpc->arena };
	struct str name;
	struct pg_rows rows;

	(void)reply;
	if (req->script == NULL)
		return ERR_INVALID;
	TRY(script_name(rpc->arena, str_of(req->script->name), &name));
	pg_arg_int(&args, (int64_t)req->account);
	pg_arg_bool(&args, req->script->global);
	pg_arg_int4(&args, (int32_t)req->script->kind);
	pg_arg_bytes(&args, name);
	pg_arg_int4(&args, req->line < LINE_MAX_NUMBER ? (int32_t)req->line : LINE_MAX_NUMBER);
	pg_arg_bytes(&args, printable(rpc->arena, str_of(req->text)));
	TRY(metadata_read(rpc, &statement, &args, &rows));
	return status_read(pg_bytes(&rows, 0, 0));
}

static enum err
read_log(struct rpc *rpc, uint64_t account, struct pg_rows *ret)
{
	struct pg_args args = { .arena = rpc->arena };

	pg_arg_int(&args, (int64_t)account);
	return metadata_read(rpc, &log_statement, &args, ret);
}

static MetadataListSieveLogReply__Entry *
make_entry(const struct pg_rows *rows, size_t row, struct arena *arena)
{
	MetadataListSieveLogReply__Entry *entry = ARENA_NEW(arena, MetadataListSieveLogReply__Entry);

	metadata_list_sieve_log_reply__entry__init(entry);
	entry->script = ARENA_NEW(arena, MetadataScript);
	metadata_script__init(entry->script);
	entry->script->global = pg_int(rows, row, COLUMN_GLOBAL) != 0;
	entry->script->kind = (MetadataScriptKind)pg_int(rows, row, COLUMN_KIND);
	entry->script->name = data_of(pg_bytes(rows, row, COLUMN_NAME));
	entry->line = (uint32_t)pg_int(rows, row, COLUMN_LINE);
	entry->text = data_of(pg_bytes(rows, row, COLUMN_TEXT));
	entry->first_ms = pg_int(rows, row, COLUMN_FIRST);
	entry->last_ms = pg_int(rows, row, COLUMN_LAST);
	entry->times = (uint64_t)pg_int(rows, row, COLUMN_TIMES);
	return entry;
}

enum err
rpc_list_sieve_log(struct rpc *rpc, const MetadataAccountName *req, MetadataListSieveLogReply *reply)
{
	MetadataAccount account = METADATA_ACCOUNT__INIT;
	struct pg_rows rows;

	TRY(rpc_show_account(rpc, req, &account));
	TRY(read_log(rpc, account.account, &rows));
	reply->n_entry = rows.count;
	reply->entry = ARENA_ARRAY(rpc->arena, MetadataListSieveLogReply__Entry *, rows.count + 1);
	for (size_t i = 0; i < rows.count; i++)
		reply->entry[i] = make_entry(&rows, i, rpc->arena);
	return ERR_OK;
}

/* ---- as a script */

static const char *
print_time(int64_t ms, char text[static TIME_SIZE])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm parts;

	if (gmtime_r(&seconds, &parts) == NULL || strftime(text, TIME_SIZE, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
		return "-";
	return text;
}

static const char *
whose(const struct pg_rows *rows, size_t row)
{
	return pg_int(rows, row, COLUMN_GLOBAL) || pg_int(rows, row, COLUMN_KIND) ? "the administrator's script" : "your script";
}

static void
print_entry(const struct pg_rows *rows, size_t row, struct buffer *out)
{
	char first[TIME_SIZE], last[TIME_SIZE];
	int64_t times = pg_int(rows, row, COLUMN_TIMES);

	buffer_printf(out, "#\r\n# %s, %s \"%.*s\", line %lld", print_time(pg_int(rows, row, COLUMN_LAST), last), whose(rows, row),
	    STR_ARG(pg_bytes(rows, row, COLUMN_NAME)), (long long)pg_int(rows, row, COLUMN_LINE));
	if (times > 1)
		buffer_printf(out, " (%lld times since %s)", (long long)times, print_time(pg_int(rows, row, COLUMN_FIRST), first));
	buffer_printf(out, ":\r\n#   %.*s\r\n", STR_ARG(pg_bytes(rows, row, COLUMN_TEXT)));
}

enum err
sieve_log_script(struct rpc *rpc, uint64_t account, MetadataScript *ret)
{
	struct buffer text = { 0 };
	struct pg_rows rows;

	TRY(read_log(rpc, account, &rows));
	if (rows.count == 0)
		return ERR_NONEXISTENT;
	buffer_add(&text, STR("# What went wrong when mail was filtered, the newest first. The mail is in INBOX.\r\n"
			      "# This is no script of yours: it can be read, and deleting it empties it.\r\n"));
	for (size_t i = 0; i < rows.count; i++)
		print_entry(&rows, i, &text);
	ret->name = data_of(SIEVE_LOG_NAME);
	ret->read_only = true;
	ret->source = data_of(arena_copy(rpc->arena, buffer_str(&text)));
	ret->size = ret->source.len;
	ret->changed_ms = pg_int(&rows, 0, COLUMN_LAST);
	buffer_clear(&text);
	return ERR_OK;
}
