/* A fresh database, two replicas, and the calls that most tests begin with. */
#include "tests/services/metadata/world.h"

#include <endian.h>
#include <stdarg.h>
#include <unistd.h>

#include "libcommon/crypto/hash.h"

struct world world;

static struct config *
configure(const char *format, ...)
{
	struct buffer problems = { 0 }, yaml = { 0 };
	struct config *config = NULL;
	va_list args;

	va_start(args, format);
	buffer_vprintf(&yaml, format, args);
	va_end(args);
	cr_assert(config_parse(buffer_str(&yaml), "test", true, &config, &problems) == ERR_OK, "%.*s", STR_ARG(buffer_str(&problems)));
	buffer_clear(&problems);
	buffer_clear(&yaml);
	return config;
}

/* A value of the environment's connection, "key=value key=value". */
static const char *
given(const char *key)
{
	const char *text = getenv("SORA_TEST_PG");
	struct str rest = str_c(text), part;

	cr_assert(text, "SORA_TEST_PG is not set: the tests need a PostgreSQL, \"host=.. port=.. user=.. password=.. dbname=..\"");
	while (str_split(&rest, ' ', &part))
		if (str_starts_with(part, str_c(key)) && part.ptr[strlen(key)] == '=')
			return arena_cstr(&world.arena, str_sub(part, strlen(key) + 1, SIZE_MAX));
	return "";
}

static struct config *
configure_replica(int i, const char *database, const char *settings)
{
	return configure("database: {host: \"%s\", port: %s, user: \"%s\", password: \"%s\", name: \"%s\", tls: disable, connections: 8}\n"
			 "metadata: {listen: [\"inproc://meta-%d-%d\"]}\nbus: {metadata: [\"inproc://meta-%d-%d\"]}\n"
			 "token: {keys: [secret]}\n%s", given("host"), given("port"), given("user"), given("password"), database,
	    (int)getpid(), i, (int)getpid(), i, settings);
}

static void
server_sql(struct str text)
{
	struct arena arena = { 0 };
	struct pg_failure failure = { .text = STR_NONE };
	struct pg *pg = NULL;

	cr_assert(pg_open(world.server, &arena, &pg, &failure.text) == ERR_OK, "PostgreSQL: %.*s", STR_ARG(failure.text));
	cr_assert(pg_script(pg, text.ptr, clock_mono_ms() + 30000, &arena, &failure) == ERR_OK, "%.*s", STR_ARG(failure.text));
	pg_close(pg);
	arena_clear(&arena);
}

/* Of a template that has our schema, where there is one: the first replica makes it otherwise, which takes longer. */
static void
database_make(void)
{
	const char *template = given("template");

	snprintf(world.database, sizeof(world.database), "sora_test_%d_%llx", (int)getpid(), (unsigned long long)random_u64() >> 40);
	server_sql(arena_printf(&world.arena, "CREATE DATABASE %s TEMPLATE %s", world.database, *template ? template : "template1"));
}

void
replica_start(int i)
{
	struct service_context context = { .config = world.config[i], .is_all_in_one = true };

	world.bus[i] = bus_new(world.config[i]);
	context.bus = world.bus[i];
	cr_assert(metadata_service.start(&context, &world.self[i]) == ERR_OK);
}

void
replica_stop(int i)
{
	bus_drain(world.bus[i]);
	bus_quiesce(world.bus[i], clock_mono_ms() + 5000);
	metadata_service.stop(world.self[i]);
	bus_free(world.bus[i]);
}

void
world_begin_with(const char *settings)
{
	struct str text = STR_NONE;

	log_setup(LOG_ERROR, LOG_LOGFMT);
	world.server = configure_replica(9, given("dbname"), "");
	database_make();
	for (int i = 0; i < REPLICAS; i++) {
		world.config[i] = configure_replica(i, world.database, settings);
		replica_start(i);
	}
	cr_assert(pg_open(world.config[0], &world.arena, &world.pg, &text) == ERR_OK);
}

