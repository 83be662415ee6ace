/* Sieve scripts: what may be kept, what runs at a delivery, and the log of what went wrong. */
#include <pthread.h>

#include "libcommon/crypto/hash.h"
#include "tests/services/metadata/world.h"

static void
begin(void)
{
	world_begin_with("sieve: {scripts: 3, script_size: 100, total_size: 150, before: [first, second], after: [last]}\n");
}

TestSuite(metadata_scripts, .init = begin, .fini = world_end);

/* ---- calls; of a user, or with `address` of the administrator ("": the library of all) */

struct whose {
	uint64_t account;
	const char *address;
	MetadataScriptKind kind;
};
#define OF(account) ((struct whose){ (account), NULL, 0 })
#define LIBRARY ((struct whose){ 0, "", 0 })

static struct bus_call *
caller(int i, struct whose whose)
{
	struct bus_call *call;

	if (whose.address)
		return as(i, BUS_ROLE_ADMIN);
	call = user(i, whose.account);
	call->role = BUS_ROLE_MANAGESIEVE;
	return call;
}

#define NAME_WHOSE(req, whose) ((req)->account = (whose).account, (req)->address = bin((whose).address ? (whose).address : ""), \
	(req)->kind = (whose).kind)

static enum err
put_bytes(struct whose whose, struct str name, struct str source, bool activate)
{
	MetadataPutScriptRequest req = METADATA_PUT_SCRIPT_REQUEST__INIT;

	NAME_WHOSE(&req, whose);
	req.name = (ProtobufCBinaryData){ name.len, (uint8_t *)name.ptr };
	req.source = (ProtobufCBinaryData){ source.len, (uint8_t *)source.ptr };
	req.activate = activate;
	return metadata_put_script(caller(0, whose), &req, NULL);
}

static enum err
put(struct whose whose, const char *name, const char *source, bool activate)
{
	return put_bytes(whose, str_c(name), str_c(source), activate);
}

static void
fill(MetadataScriptRequest *req, struct whose whose, const char *name)
{
	metadata_script_request__init(req);
	NAME_WHOSE(req, whose);
	req->name = bin(name);
}

static enum err
delete(struct whose whose, const char *name)
{
	MetadataScriptRequest req;

	fill(&req, whose, name);
	return metadata_delete_script(caller(1, whose), &req, NULL);
}

static enum err
activate(struct whose whose, const char *name)
{
	MetadataScriptRequest req;

	fill(&req, whose, name);
	return metadata_activate_script(caller(0, whose), &req, NULL);
}

static enum err
get(struct whose whose, const char *name, MetadataScript **ret)
{
	MetadataScriptRequest req;

	fill(&req, whose, name);
	return metadata_get_script(caller(1, whose), &req, ret);
}

static enum err
rename_to(struct whose whose, const char *from, const char *to)
{
	MetadataRenameScriptRequest req = METADATA_RENAME_SCRIPT_REQUEST__INIT;

	NAME_WHOSE(&req, whose);
	req.from = bin(from);
	req.to = bin(to);
	return metadata_rename_script(caller(1, whose), &req, NULL);
}

static enum err
have_space(struct whose whose, const char *name, uint64_t size)
{
	MetadataHaveSpaceRequest req = METADATA_HAVE_SPACE_REQUEST__INIT;

	NAME_WHOSE(&req, whose);
	req.name = bin(name);
	req.size = size;
	return metadata_have_space(caller(1, whose), &req, NULL);
}

/* The names, with a star behind the active one's and a dash behind what can only be read: "a b* c". */
static const char *
list(struct whose whose)
{
	MetadataListScriptsRequest req = METADATA_LIST_SCRIPTS_REQUEST__INIT;
	MetadataListScriptsReply *reply;
	struct buffer text = { 0 };
	const char *out;

	NAME_WHOSE(&req, whose);
	cr_assert_eq(metadata_list_scripts(caller(1, whose), &req, &reply), ERR_OK);
	for (size_t i = 0; i < reply->n_script; i++)
		buffer_printf(&text, "%s%.*s%s%s", i ? " " : "", (int)reply->script[i]->name.len, reply->script[i]->name.data,
		    reply->script[i]->active ? "*" : "", reply->script[i]->read_only ? "-" : "");
	out = arena_cstr(&world.arena, buffer_str(&text));
	buffer_clear(&text);
	return out;
}

