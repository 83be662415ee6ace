/* Every method with a key is called twice with the same one, at two replicas: the same answer, one effect. None can be forgotten. */
#include "tests/services/metadata/world.h"

TestSuite(metadata_twins, .init = world_begin, .fini = world_end);

static uint64_t account, inbox;

static ProtobufCMessage *
create_account(void)
{
	MetadataCreateAccountRequest *req = ARENA_NEW(&world.arena, MetadataCreateAccountRequest);

	metadata_create_account_request__init(req);
	req->address = BIN("twin@example.org");
	req->password = BIN("secret");
	req->hash = BIN("sha512");
	return &req->base;
}

static ProtobufCMessage *
update_account(void)
{
	MetadataUpdateAccountRequest *req = ARENA_NEW(&world.arena, MetadataUpdateAccountRequest);

	metadata_update_account_request__init(req);
	req->address = BIN("me@example.org");
	req->password = BIN("other");
	req->hash = BIN("sha512");
	return &req->base;
}

static ProtobufCMessage *
account_name(const char *address)
{
	MetadataAccountName *req = ARENA_NEW(&world.arena, MetadataAccountName);

	metadata_account_name__init(req);
	req->address = bin(address);
	return &req->base;
}

static ProtobufCMessage *
delete_account(void)
{
	return account_name("me@example.org");
}

static ProtobufCMessage *
restore_account(void)
{
	sql("UPDATE accounts SET state = 'deleted', deleted_ms = 1 WHERE account = %lld", (long long)account);
	return account_name("me@example.org");
}

static ProtobufCMessage *
add_address(void)
{
	MetadataAddressRequest *req = ARENA_NEW(&world.arena, MetadataAddressRequest);

	metadata_address_request__init(req);
	req->address = BIN("me@example.org");
	req->extra = BIN("more@example.org");
	return &req->base;
}

static ProtobufCMessage *
remove_address(void)
{
	sql("INSERT INTO addresses VALUES (%lld, 'more@example.org', 'more@example.org', false)", (long long)account);
	return add_address();
}

static ProtobufCMessage *
create(void)
{
	MetadataCreateRequest *req = ARENA_NEW(&world.arena, MetadataCreateRequest);

	metadata_create_request__init(req);
	req->account = account;
	req->name = BIN("a/b/c");
	return &req->base;
}

static ProtobufCMessage *
delete(void)
{
	MetadataDeleteRequest *req = ARENA_NEW(&world.arena, MetadataDeleteRequest);

	metadata_delete_request__init(req);
	req->account = account;
	req->name = BIN("Sent");
	return &req->base;
}

static ProtobufCMessage *
rename_(void)
{
	MetadataRenameRequest *req = ARENA_NEW(&world.arena, MetadataRenameRequest);

	metadata_rename_request__init(req);
	req->account = account;
	req->from = BIN("INBOX");
	req->to = BIN("x/y");
	return &req->base;
}

static ProtobufCMessage *
append_(void)
{
	return &append_request(account, "Drafts", make_mail(10))->base;
}

static ProtobufCMessage *
store_(void)
{
	MetadataStoreRequest *req = ARENA_NEW(&world.arena, MetadataStoreRequest);

	metadata_store_request__init(req);
	req->account = account;
	req->mailbox = inbox;
	req->n_uids = 1;
	req->uids = range(1, 3);
	req->mode = METADATA_STORE_REQUEST__MODE__REPLACE;
	req->flags = METADATA_FLAG__METADATA_FLAGGED;
	req->has_unchanged_since = true;
	req->unchanged_since = (uint64_t)sql_int("SELECT modseq FROM entries WHERE account = %lld AND uid = 2", (long long)account);
	return &req->base;
}

static ProtobufCMessage *
copy(void)
{
	MetadataCopyRequest *req = ARENA_NEW(&world.arena, MetadataCopyRequest);

	metadata_copy_request__init(req);
	req->account = account;
	req->mailbox = inbox;
	req->n_uids = 1;
	req->uids = range(1, 2);
	req->to = BIN("Archive");
	return &req->base;
}