void
world_begin(void)
{
	world_begin_with("");
}

void
world_end(void)
{
	pg_close(world.pg);
	for (int i = 0; i < REPLICAS; i++) {
		replica_stop(i);
		config_free(world.config[i]);
	}
	/* Without FORCE, which may not end an autovacuum; the server waits for our own sessions to be gone. */
	server_sql(arena_printf(&world.arena, "DROP DATABASE IF EXISTS %s", world.database));
	config_free(world.server);
	arena_clear(&world.arena);
}

struct bus_call *
as(int i, enum bus_role role)
{
	world.call[i] = (struct bus_call){ .bus = world.bus[i], .arena = &world.arena, .role = role, .log = { .service = "test" } };
	return &world.call[i];
}

struct bus_call *
user(int i, uint64_t account)
{
	static struct {
		uint64_t account;
		struct str token;
	} known[64];
	struct bus_call *call;
	size_t n = 0;

	while (known[n].account != 0 && known[n].account != account)
		n++;
	if (known[n].account == 0) {
		MetadataLoginRequest req = METADATA_LOGIN_REQUEST__INIT;
		MetadataLoginReply *reply;
		struct bus_call login = { .bus = world.bus[i], .arena = &world.arena, .role = BUS_ROLE_IMAP, .log = { .service = "test" } };

		req.user = bin(arena_printf(&world.arena, "u%llx@example.org", (unsigned long long)account).ptr);
		req.password = BIN("secret");
		sql("INSERT INTO addresses VALUES (%lld, 'u%llx@example.org', 'u', false) ON CONFLICT DO NOTHING", (long long)account,
		    (unsigned long long)account);
		cr_assert(metadata_login(&login, &req, &reply) == ERR_OK);
		known[n].account = account;
		known[n].token = str_from(reply->token.data, reply->token.len);
	}
	call = as(i, BUS_ROLE_IMAP);
	call->token = known[n].token;
	call->route = account;
	return call;
}

struct str
mint(const char *key, uint64_t account, int64_t ends_ms, int64_t version)
{
	struct {
		uint32_t form, key_id;
		uint64_t account, session, ends_ms, version;
		uint8_t signature[SHA256_BYTES];
	} *token = arena_alloc(&world.arena, sizeof(*token));
	uint8_t hash[SHA256_BYTES];

	sha256(str_c(key), hash);
	token->form = htobe32(1);
	memcpy(&token->key_id, hash, sizeof(token->key_id));
	token->account = htobe64(account);
	token->session = random_u64();
	token->ends_ms = htobe64((uint64_t)ends_ms);
	token->version = htobe64((uint64_t)version);
	hmac_sha256(str_c(key), str_from(token, offsetof(typeof(*token), signature)), token->signature);
	return str_from(token, sizeof(*token));
}

static void
run(struct pg_rows *rows, const char *format, va_list args)
{
	struct pg_failure failure = { .text = STR_NONE };
	struct pg_args none = { .arena = &world.arena };
	struct pg_statement *statement = ARENA_NEW(&world.arena, struct pg_statement);
	struct str text = arena_vprintf(&world.arena, format, args);

	statement->name = "";
	statement->sql = text.ptr;
	cr_assert(pg_run(world.pg, statement, &none, clock_mono_ms() + 30000, &world.arena, rows, &failure) == ERR_OK, "%s: %.*s",
	    text.ptr, STR_ARG(failure.text));
}

void
sql(const char *format, ...)
{
	struct pg_failure failure = { .text = STR_NONE };
	struct str text;
	va_list args;

	va_start(args, format);
	text = arena_vprintf(&world.arena, format, args);
	va_end(args);
	cr_assert(pg_script(world.pg, text.ptr, clock_mono_ms() + 30000, &world.arena, &failure) == ERR_OK, "%s: %.*s", text.ptr,
	    STR_ARG(failure.text));
}