/* ---- a user's own */

Test(metadata_scripts, what_was_put_is_what_one_gets)
{
	uint64_t account = make_account("a", 0);
	struct str source = STR("# \0\xff\r\nkeep;\n");
	MetadataScript *script;
	uint8_t hash[SHA256_BYTES];

	cr_assert_eq(put_bytes(OF(account), STR("a"), source, false), ERR_OK);
	cr_assert_eq(get(OF(account), "a", &script), ERR_OK);
	cr_expect(str_equal(str_from(script->source.data, script->source.len), source));
	sha256(source, hash);
	cr_expect(str_equal(str_from(script->hash.data, script->hash.len), str_from(hash, sizeof(hash))));
	cr_expect(script->size == source.len && !script->active && !script->read_only && !script->global);
	cr_assert_eq(put(OF(account), "a", "stop;", false), ERR_OK);
	cr_assert_eq(get(OF(account), "a", &script), ERR_OK);
	cr_expect(str_equal(str_from(script->source.data, script->source.len), STR("stop;")));
	cr_expect_eq(get(OF(account), "b", &script), ERR_NONEXISTENT);
}

Test(metadata_scripts, one_is_active_or_none)
{
	uint64_t account = make_account("a", 0);

	cr_assert_eq(put(OF(account), "a", "keep;", true), ERR_OK);
	cr_assert_eq(put(OF(account), "b", "keep;", false), ERR_OK);
	cr_assert_str_eq(list(OF(account)), "a* b");
	cr_assert_eq(activate(OF(account), "b"), ERR_OK);
	cr_assert_str_eq(list(OF(account)), "a b*");
	cr_assert_eq(activate(OF(account), "b"), ERR_OK);
	cr_assert_eq(put(OF(account), "b", "stop;", false), ERR_OK);
	cr_assert_str_eq(list(OF(account)), "a b*");
	cr_assert_eq(activate(OF(account), "c"), ERR_NONEXISTENT);
	cr_assert_str_eq(list(OF(account)), "a b*");
	cr_assert_eq(activate(OF(account), ""), ERR_OK);
	cr_assert_eq(activate(OF(account), ""), ERR_OK);
	cr_assert_str_eq(list(OF(account)), "a b");
}

Test(metadata_scripts, the_active_one_is_not_deleted_and_stays_active_when_renamed)
{
	uint64_t account = make_account("a", 0);

	cr_assert_eq(put(OF(account), "a", "keep;", true), ERR_OK);
	cr_assert_eq(put(OF(account), "b", "keep;", false), ERR_OK);
	cr_assert_eq(delete(OF(account), "a"), ERR_ACTIVE);
	cr_assert_eq(rename_to(OF(account), "a", "b"), ERR_EXISTS);
	cr_assert_eq(rename_to(OF(account), "a", "a"), ERR_EXISTS);
	cr_assert_eq(rename_to(OF(account), "x", "y"), ERR_NONEXISTENT);
	cr_assert_eq(rename_to(OF(account), "a", "c"), ERR_OK);
	cr_assert_str_eq(list(OF(account)), "b c*");
	cr_assert_eq(delete(OF(account), "a"), ERR_NONEXISTENT);
	cr_assert_eq(delete(OF(account), "b"), ERR_OK);
	cr_assert_str_eq(list(OF(account)), "c*");
}

Test(metadata_scripts, users_do_not_see_each_others)
{
	uint64_t one = make_account("a", 0), two = make_account("b", 0);

	cr_assert_eq(put(OF(one), "a", "keep;", true), ERR_OK);
	cr_assert_eq(put(OF(two), "a", "stop;", false), ERR_OK);
	cr_assert_eq(activate(OF(two), ""), ERR_OK);
	cr_assert_str_eq(list(OF(one)), "a*");
	cr_assert_str_eq(list(OF(two)), "a");
}