static ProtobufCMessage *
deliver_(void)
{
	MetadataDeliverRequest *req = ARENA_NEW(&world.arena, MetadataDeliverRequest);
	MetadataDeliverRequest__Recipient *to = ARENA_NEW(&world.arena, MetadataDeliverRequest__Recipient);

	metadata_deliver_request__init(req);
	metadata_deliver_request__recipient__init(to);
	to->account = account;
	to->n_action = 1;
	to->action = ARENA_ARRAY(&world.arena, MetadataAction *, 1);
	to->action[0] = ARENA_NEW(&world.arena, MetadataAction);
	metadata_action__init(to->action[0]);
	req->mail = make_mail(10);
	/* The same account twice is two copies: the keys are those of the places. */
	req->n_recipient = 2;
	req->recipient = ARENA_ARRAY(&world.arena, MetadataDeliverRequest__Recipient *, 2);
	req->recipient[0] = req->recipient[1] = to;
	return &req->base;
}

static void
insert_script(const char *name, bool is_active)
{
	sql("INSERT INTO scripts (account, name, is_active, source, changed_ms) VALUES (%lld, '%s', %s, 'keep;', 1)", (long long)account, name,
	    is_active ? "true" : "false");
}

static ProtobufCMessage *
put_script(void)
{
	MetadataPutScriptRequest *req = ARENA_NEW(&world.arena, MetadataPutScriptRequest);

	metadata_put_script_request__init(req);
	req->account = account;
	req->name = BIN("new");
	req->source = BIN("keep;");
	req->activate = true;
	return &req->base;
}

static ProtobufCMessage *
script_request(const char *name)
{
	MetadataScriptRequest *req = ARENA_NEW(&world.arena, MetadataScriptRequest);

	metadata_script_request__init(req);
	req->account = account;
	req->name = bin(name);
	return &req->base;
}

static ProtobufCMessage *
delete_script(void)
{
	insert_script("a", false);
	return script_request("a");
}

static ProtobufCMessage *
activate_script(void)
{
	insert_script("a", false);
	insert_script("b", true);
	return script_request("a");
}

static ProtobufCMessage *
rename_script(void)
{
	MetadataRenameScriptRequest *req = ARENA_NEW(&world.arena, MetadataRenameScriptRequest);

	metadata_rename_script_request__init(req);
	insert_script("a", true);
	req->account = account;
	req->from = BIN("a");
	req->to = BIN("longer");
	return &req->base;
}

static const struct sample {
	const char *method;
	ProtobufCMessage *(*request)(void);
	const char *effect; /* a number that the call changes, once */
} samples[] = {
	{ "CreateAccount", create_account, "SELECT count(*) FROM accounts" },
	{ "UpdateAccount", update_account, "SELECT sum(version)::bigint FROM credentials" },
	{ "DeleteAccount", delete_account, "SELECT max(deleted_ms) FROM accounts" },
	{ "RestoreAccount", restore_account, "SELECT count(*) FROM accounts WHERE state = 'active'" },
	{ "AddAddress", add_address, "SELECT count(*) FROM addresses" },
	{ "RemoveAddress", remove_address, "SELECT count(*) FROM addresses" },
	{ "Create", create, "SELECT sum(version)::bigint FROM namespace" },
	{ "Delete", delete, "SELECT sum(version)::bigint FROM namespace" },
	{ "Rename", rename_, "SELECT sum(version)::bigint FROM namespace" },
	{ "Append", append_, "SELECT sum(uidnext)::bigint FROM mailbox_state" },
	{ "Store", store_, "SELECT sum(modseq)::bigint FROM mailbox_state" },
	{ "Copy", copy, "SELECT sum(uidnext)::bigint FROM mailbox_state" },
	{ "Move", copy, "SELECT sum(uidnext)::bigint FROM mailbox_state" },
	{ "PutScript", put_script, "SELECT count(*) FROM scripts" },
	{ "DeleteScript", delete_script, "SELECT count(*) FROM scripts" },
	{ "RenameScript", rename_script, "SELECT sum(octet_length(name)) FROM scripts" },
	{ "ActivateScript", activate_script, "SELECT count(*) FROM scripts WHERE is_active AND name = 'a'" },
	{ "Deliver", deliver_, "SELECT sum(uidnext)::bigint FROM mailbox_state" },
};

static const struct sample *
sample_of(const struct bus_method *method)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		if (str_equal(str_c(samples[i].method), str_c(method->name)))
			return &samples[i];
	cr_assert_fail("%s needs a key and has no sample request here", method->name);
	return NULL;
}

/* What a twin is told anew, from the journal, is not compared. */
static void
forget_views(const struct bus_method *method, ProtobufCMessage *reply)
{
	if (method->reply == &metadata_append_reply__descriptor) {
		((MetadataAppendReply *)reply)->change = NULL;
		((MetadataAppendReply *)reply)->cursor = NULL;
	}
}