int64_t
sql_int(const char *format, ...)
{
	struct pg *pg = world.pg;
	struct pg_rows rows = { 0 };
	struct str text = STR_NONE;
	va_list args;

	/* Each query is another statement: a connection of its own forgets it. */
	cr_assert(pg_open(world.config[0], &world.arena, &world.pg, &text) == ERR_OK, "%.*s", STR_ARG(text));
	va_start(args, format);
	run(&rows, format, args);
	va_end(args);
	pg_close(world.pg);
	world.pg = pg;
	cr_assert(rows.count > 0, "%s gave no row", format);
	return pg_int(&rows, 0, 0);
}

ProtobufCBinaryData
bin(const char *text)
{
	return (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)text };
}

uint64_t
make_account(const char *name, uint64_t quota)
{
	MetadataCreateAccountRequest req = METADATA_CREATE_ACCOUNT_REQUEST__INIT;
	MetadataAccount *reply;
	struct bus_call *call = as(0, BUS_ROLE_ADMIN);

	req.address = bin(arena_printf(&world.arena, "%s@example.org", name).ptr);
	req.password = BIN("secret");
	req.hash = BIN("sha512");
	req.has_quota = true;
	req.quota_bytes = quota;
	cr_assert(metadata_create_account(call, &req, &reply) == ERR_OK, "%.*s", STR_ARG(call->detail));
	return reply->account;
}

uint64_t
mailbox_of(uint64_t account, const char *name)
{
	return (uint64_t)sql_int("SELECT mailbox FROM mailboxes WHERE account = %lld AND name = '%s'", (long long)account, name);
}

MetadataMail *
make_mail(uint64_t size)
{
	MetadataMail *mail = ARENA_NEW(&world.arena, MetadataMail);
	struct uuid id = uuid_v7();
	char *ref = arena_alloc(&world.arena, 57);

	metadata_mail__init(mail);
	ref[0] = 1;
	memcpy(ref + 1, id.bytes, sizeof(id.bytes));
	mail->blob = (ProtobufCBinaryData){ .len = 57, .data = (uint8_t *)ref };
	mail->put_ms = clock_wall_ms();
	mail->blob_size = size;
	mail->parser_version = 1;
	mail->envelope = BIN("(NIL \"NUL \0 and \\ and \xff\")");
	mail->bodystructure = BIN("(\"TEXT\" \"PLAIN\")");
	mail->body = BIN("(\"TEXT\")");
	mail->parts = BIN("parts");
	mail->fields = BIN("Subject: \\x\0");
	mail->fields_complete = true;
	return mail;
}

enum err
deliver(int i, uint64_t account, const char *mailbox, uint64_t size)
{
	MetadataDeliverRequest req = METADATA_DELIVER_REQUEST__INIT;
	MetadataDeliverRequest__Recipient to = METADATA_DELIVER_REQUEST__RECIPIENT__INIT, *tos = &to;
	MetadataAction action = METADATA_ACTION__INIT, *actions = &action;
	MetadataDeliverReply *reply;
	enum err err;

	req.mail = make_mail(size);
	req.n_recipient = 1;
	req.recipient = &tos;
	to.account = account;
	to.n_action = 1;
	to.action = &actions;
	if (mailbox)
		action.fileinto = bin(mailbox);
	err = metadata_deliver(as(i, BUS_ROLE_LMTP), &req, &reply);
	return err == ERR_OK ? reply->result[0]->status : err;
}

MetadataAppendRequest *
append_request(uint64_t account, const char *mailbox, MetadataMail *mail)
{
	MetadataAppendRequest *req = ARENA_NEW(&world.arena, MetadataAppendRequest);

	metadata_append_request__init(req);
	req->account = account;
	req->name = bin(mailbox);
	req->n_mail = 1;
	req->mail = ARENA_ARRAY(&world.arena, MetadataNewMail *, 1);
	req->mail[0] = ARENA_NEW(&world.arena, MetadataNewMail);
	metadata_new_mail__init(req->mail[0]);
	req->mail[0]->mail = mail;
	return req;
}