/* RFC 5804 s. 1.6, RFC 5198 s. 2 */
Test(metadata_scripts, lesson_65_a_name_is_a_name_and_never_a_path)
{
	static char long_ascii[513], long_wide[512], too_long[514];
	const struct {
		struct str name;
		enum err err;
		const char *stored; /* NULL: as it is */
	} rows[] = {
		{ STR("a b/../../etc/passwd"), ERR_OK, NULL },
		{ STR(".."), ERR_OK, NULL },
		{ STR("/"), ERR_OK, NULL },
		{ STR("quote\" back\\slash"), ERR_OK, NULL },
		{ STR("\xf0\x9f\x93\xac"), ERR_OK, NULL },
		{ STR("A\xcc\x8a"), ERR_OK, "\xc3\x85" }, /* NFC */
		{ { long_ascii, 512 }, ERR_OK, NULL },
		{ { long_wide, 512 }, ERR_OK, NULL }, /* 128 characters of four bytes */
		{ { too_long, 513 }, ERR_INVALID, NULL },
		{ STR(""), ERR_INVALID, NULL },
		{ STR("a\0b"), ERR_INVALID, NULL },
		{ STR("a\nb"), ERR_INVALID, NULL },
		{ STR("a\x7f"), ERR_INVALID, NULL },
		{ STR("a\xc2\x80"), ERR_INVALID, NULL },
		{ STR("a\xc2\x9f"), ERR_INVALID, NULL },
		{ STR("a\xe2\x80\xa8"), ERR_INVALID, NULL },
		{ STR("a\xe2\x80\xa9"), ERR_INVALID, NULL },
		{ STR("\xef\xbb\xbf" "a"), ERR_INVALID, NULL },
		{ STR("\xff"), ERR_INVALID, NULL },
		{ STR("\xed\xa0\x80"), ERR_INVALID, NULL },
		{ STR("\xcd\xb8"), ERR_INVALID, NULL }, /* U+0378 is not assigned */
	};
	uint64_t account = make_account("a", 0);

	memset(long_ascii, 'x', sizeof(long_ascii) - 1);
	memset(too_long, 'x', sizeof(too_long) - 1);
	for (size_t i = 0; i < sizeof(long_wide); i += 4)
		memcpy(long_wide + i, "\xf0\x9f\x93\xac", 4);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str stored = rows[i].stored ? str_c(rows[i].stored) : rows[i].name;

		cr_expect_eq(put_bytes(OF(account), rows[i].name, STR("keep;"), false), rows[i].err, "row %zu", i);
		if (rows[i].err != ERR_OK)
			continue;
		cr_expect_str_eq(list(OF(account)), arena_cstr(&world.arena, stored), "row %zu", i);
		cr_expect_eq(delete(OF(account), arena_cstr(&world.arena, rows[i].name)), ERR_OK, "row %zu", i);
	}
}

/* ---- limits; begin() sets them */

Test(metadata_scripts, beyond_a_limit_is_refused_and_have_space_says_so_before)
{
	static const struct {
		const char *name;
		size_t size;
		enum err err;
	} rows[] = {
		{ "a", 101, ERR_TOO_BIG },
		{ "a", 100, ERR_OK },
		{ "b", 51, ERR_OVERQUOTA },
		{ "b", 40, ERR_OK },
		{ "a", 100, ERR_OK }, /* in place of itself */
		{ "c", 10, ERR_OK },
		{ "c", 11, ERR_OVERQUOTA },
		{ "d", 0, ERR_LIMIT },
		{ "c", 5, ERR_OK },
	};
	static const char source[] = "#23456789#123456789#123456789#123456789#123456789#123456789#123456789#123456789#123456789#123456789#";
	uint64_t account = make_account("a", 0);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(have_space(OF(account), rows[i].name, rows[i].size), rows[i].err, "have_space, row %zu", i);
		cr_expect_eq(put_bytes(OF(account), str_c(rows[i].name), str_from(source, rows[i].size), false), rows[i].err, "row %zu", i);
	}
	cr_assert_str_eq(list(OF(account)), "a b c");
	cr_expect_eq(have_space(OF(account), "a", UINT64_MAX), ERR_TOO_BIG);
	cr_expect_eq(have_space(OF(account), "", 1), ERR_INVALID);
}

struct putter {
	int replica;
	uint64_t account;
	struct str token;
	const char *name;
	enum err err;
};