static enum bus_role
first_role(const struct bus_method *method)
{
	enum bus_role role = 0;

	while ((method->roles >> role & 1) == 0)
		role++;
	return role;
}

static struct str
call_once(int i, const struct bus_method *method, const ProtobufCMessage *request, struct uuid key)
{
	struct bus_call *call = method->needs_account ? user(i, account) :
	    as(i, method->roles & 1u << BUS_ROLE_ADMIN ? BUS_ROLE_ADMIN : BUS_ROLE_LMTP);
	ProtobufCMessage *reply = NULL;
	uint8_t *packed;
	enum err err;

	if (method->needs_account)
		call->role = first_role(method);
	call->key = key;
	call->has_key = true;
	err = bus_call_method(call, method, request, STR_NONE, &reply, NULL);
	cr_assert(err == ERR_OK, "%s at replica %d: %s %.*s", method->name, i, err_row(err)->name, STR_ARG(call->detail));
	forget_views(method, reply);
	packed = arena_alloc(&world.arena, protobuf_c_message_get_packed_size(reply) + 1);
	return str_from(packed, protobuf_c_message_pack(reply, packed));
}

static void
try_method(const struct bus_method *method)
{
	const struct sample *sample = sample_of(method);
	ProtobufCMessage *request = sample->request();
	int64_t before = sql_int("%s", sample->effect), after;
	struct uuid key = uuid_v7();
	struct str first = call_once(0, method, request, key), second;

	after = sql_int("%s", sample->effect);
	cr_assert_neq(before, after, "%s did nothing", method->name);
	second = call_once(1, method, request, key);
	cr_expect_eq(sql_int("%s", sample->effect), after, "%s was done twice", method->name);
	cr_expect(str_equal(first, second), "%s: the twin was answered otherwise", method->name);
	check_counts();
}

Test(metadata_twins, have_one_effect_and_one_answer, .timeout = 100)
{
	size_t tried = 0;

	for (size_t i = 0; i < BUS_ALL_METHODS; i++) {
		const struct bus_method *method = bus_all_methods[i];
		char name[32];

		if (!str_equal(str_c(method->service), STR("metadata")) || !method->needs_key)
			continue;
		/* Each method has an account of its own, "me" while it is tried. */
		sql("UPDATE addresses SET folded = folded || 'x%zu'", i);
		snprintf(name, sizeof(name), "me");
		account = make_account(name, 0);
		inbox = mailbox_of(account, "INBOX");
		for (int n = 0; n < 3; n++)
			(void)append(n % 2, account, "INBOX", 0);
		try_method(method);
		tried++;
	}
	cr_assert_gt(tried, 10);
}

Test(metadata_twins, a_key_older_than_a_day_is_refused)
{
	const struct bus_method *method = &metadata_methods[METADATA_METHOD_APPEND];
	struct uuid key = uuid_v7();
	int64_t ms = uuid_ms(key) - 25 * 3600 * 1000LL;
	struct bus_call *call;

	account = make_account("old", 0);
	for (int i = 0; i < 6; i++)
		key.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
	call = user(0, account);
	call->key = key;
	call->has_key = true;
	cr_assert_eq(bus_call_method(call, method, append_(), STR_NONE, NULL, NULL), ERR_STALE);
}

/* Which field of a request is the account that its token must name. */
static void
set_account(const ProtobufCMessageDescriptor *descriptor, void *message, uint64_t value)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(descriptor, "account");

	cr_assert(field, "%s acts for an account and has no field of that name", descriptor->name);
	memcpy((char *)message + field->offset, &value, sizeof(value));
}

Test(metadata_twins, every_method_for_an_account_wants_its_token)
{
	uint64_t other = make_account("other", 0);

	account = make_account("mine", 0);
	for (size_t i = 0; i < METADATA_METHOD_COUNT; i++) {
		const struct bus_method *method = &metadata_methods[i];
		ProtobufCMessage *request;
		struct bus_call *call;

		if (!method->needs_account)
			continue;
		request = arena_alloc(&world.arena, method->request->sizeof_message);
		protobuf_c_message_init(method->request, request);
		set_account(method->request, request, account);
		call = as(0, first_role(method));
		cr_expect_eq(bus_call_method(call, method, request, STR_NONE, NULL, NULL), ERR_DENIED, "%s without a token", method->name);
		call = user(0, other);
		call->role = first_role(method);
		cr_expect_eq(bus_call_method(call, method, request, STR_NONE, NULL, NULL), ERR_DENIED, "%s with another's", method->name);
	}
}