uint32_t
append(int i, uint64_t account, const char *mailbox, uint32_t flags)
{
	MetadataAppendRequest *req = append_request(account, mailbox, make_mail(100));
	MetadataAppendReply *reply;
	enum err err;

	req->mail[0]->flags = flags;
	err = metadata_append(user(i, account), req, &reply);
	cr_assert(err == ERR_OK, "append: %s", err_row(err)->name);
	cr_assert(reply->n_uid == 1);
	return reply->uid[0];
}

MetadataUidRange **
range(uint32_t first, uint32_t last)
{
	MetadataUidRange **out = ARENA_ARRAY(&world.arena, MetadataUidRange *, 1);

	out[0] = ARENA_NEW(&world.arena, MetadataUidRange);
	metadata_uid_range__init(out[0]);
	out[0]->first = first;
	out[0]->last = last;
	return out;
}

MetadataStoreReply *
store(int i, uint64_t account, uint64_t mailbox, uint32_t first, uint32_t last, int mode, uint32_t flags)
{
	MetadataStoreRequest req = METADATA_STORE_REQUEST__INIT;
	MetadataStoreReply *reply;
	enum err err;

	req.account = account;
	req.mailbox = mailbox;
	req.n_uids = 1;
	req.uids = range(first, last);
	req.mode = (MetadataStoreRequest__Mode)mode;
	req.flags = flags;
	err = metadata_store(user(i, account), &req, &reply);
	cr_assert(err == ERR_OK, "store: %s", err_row(err)->name);
	return reply;
}

MetadataSelectReply *
select_all(int i, uint64_t account, const char *mailbox)
{
	MetadataSelectRequest req = METADATA_SELECT_REQUEST__INIT;
	MetadataSelectReply *reply;
	enum err err;

	req.account = account;
	req.name = bin(mailbox);
	req.read_only = true;
	err = metadata_select(user(i, account), &req, &reply);
	cr_assert(err == ERR_OK, "select: %s", err_row(err)->name);
	return reply;
}

MetadataState *
status_of(int i, uint64_t account, const char *mailbox)
{
	MetadataStatusRequest req = METADATA_STATUS_REQUEST__INIT;
	ProtobufCBinaryData name = bin(mailbox);
	MetadataStatusReply *reply;

	req.account = account;
	req.n_name = 1;
	req.name = &name;
	cr_assert(metadata_status(user(i, account), &req, &reply) == ERR_OK);
	return reply->state[0];
}

void
check_counts(void)
{
	cr_expect_eq(sql_int("SELECT count(*) FROM mailbox_state s WHERE (s.messages, s.unseen, s.deleted, s.bytes) IS DISTINCT FROM"
			     " (SELECT (count(*), count(*) FILTER (WHERE flags & 1 = 0), count(*) FILTER (WHERE flags & 8 <> 0),"
			     " coalesce(sum(size), 0)::bigint) FROM entries e WHERE e.account = s.account AND e.mailbox = s.mailbox)"), 0,
	    "the counts of a mailbox are not what counting gives");
	cr_expect_eq(sql_int("SELECT count(*) FROM usage u WHERE (u.messages, u.bytes) IS DISTINCT FROM (SELECT (coalesce(sum(s.messages), 0)::bigint,"
			     " coalesce(sum(s.bytes), 0)::bigint) FROM mailbox_state s WHERE s.account = u.account)"), 0,
	    "the usage of an account is not what counting gives");
	cr_expect_eq(sql_int("SELECT count(*) FROM entries e WHERE NOT EXISTS (SELECT FROM messages m WHERE m.account = e.account AND"
			     " m.message = e.message)"), 0, "an entry has no message");
	cr_expect_eq(sql_int("SELECT count(*) FROM entries e JOIN mailbox_state s USING (account, mailbox) WHERE e.uid >= s.uidnext OR"
			     " e.modseq > s.modseq"), 0, "an entry is ahead of its mailbox");
}
