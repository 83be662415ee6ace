/* Lookup: what a script asks before it decides: which mailboxes are there, which marks are taken. */
#include "services/metadata/rpc/rpc.h"

enum { ASKED_MAX = 1000 };

/* Which list of the request a row answers, and the place in it. */
enum { NAME, SPECIAL_USE, MAILBOX, MARK, LISTS };

static const struct pg_statement lookup_statement = { "lookup",
	"SELECT 0, i, m.mailbox, m.name FROM unnest($2) WITH ORDINALITY a(name, i)"
	" JOIN mailboxes m ON m.account = $1 AND m.name = a.name AND m.attributes & 1 = 0"
	" UNION ALL SELECT 1, i, m.mailbox, m.name FROM unnest($3, $7) WITH ORDINALITY a(use, name, i), LATERAL ("
	" SELECT mailbox, name FROM mailboxes WHERE account = $1 AND a.use <> 0 AND attributes & a.use = a.use AND attributes & 1 = 0"
	" AND (a.name = '' OR name = a.name) ORDER BY mailbox LIMIT 1) m"
	" UNION ALL SELECT 2, i, m.mailbox, m.name FROM unnest($4) WITH ORDINALITY a(mailbox, i)"
	" JOIN mailboxes m ON m.account = $1 AND m.mailbox = a.mailbox AND m.attributes & 1 = 0"
	" UNION ALL SELECT 3, i, 1, '' FROM unnest($5, $6) WITH ORDINALITY a(kind, mark, i)"
	" JOIN marks m ON m.account = $1 AND m.kind = convert_from(a.kind, 'UTF8') AND m.mark = a.mark AND m.until_ms > now_ms()" };

static void
ask_mailboxes(struct pg_args *args, const MetadataLookupRequest *req)
{
	struct str *names = ARENA_ARRAY(args->arena, struct str, req->n_name + 1);
	int32_t *uses = ARENA_ARRAY(args->arena, int32_t, req->n_special_use + 1);
	int64_t *numbers = ARENA_ARRAY(args->arena, int64_t, req->n_mailbox + 1);

	for (size_t i = 0; i < req->n_name; i++)
		names[i] = mailbox_name(args->arena, str_of(req->name[i]));
	for (size_t i = 0; i < req->n_special_use; i++)
		uses[i] = (int32_t)(req->special_use[i] & SPECIAL_USES);
	for (size_t i = 0; i < req->n_mailbox; i++)
		numbers[i] = (int64_t)req->mailbox[i];
	pg_arg_byteses(args, names, req->n_name);
	pg_arg_int4s(args, uses, req->n_special_use);
	pg_arg_ints(args, numbers, req->n_mailbox);
}

static enum err
ask_marks(struct pg_args *args, const MetadataLookupRequest *req)
{
	struct str *kinds = ARENA_ARRAY(args->arena, struct str, req->n_mark + 1), *keys = ARENA_ARRAY(args->arena, struct str, req->n_mark + 1);

	for (size_t i = 0; i < req->n_mark; i++) {
		TRY(mark_check(req->mark[i]));
		kinds[i] = str_of(req->mark[i]->kind);
		keys[i] = str_of(req->mark[i]->key);
	}
	pg_arg_byteses(args, kinds, req->n_mark);
	pg_arg_byteses(args, keys, req->n_mark);
	return ERR_OK;
}

static void
ask_uses_of(struct pg_args *args, const MetadataLookupRequest *req)
{
	struct str *names = ARENA_ARRAY(args->arena, struct str, req->n_special_use + 1);

	for (size_t i = 0; i < req->n_special_use; i++)
		names[i] = i < req->n_special_use_of ? mailbox_name(args->arena, str_of(req->special_use_of[i])) : STR("");
	pg_arg_byteses(args, names, req->n_special_use);
}

static void
make_answers(struct arena *arena, size_t count, size_t *ret_count, MetadataLookupReply__Found ***ret)
{
	*ret_count = count;
	*ret = ARENA_ARRAY(arena, MetadataLookupReply__Found *, count + 1);
	for (size_t i = 0; i < count; i++) {
		(*ret)[i] = ARENA_NEW(arena, MetadataLookupReply__Found);
		metadata_lookup_reply__found__init((*ret)[i]);
	}
}

enum err
rpc_lookup(struct rpc *rpc, const MetadataLookupRequest *req, MetadataLookupReply *reply)
{
	struct pg_args args = { .arena = rpc->arena };
	struct pg_rows rows;

	if (req->n_name > ASKED_MAX || req->n_special_use > ASKED_MAX || req->n_mailbox > ASKED_MAX || req->n_mark > ASKED_MAX)
		return ERR_LIMIT;
	pg_arg_int(&args, (int64_t)req->account);
	ask_mailboxes(&args, req);
	TRY(ask_marks(&args, req));
	ask_uses_of(&args, req);
	TRY(metadata_read(rpc, &lookup_statement, &args, &rows));
	make_answers(rpc->arena, req->n_name, &reply->n_name, &reply->name);
	make_answers(rpc->arena, req->n_special_use, &reply->n_special_use, &reply->special_use);
	make_answers(rpc->arena, req->n_mailbox, &reply->n_mailbox, &reply->mailbox);
	reply->n_taken = req->n_mark;
	reply->taken = ARENA_ARRAY(rpc->arena, protobuf_c_boolean, req->n_mark + 1);
	MetadataLookupReply__Found **const lists[LISTS] = { reply->name, reply->special_use, reply->mailbox, NULL };
	for (size_t i = 0; i < rows.count; i++) {
		int64_t list = pg_int(&rows, i, 0), place = pg_int(&rows, i, 1) - 1;

		if (list == MARK) {
			reply->taken[place] = true;
			continue;
		}
		lists[list][place]->mailbox = (uint64_t)pg_int(&rows, i, 2);
		lists[list][place]->name = data_of(pg_bytes(&rows, i, 3));
	}
	return ERR_OK;
}