static void *
put_one(void *arg)
{
	struct putter *putter = arg;
	struct arena arena = { 0 };
	struct bus_call call = { .bus = world.bus[putter->replica], .arena = &arena, .role = BUS_ROLE_MANAGESIEVE,
		.log = { .service = "test" }, .token = putter->token };
	MetadataPutScriptRequest req = METADATA_PUT_SCRIPT_REQUEST__INIT;

	req.account = putter->account;
	req.name = bin(putter->name);
	req.source = BIN("keep;");
	req.activate = true;
	putter->err = metadata_put_script(&call, &req, NULL);
	arena_clear(&arena);
	return NULL;
}

Test(metadata_scripts, many_at_once_keep_to_the_limit_and_to_one_that_is_active)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
	uint64_t account = make_account("a", 0);
	struct str token = user(0, account)->token;
	struct putter putters[8];
	pthread_t threads[8];
	int done = 0;

	for (int i = 0; i < 8; i++) {
		putters[i] = (struct putter){ i % 2, account, token, names[i], ERR_OK };
		cr_assert_eq(pthread_create(&threads[i], NULL, put_one, &putters[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		cr_expect(putters[i].err == ERR_OK || putters[i].err == ERR_LIMIT, "%s", err_row(putters[i].err)->name);
		done += putters[i].err == ERR_OK;
	}
	cr_assert_eq(done, 3);
	cr_assert_eq(sql_int("SELECT count(*) FROM scripts WHERE account = %lld", (long long)account), 3);
	cr_assert_eq(sql_int("SELECT count(*) FROM scripts WHERE account = %lld AND is_active", (long long)account), 1);
}

/* ---- the administrator's */

Test(metadata_scripts, the_administrator_has_those_of_every_account_and_the_library)
{
	struct whose own = { 0, "a@example.org", METADATA_SCRIPT_KIND__METADATA_OWN },
		before = { 0, "A@Example.org", METADATA_SCRIPT_KIND__METADATA_BEFORE };
	uint64_t account = make_account("a", 0);

	cr_assert_eq(put(own, "mine", "keep;", true), ERR_OK);
	cr_assert_eq(put(before, "guard", "keep;", true), ERR_OK);
	cr_assert_eq(put(LIBRARY, "shared", "keep;", true), ERR_OK);
	cr_assert_str_eq(list(OF(account)), "mine*");
	cr_assert_str_eq(list(before), "guard*");
	cr_assert_str_eq(list(LIBRARY), "shared");
	cr_assert_eq(delete(before, "guard"), ERR_ACTIVE);
	cr_assert_eq(activate(before, ""), ERR_OK);
	cr_assert_eq(delete(before, "guard"), ERR_OK);
	cr_assert_eq(rename_to(LIBRARY, "shared", "common"), ERR_OK);
	cr_assert_eq(activate(LIBRARY, "common"), ERR_INVALID);
	cr_assert_eq(put((struct whose){ 0, "", METADATA_SCRIPT_KIND__METADATA_BEFORE }, "x", "keep;", false), ERR_INVALID);
	cr_assert_eq(put((struct whose){ 0, "a@example.org", 7 }, "x", "keep;", false), ERR_INVALID);
	cr_assert_eq(put((struct whose){ 0, "nobody@example.org", 0 }, "x", "keep;", false), ERR_NO_ACCOUNT);
	sql("UPDATE accounts SET state = 'deleted' WHERE account = %lld", (long long)account);
	cr_assert_eq(put(own, "x", "keep;", false), ERR_NO_ACCOUNT);
}

Test(metadata_scripts, a_user_has_only_his_own)
{
	uint64_t account = make_account("a", 0);
	struct whose before = { account, NULL, METADATA_SCRIPT_KIND__METADATA_BEFORE };
	MetadataScript *script;

	(void)make_account("b", 0);
	cr_assert_eq(put((struct whose){ 0, "b@example.org", 0 }, "theirs", "keep;", false), ERR_OK);
	cr_expect_eq(put(before, "x", "keep;", true), ERR_DENIED);
	cr_expect_eq(get(before, "x", &script), ERR_DENIED);
	cr_expect_eq(activate(before, ""), ERR_DENIED);
	cr_expect_eq(delete(before, "x"), ERR_DENIED);
	cr_expect_eq(rename_to(before, "x", "y"), ERR_DENIED);
	cr_expect_eq(have_space(before, "x", 1), ERR_DENIED);
	/* An address is the administrator's way to name an account. */
	{
		MetadataScriptRequest req;

		fill(&req, OF(account), "theirs");
		req.address = BIN("b@example.org");
		cr_expect_eq(metadata_get_script(caller(0, OF(account)), &req, &script), ERR_NONEXISTENT);
	}
}

/* ---- at a delivery */

static MetadataResolveReply__Result *
resolve(const char *address)
{
	MetadataResolveRequest req = METADATA_RESOLVE_REQUEST__INIT;
	ProtobufCBinaryData one = bin(address);
	MetadataResolveReply *reply;

	req.n_address = 1;
	req.address = &one;
	cr_assert_eq(metadata_resolve(as(1, BUS_ROLE_LMTP), &req, &reply), ERR_OK);
	return reply->result[0];
}

/* "global:first 1:guard 0:mine": what runs, in its order. */
static const char *
scripts_of(const MetadataResolveReply__Result *result)
{
	struct buffer text = { 0 };
	const char *out;

	for (size_t i = 0; i < result->n_script; i++) {
		const MetadataScript *script = result->script[i];

		cr_expect_eq(script->hash.len, SHA256_BYTES);
		if (script->global)
			buffer_printf(&text, "%sglobal", i ? " " : "");
		else
			buffer_printf(&text, "%s%d", i ? " " : "", (int)script->kind);
		buffer_printf(&text, ":%.*s", (int)script->name.len, script->name.data);
	}
	out = arena_cstr(&world.arena, buffer_str(&text));
	buffer_clear(&text);
	return out;
}

Test(metadata_scripts, resolve_names_what_runs_in_its_order)
{
	struct whose before = { 0, "a@example.org", METADATA_SCRIPT_KIND__METADATA_BEFORE },
		after = { 0, "a@example.org", METADATA_SCRIPT_KIND__METADATA_AFTER };
	uint64_t account = make_account("a", 0);
	MetadataResolveReply__Result *result = resolve("a@example.org");

	cr_expect_eq(result->n_script, 0);
	cr_expect_eq(result->n_own, 0);
	cr_assert_eq(put(OF(account), "idle", "keep;", false), ERR_OK);
	cr_expect_str_eq(scripts_of(resolve("a@example.org")), "");
	cr_assert_eq(put(OF(account), "mine", "keep;", true), ERR_OK);
	cr_expect_str_eq(scripts_of(resolve("a+detail@example.org")), "0:mine");
	cr_assert_eq(put(after, "tidy", "keep;", true), ERR_OK);
	cr_assert_eq(put(before, "guard", "keep;", true), ERR_OK);
	cr_assert_eq(put(LIBRARY, "last", "keep;", false), ERR_OK);
	cr_assert_eq(put(LIBRARY, "second", "keep;", false), ERR_OK);
	cr_assert_eq(put(LIBRARY, "first", "stop;", false), ERR_OK);
	sql("INSERT INTO addresses VALUES (%lld, 'alias@example.org', 'alias@example.org', false)", (long long)account);
	result = resolve("alias@example.org");
	cr_expect_str_eq(scripts_of(result), "global:first global:second 1:guard 0:mine 2:tidy global:last");
	cr_expect_gt(result->n_own, 1);
	cr_expect(str_equal(str_from(result->own[0].data, result->own[0].len), STR("a@example.org")));
	cr_assert_eq(activate(OF(account), ""), ERR_OK);
	cr_assert_eq(activate(before, ""), ERR_OK);
	cr_expect_str_eq(scripts_of(resolve("a@example.org")), "global:first global:second 2:tidy global:last");
	cr_expect_eq(resolve("nobody@example.org")->n_script, 0);
}

Test(metadata_scripts, fetch_gives_the_sources_that_are_there)
{
	MetadataFetchScriptsRequest req = METADATA_FETCH_SCRIPTS_REQUEST__INIT;
	MetadataScript asked[5], *list_of[5];
	static const struct {
		const char *name, *source;
		bool is_global;
	} rows[] = { { "own", "keep;", false }, { "shared", "stop;", true }, { "own", NULL, true }, { "shared", NULL, false }, { "", NULL, false } };
	uint64_t account = make_account("a", 0), other = make_account("b", 0);
	MetadataFetchScriptsReply *reply;

	cr_assert_eq(put(OF(account), "own", "keep;", false), ERR_OK);
	cr_assert_eq(put(OF(other), "shared", "discard;", false), ERR_OK);
	cr_assert_eq(put(LIBRARY, "shared", "stop;", false), ERR_OK);
	for (size_t i = 0; i < 5; i++) {
		metadata_script__init(&asked[i]);
		asked[i].name = bin(rows[i].name);
		asked[i].global = rows[i].is_global;
		list_of[i] = &asked[i];
	}
	req.account = account;
	req.n_script = 5;
	req.script = list_of;
	cr_assert_eq(metadata_fetch_scripts(as(0, BUS_ROLE_LMTP), &req, &reply), ERR_OK);
	cr_assert_eq(reply->n_script, 5);
	for (size_t i = 0; i < 5; i++) {
		const MetadataScript *script = reply->script[i];

		cr_expect_eq(script->hash.len, rows[i].source ? SHA256_BYTES : 0, "row %zu", i);
		cr_expect(str_equal(str_from(script->source.data, script->source.len), str_c(rows[i].source)), "row %zu", i);
		cr_expect(str_equal(str_from(script->name.data, script->name.len), str_c(rows[i].name)), "row %zu", i);
	}
}

Test(metadata_scripts, fetch_gives_the_one_that_is_active_when_it_was_made_so_meanwhile)
{
	MetadataFetchScriptsRequest req = METADATA_FETCH_SCRIPTS_REQUEST__INIT;
	MetadataScript asked = METADATA_SCRIPT__INIT, *list = &asked;
	uint64_t account = make_account("a", 0);
	MetadataFetchScriptsReply *reply;

	cr_assert_eq(put(OF(account), "old", "keep;", false), ERR_OK);
	cr_assert_eq(put(OF(account), "new", "stop;", false), ERR_OK);
	cr_assert_eq(activate(OF(account), "new"), ERR_OK);
	cr_assert_eq(delete(OF(account), "old"), ERR_OK);
	req.account = account;
	req.n_script = 1;
	req.script = &list;
	asked.name = bin("old");
	asked.active = true;
	cr_assert_eq(metadata_fetch_scripts(as(0, BUS_ROLE_LMTP), &req, &reply), ERR_OK);
	cr_expect(str_equal(str_from(reply->script[0]->name.data, reply->script[0]->name.len), STR("new")));
	cr_expect(str_equal(str_from(reply->script[0]->source.data, reply->script[0]->source.len), STR("stop;")));
	cr_assert_eq(activate(OF(account), ""), ERR_OK);
	cr_assert_eq(metadata_fetch_scripts(as(0, BUS_ROLE_LMTP), &req, &reply), ERR_OK);
	cr_expect_eq(reply->script[0]->hash.len, 0);
}

/* ---- the log */

static enum err
note(uint64_t account, const char *name, uint32_t line, struct str text)
{
	MetadataNoteSieveRequest req = METADATA_NOTE_SIEVE_REQUEST__INIT;
	MetadataScript script = METADATA_SCRIPT__INIT;

	req.account = account;
	req.script = &script;
	script.name = bin(name);
	req.line = line;
	req.text = (ProtobufCBinaryData){ text.len, (uint8_t *)text.ptr };
	return metadata_note_sieve(as(0, BUS_ROLE_LMTP), &req, NULL);
}

static MetadataListSieveLogReply *
read_log(const char *address)
{
	MetadataAccountName req = METADATA_ACCOUNT_NAME__INIT;
	MetadataListSieveLogReply *reply;

	req.address = bin(address);
	cr_assert_eq(metadata_list_sieve_log(as(1, BUS_ROLE_ADMIN), &req, &reply), ERR_OK);
	return reply;
}

Test(metadata_scripts, what_goes_wrong_again_is_counted_and_the_log_is_bounded)
{
	uint64_t account = make_account("a", 0);
	MetadataListSieveLogReply *reply;

	for (int i = 0; i < 3; i++)
		cr_assert_eq(note(account, "main", 7, STR("too many redirects")), ERR_OK);
	reply = read_log("a@example.org");
	cr_assert_eq(reply->n_entry, 1);
	cr_expect(reply->entry[0]->times == 3 && reply->entry[0]->line == 7 && reply->entry[0]->first_ms <= reply->entry[0]->last_ms);
	for (int i = 0; i < 105; i++)
		cr_assert_eq(note(account, "main", (uint32_t)(100 + i), STR("x")), ERR_OK);
	reply = read_log("a@example.org");
	cr_assert_eq(reply->n_entry, 100);
	cr_expect_eq(sql_int("SELECT count(*) FROM sieve_log"), 100);
	cr_expect_eq(reply->entry[0]->line, 204);
	cr_expect_eq(note(account + 1, "main", 1, STR("x")), ERR_NO_ACCOUNT);
}

/* Every line of it is a comment, or it is no script. */
static void
check_comments(const MetadataScript *script)
{
	struct str rest = str_from(script->source.data, script->source.len), line;

	cr_expect(str_is_utf8(rest));
	while (str_split(&rest, '\n', &line)) {
		if (line.len == 0 && rest.ptr == NULL)
			return;
		cr_expect(line.ptr[0] == '#' && line.ptr[line.len - 1] == '\r', "%.*s", STR_ARG(line));
		cr_expect_eq(str_index(str_sub(line, 0, line.len - 1), '\r'), line.len - 1, "%.*s", STR_ARG(line));
	}
}

Test(metadata_scripts, the_log_is_a_script_of_comments_that_its_owner_reads_and_empties)
{
	static char long_text[1001];
	uint64_t account = make_account("a", 0);
	MetadataScript *script;

	cr_assert_eq(get(OF(account), "sieve-log", &script), ERR_NONEXISTENT);
	cr_assert_eq(delete(OF(account), "sieve-log"), ERR_NONEXISTENT);
	memset(long_text, '\xe2', sizeof(long_text) - 1);
	cr_assert_eq(put(OF(account), "a", "keep;", true), ERR_OK);
	cr_assert_eq(note(account, "a", 1, STR("line one\r\nkeep; \0 \x7f")), ERR_OK);
	cr_assert_eq(note(account, "a", 2, str_from(long_text, 1000)), ERR_OK);
	for (size_t i = 0; i + 3 <= 999; i += 3)
		memcpy(long_text + i, "\xe2\x82\xac", 3);
	cr_assert_eq(note(account, "a", 3, str_from(long_text, 999)), ERR_OK);
	cr_assert_str_eq(list(OF(account)), "a* sieve-log-");
	cr_assert_eq(get(OF(account), "sieve-log", &script), ERR_OK);
	cr_expect(script->read_only);
	check_comments(script);
	cr_expect_lt(str_find(str_from(script->source.data, script->source.len), STR("line one  keep;")), script->source.len);
	cr_expect_eq(put(OF(account), "sieve-log", "keep;", false), ERR_CANNOT);
	cr_expect_eq(activate(OF(account), "sieve-log"), ERR_CANNOT);
	cr_expect_eq(rename_to(OF(account), "sieve-log", "b"), ERR_CANNOT);
	cr_expect_eq(rename_to(OF(account), "a", "sieve-log"), ERR_CANNOT);
	cr_expect_eq(have_space(OF(account), "sieve-log", 1), ERR_CANNOT);
	cr_assert_eq(delete(OF(account), "sieve-log"), ERR_OK);
	cr_assert_str_eq(list(OF(account)), "a*");
}

Test(metadata_scripts, an_account_that_is_forgotten_leaves_none)
{
	MetadataPurgeRequest req = METADATA_PURGE_REQUEST__INIT;
	uint64_t account = make_account("a", 0);

	cr_assert_eq(put(OF(account), "a", "keep;", true), ERR_OK);
	cr_assert_eq(put(LIBRARY, "shared", "keep;", true), ERR_OK);
	cr_assert_eq(note(account, "a", 1, STR("x")), ERR_OK);
	sql("UPDATE accounts SET state = 'deleted', deleted_ms = 1");
	req.limit = 100;
	cr_assert_eq(metadata_purge(as(0, BUS_ROLE_WORKER), &req, NULL), ERR_OK);
	cr_expect_eq(sql_int("SELECT count(*) FROM scripts WHERE account <> 0"), 0);
	cr_expect_eq(sql_int("SELECT count(*) FROM sieve_log"), 0);
	cr_expect_eq(sql_int("SELECT count(*) FROM scripts"), 1);
}
