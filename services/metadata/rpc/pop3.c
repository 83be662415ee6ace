/* What POP3 needs beside the mailbox: the least time between two logins, and unique-ids from elsewhere. */
#include "services/metadata/rpc/rpc.h"

enum { LIST_ROWS = 20000, SET_MAX = 10000, UIDL_MAX = 70 };

enum err
rpc_note_login(struct rpc *rpc, const MetadataNoteLoginRequest *req, MetadataEmpty *reply)
{
	/* The row's lock lets one of two logins at once through. */
	static const struct pg_statement statement = { "note_login",
		"INSERT INTO marks VALUES ($1, 'pop3', '', now_ms() + $2) ON CONFLICT (account, kind, mark)"
		" DO UPDATE SET until_ms = excluded.until_ms WHERE marks.until_ms <= now_ms() RETURNING 1" };
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	(void)reply;
	TRY(authorise(rpc, req->account));
	pg_arg_int(&args, (int64_t)req->account);
	pg_arg_int(&args, req->delay_ms);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	return rows.count > 0 ? ERR_OK : ERR_LOGIN_DELAY;
}

enum err
rpc_list_uidls(struct rpc *rpc, const MetadataListUidlsRequest *req, MetadataListUidlsReply *reply)
{
	static const struct pg_statement statement = { "list_uidls",
		"SELECT uid, uidl FROM uidls WHERE account = $1 AND mailbox = $2 AND uid > $3 ORDER BY uid LIMIT $4" };
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	TRY(authorise(rpc, req->account));
	pg_arg_int(&args, (int64_t)req->account);
	pg_arg_int4(&args, req->mailbox <= INT32_MAX ? (int32_t)req->mailbox : 0);
	pg_arg_int(&args, req->after_uid);
	pg_arg_int(&args, LIST_ROWS);
	TRY(metadata_read(rpc, &statement, &args, &rows));
	reply->n_uid = reply->n_uidl = rows.count;
	reply->uid = ARENA_ARRAY(rpc->arena, uint32_t, rows.count + 1);
	reply->uidl = ARENA_ARRAY(rpc->arena, ProtobufCBinaryData, rows.count + 1);
	for (size_t i = 0; i < rows.count; i++) {
		reply->uid[i] = (uint32_t)pg_int(&rows, i, 0);
		reply->uidl[i] = data_of(pg_bytes(&rows, i, 1));
	}
	reply->more = rows.count == LIST_ROWS;
	return ERR_OK;
}

/* RFC 1939 s. 7 (UIDL). */
static bool
is_uidl(ProtobufCBinaryData uidl)
{
	for (size_t i = 0; i < uidl.len; i++)
		if (uidl.data[i] < 0x21 || uidl.data[i] > 0x7e)
			return false;
	return uidl.len > 0 && uidl.len <= UIDL_MAX;
}

static void
set_args(struct pg_args *args, const MetadataSetUidlsRequest *req, struct str folded, struct str mailbox)
{
	int64_t *uids = ARENA_ARRAY(args->arena, int64_t, req->n_uid + 1);
	struct str *uidls = ARENA_ARRAY(args->arena, struct str, req->n_uid + 1);

	for (size_t i = 0; i < req->n_uid; i++) {
		uids[i] = req->uid[i];
		uidls[i] = str_of(req->uidl[i]);
	}
	pg_arg_bytes(args, folded);
	pg_arg_bytes(args, mailbox);
	pg_arg_ints(args, uids, req->n_uid);
	pg_arg_byteses(args, uidls, req->n_uid);
}

enum err
rpc_set_uidls(struct rpc *rpc, const MetadataSetUidlsRequest *req, MetadataEmpty *reply)
{
	/* What looks as if it were made of UIDVALIDITY and UID (services/pop3/maildrop.c) is the one of that message, which may come yet. */
	static const struct pg_statement statement = { "set_uidls",
		"SELECT CASE WHEN EXISTS (SELECT FROM addresses a JOIN mailboxes m USING (account), unnest($3::bigint[], $4::bytea[]) u(uid, uidl)"
		" WHERE a.folded = $1 AND m.name = $2 AND length(u.uidl) = 16 AND encode(u.uidl, 'escape') ~ '^[0-9a-f]+$'"
		" AND encode(substring(u.uidl FOR 8), 'escape') = lpad(to_hex(m.uidvalidity), 8, '0')"
		" AND encode(substring(u.uidl FROM 9), 'escape') <> lpad(to_hex(u.uid), 8, '0'))"
		" THEN 'EXISTS' ELSE uidls_set($1, $2, $3, $4) END" };
	struct pg_args args = { .arena = rpc->arena };
	struct str folded;
	struct pg_rows rows;

	(void)reply;
	if (req->n_uid != req->n_uidl || req->n_uid > SET_MAX)
		return ERR_INVALID;
	for (size_t i = 0; i < req->n_uidl; i++)
		if (!is_uidl(req->uidl[i]))
			return ERR_INVALID;
	if (address_fold(rpc->arena, str_of(req->address), &folded) != ERR_OK)
		return ERR_NO_ACCOUNT;
	set_args(&args, req, folded, mailbox_name(rpc->arena, str_of(req->mailbox)));
	TRY(metadata_read(rpc, &statement, &args, &rows));
	return status_read(pg_bytes(&rows, 0, 0));
}
