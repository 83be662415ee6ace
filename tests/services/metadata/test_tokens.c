/* Tokens of logins: every method that acts for an account, and every place in a request that names one, tried with tokens that are no good. */
#include <endian.h>

#include "proto/methods.h"
#include "tests/services/metadata/world.h"

enum { LIFE_MS = 60000 };

TestSuite(metadata_tokens, .init = world_begin, .fini = world_end);

/* What is no good for `mine`, and how it is refused. */
struct bad {
	const char *what;
	struct str token;
	enum err err;
};
enum { BADS = 9 };

static void
make_bad(uint64_t mine, uint64_t other, struct bad *ret)
{
	int64_t now = clock_wall_ms();
	struct str cut = mint("secret", mine, now + LIFE_MS, 1), forged = mint("secret", other, now + LIFE_MS, 1);
	struct bad bads[BADS] = {
		{ "none", STR_NONE, ERR_DENIED },
		{ "garbage", STR("0123456789012345678901234567890123456789012345678901234567890123456789ab"), ERR_DENIED },
		{ "another account's", mint("secret", other, now + LIFE_MS, 1), ERR_DENIED },
		{ "another account's, its number changed", forged, ERR_DENIED },
		{ "of an unknown key", mint("another secret", mine, now + LIFE_MS, 1), ERR_DENIED },
		{ "cut short", str_sub(cut, 0, cut.len - 1), ERR_DENIED },
		{ "expired", mint("secret", mine, now - 1, 1), ERR_AUTH_EXPIRED },
		{ "of a former credential", mint("secret", mine, now + LIFE_MS, 0), ERR_AUTH_EXPIRED },
		{ "of a credential that is not yet", mint("secret", mine, now + LIFE_MS, 2), ERR_AUTH_EXPIRED },
	};
	uint64_t number = htobe64(mine);

	memcpy((char *)forged.ptr + 8, &number, sizeof(number));
	memcpy(ret, bads, sizeof(bads));
}

/* A request that is empty but for its account. */
static ProtobufCMessage *
request_for(const struct bus_method *method, uint64_t account)
{
	ProtobufCMessage *request = arena_alloc(&world.arena, method->request->sizeof_message);
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(method->request, "account");

	protobuf_c_message_init(method->request, request);
	cr_assert(field != NULL && field->type == PROTOBUF_C_TYPE_UINT64 && field->label != PROTOBUF_C_LABEL_REPEATED,
	    "%s acts for an account, and its request has none", method->name);
	*(uint64_t *)((char *)request + field->offset) = account;
	return request;
}

static enum err
try(const struct bus_method *method, const ProtobufCMessage *request, struct str token)
{
	ProtobufCMessage *reply;
	enum bus_role role = 0;
	struct bus_call *call;

	while ((method->roles >> role & 1) == 0)
		role++;
	call = as(0, role);
	call->token = token;
	return bus_call_method(call, method, request, STR_NONE, &reply, NULL);
}

static bool
is_ours(const struct bus_method *method)
{
	return strcmp(method->service, "metadata") == 0;
}

Test(metadata_tokens, every_method_for_an_account_wants_its_token)
{
	uint64_t mine = make_account("a", 0), other = make_account("b", 0);
	struct bad bads[BADS];
	int tried = 0;

	make_bad(mine, other, bads);
	for (int i = 0; i < BUS_ALL_METHODS; i++) {
		const struct bus_method *method = bus_all_methods[i];
		const ProtobufCMessage *request;
		enum err err;

		if (!is_ours(method) || !method->needs_account)
			continue;
		request = request_for(method, mine);
		for (int b = 0; b < BADS; b++) {
			err = try(method, request, bads[b].token);
			cr_expect_eq(err, bads[b].err, "%s with a token that is %s: %s", method->name, bads[b].what, err_row(err)->name);
		}
		err = try(method, request, mint("secret", mine, clock_wall_ms() + LIFE_MS, 1));
		cr_expect(err != ERR_DENIED && err != ERR_AUTH_EXPIRED, "%s with its token: %s", method->name, err_row(err)->name);
		tried++;
	}
	cr_assert_gt(tried, 10);
}

/* Has this kind of message, or one within it, a field of that name? */
static bool
has_field(const ProtobufCMessageDescriptor *type, const char *name, int depth)
{
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];

		if (strcmp(field->name, name) == 0)
			return true;
		if (field->type == PROTOBUF_C_TYPE_MESSAGE && depth > 0 && has_field(field->descriptor, name, depth - 1))
			return true;
	}
	return false;
}

/* A frontend of users can be broken into: whatever it may ask names accounts by their tokens. What is new in the .proto is asked for here. */
Test(metadata_tokens, no_method_of_a_frontend_names_an_account_without_one)
{
	const uint32_t frontends = 1u << BUS_ROLE_IMAP | 1u << BUS_ROLE_POP3 | 1u << BUS_ROLE_MANAGESIEVE;
	static const char *const tried_below[] = { "Sync", "Watch" };
	/* Login is how one comes by a token, and how BeginLogin begins; Ping says nothing of anybody. */
	static const char *const without[] = { "BeginLogin", "Login", "Ping" };
	enum { WITHOUT = sizeof(without) / sizeof(without[0]), BELOW = sizeof(tried_below) / sizeof(tried_below[0]) };

	for (int i = 0; i < BUS_ALL_METHODS; i++) {
		const struct bus_method *method = bus_all_methods[i];
		bool is_tried = method->needs_account;

		if (!is_ours(method) || (method->roles & frontends) == 0)
			continue;
		for (int n = 0; n < BELOW; n++)
			is_tried |= strcmp(method->name, tried_below[n]) == 0;
		for (int n = 0; n < WITHOUT; n++)
			if (strcmp(method->name, without[n]) == 0)
				is_tried = !has_field(method->request, "account", 4);
		cr_expect(is_tried, "%s: give it account: true, or a test of its own here", method->name);
	}
}

Test(metadata_tokens, each_item_of_a_sync_has_its_own)
{
	uint64_t mine = make_account("a", 0), other = make_account("b", 0);
	MetadataSyncRequest req = METADATA_SYNC_REQUEST__INIT;
	MetadataSyncRequest__Item items[BADS + 1], *list[BADS + 1];
	struct bad bads[BADS];
	MetadataSyncReply *reply;

	make_bad(mine, other, bads);
	bads[0] = (struct bad){ "good", mint("secret", mine, clock_wall_ms() + LIFE_MS, 1), ERR_OK };
	for (int i = 0; i <= BADS; i++) {
		metadata_sync_request__item__init(&items[i]);
		items[i].account = mine;
		items[i].mailbox = mailbox_of(mine, "INBOX");
		if (i < BADS)
			items[i].token = (ProtobufCBinaryData){ bads[i].token.len, (uint8_t *)bads[i].token.ptr };
		list[i] = &items[i];
	}
	req.n_item = BADS + 1;
	req.item = list;
	/* The last has none: the call's own is another account's. */
	cr_assert_eq(metadata_sync(user(0, other), &req, &reply), ERR_OK);
	for (int i = 0; i < BADS; i++) {
		cr_expect_eq(reply->sync[i]->status, bads[i].err, "%s", bads[i].what);
		cr_expect_eq(reply->sync[i]->cursor != NULL, bads[i].err == ERR_OK, "%s", bads[i].what);
	}
	cr_expect_eq(reply->sync[BADS]->status, ERR_DENIED);
}

static MetadataWatchReply *
watch(uint64_t watcher, uint64_t incarnation, uint64_t after, uint64_t account, struct str token, bool wait)
{
	MetadataWatchRequest req = METADATA_WATCH_REQUEST__INIT;
	ProtobufCBinaryData bytes = { token.len, (uint8_t *)token.ptr };
	MetadataWatchReply *reply;

	req.watcher = watcher;
	req.incarnation = incarnation;
	req.after = after;
	req.n_add = req.n_token = account != 0;
	req.add = &account;
	req.token = &bytes;
	req.wait = wait;
	cr_assert_eq(metadata_watch(as(0, BUS_ROLE_IMAP), &req, &reply), ERR_OK);
	return reply;
}

static void
expect_refusal(const MetadataWatchReply *reply, size_t at, uint64_t account, struct str token, const char *what)
{
	cr_assert_gt(reply->n_event, at, "%s", what);
	cr_expect_eq(reply->event[at]->account, account, "%s", what);
	cr_expect(str_equal(str_from(reply->event[at]->refused.data, reply->event[at]->refused.len), token), "%s", what);
	cr_expect(reply->event[at]->change == NULL && reply->event[at]->mailbox == 0, "%s", what);
}

Test(metadata_tokens, an_account_is_watched_with_its_token_alone)
{
	uint64_t mine = make_account("a", 0), other = make_account("b", 0);
	MetadataWatchRequest without = METADATA_WATCH_REQUEST__INIT;
	struct bad bads[BADS];

	make_bad(mine, other, bads);
	for (uint64_t i = 1; i < BADS; i++) {
		MetadataWatchReply *reply = watch(i, 0, 0, mine, bads[i].token, false);

		reply = watch(i, reply->incarnation, 0, 0, STR_NONE, true);
		cr_assert_eq(reply->n_event, 1, "%s", bads[i].what);
		expect_refusal(reply, 0, mine, bads[i].token, bads[i].what);
	}
	cr_assert_eq(deliver(0, mine, NULL, 10), ERR_OK);
	/* Each has seen its refusal, and is told no more: a second poll is answered by a third, not by the delivery. */
	for (uint64_t i = 1; i < BADS; i++) {
		MetadataWatchReply *reply = watch(i, 0, 0, other, mint("secret", other, clock_wall_ms() + LIFE_MS, 1), false);

		append(0, other, "INBOX", 0);
		reply = watch(i, reply->incarnation, 1, 0, STR_NONE, true);
		cr_assert_eq(reply->n_event, 1, "%s", bads[i].what);
		cr_expect_eq(reply->event[0]->account, other, "%s", bads[i].what);
	}
	without.watcher = 99;
	without.n_add = 1;
	without.add = &mine;
	cr_expect_eq(metadata_watch(as(0, BUS_ROLE_IMAP), &without, NULL), ERR_INVALID, "no token at all");
}

Test(metadata_tokens, a_token_that_ends_ends_the_watch_until_there_is_another)
{
	uint64_t mine = make_account("a", 0);
	int64_t ends = clock_wall_ms() + 700;
	struct str brief = mint("secret", mine, ends, 1);
	MetadataWatchReply *reply = watch(1, 0, 0, mine, brief, false);
	uint64_t incarnation = reply->incarnation;

	append(0, mine, "INBOX", 0);
	reply = watch(1, incarnation, 0, 0, STR_NONE, true);
	cr_assert_eq(reply->n_event, 1);
	cr_expect_not_null(reply->event[0]->change, "while it holds");
	while (clock_wall_ms() <= ends)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	append(0, mine, "INBOX", 0);
	append(0, mine, "INBOX", 0);
	reply = watch(1, incarnation, reply->last, 0, STR_NONE, true);
	cr_assert_eq(reply->n_event, 1, "said once");
	expect_refusal(reply, 0, mine, brief, "it has ended");
	watch(1, incarnation, reply->last, mine, mint("secret", mine, clock_wall_ms() + LIFE_MS, 1), false);
	append(0, mine, "INBOX", 0);
	reply = watch(1, incarnation, reply->last, 0, STR_NONE, true);
	cr_assert_eq(reply->n_event, 1);
	cr_expect_not_null(reply->event[0]->change, "with another");
}

/* Poll once; how many refusals are among the events, and whether the last event is one of this token. */
static size_t
poll_refusals(uint64_t incarnation, uint64_t *after, struct str token)
{
	MetadataWatchReply *reply = watch(1, incarnation, *after, 0, STR_NONE, true);
	size_t count = 0;

	for (size_t i = 0; i < reply->n_event; i++)
		count += reply->event[i]->refused.len > 0;
	if (count > 0)
		expect_refusal(reply, reply->n_event - 1, reply->event[0]->account, token, "the last");
	*after = reply->last;
	return count;
}

/* Who watches with the old password's token is refused at once; who has the new one's hears on. */
Test(metadata_tokens, a_changed_password_ends_the_watch)
{
	uint64_t mine = make_account("a", 0), after = 0, incarnation;
	int64_t ends = clock_wall_ms() + LIFE_MS;
	struct str old = mint("secret", mine, ends, 1), new = mint("secret", mine, ends, 2);
	MetadataUpdateAccountRequest req = METADATA_UPDATE_ACCOUNT_REQUEST__INIT;

	incarnation = watch(1, 0, 0, mine, old, false)->incarnation;
	req.address = BIN("a@example.org");
	req.has_quota = true;
	cr_assert_eq(metadata_update_account(as(0, BUS_ROLE_ADMIN), &req, NULL), ERR_OK);
	append(0, mine, "INBOX", 0);
	cr_expect_eq(poll_refusals(incarnation, &after, old), 0, "another quota changes nothing");
	req.password = BIN("other");
	cr_assert_eq(metadata_update_account(as(0, BUS_ROLE_ADMIN), &req, NULL), ERR_OK);
	cr_expect_eq(poll_refusals(incarnation, &after, old), 1, "the old password's");
	watch(1, incarnation, after, mine, new, false);
	req.password = BIN("");
	req.disable = true;
	cr_assert_eq(metadata_update_account(as(0, BUS_ROLE_ADMIN), &req, NULL), ERR_OK);
	cr_expect_eq(poll_refusals(incarnation, &after, new), 1, "a disabled account's");
}

/* token.keys: the first signs, all verify. Two replicas in the middle of a change, and after it. */
Test(metadata_tokens, keys_are_changed_without_a_login_lost)
{
	uint64_t mine = make_account("a", 0);
	int64_t ends = clock_wall_ms() + LIFE_MS;
	struct str both[] = { STR("newer"), STR("secret") };
	MetadataListRequest req = METADATA_LIST_REQUEST__INIT;
	struct str login;

	req.account = mine;
	replica_stop(1);
	world.config[1]->token_keys = (struct str_list){ both, 2 };
	replica_start(1);
	login = user(1, mine)->token;
	cr_expect_eq(try(&metadata_methods[METADATA_METHOD_LIST], &req.base, login), ERR_DENIED, "by the replica that has not got the new key");
	for (int key = 0; key < 2; key++) {
		struct bus_call *call = as(1, BUS_ROLE_IMAP);

		call->token = mint(both[key].ptr, mine, ends, 1);
		cr_expect_eq(metadata_list(call, &req, NULL), ERR_OK, "%s", both[key].ptr);
	}
	replica_stop(1);
	world.config[1]->token_keys = (struct str_list){ both, 1 };
	replica_start(1);
	for (int key = 0; key < 2; key++) {
		struct bus_call *call = as(1, BUS_ROLE_IMAP);

		call->token = mint(both[key].ptr, mine, ends, 1);
		cr_expect_eq(metadata_list(call, &req, NULL), key == 0 ? ERR_OK : ERR_DENIED, "%s", both[key].ptr);
	}
}

/* What a replica remembers of an account is older than a login that was taken elsewhere meanwhile. */
Test(metadata_tokens, a_new_login_holds_at_every_replica_at_once)
{
	uint64_t mine = make_account("a", 0);
	int64_t ends = clock_wall_ms() + LIFE_MS;
	struct str old = mint("secret", mine, ends, 1), new = mint("secret", mine, ends, 2);
	const struct bus_method *method = &metadata_methods[METADATA_METHOD_LIST];
	MetadataUpdateAccountRequest req = METADATA_UPDATE_ACCOUNT_REQUEST__INIT;
	MetadataListRequest list = METADATA_LIST_REQUEST__INIT;

	list.account = mine;
	req.address = BIN("a@example.org");
	req.password = BIN("other");
	cr_assert_eq(try(method, &list.base, old), ERR_OK, "replica 0 remembers the first version");
	cr_assert_eq(metadata_update_account(as(1, BUS_ROLE_ADMIN), &req, NULL), ERR_OK);
	cr_expect_eq(try(method, &list.base, new), ERR_OK, "a changed password");
	cr_expect_eq(try(method, &list.base, old), ERR_AUTH_EXPIRED);
	req.password = BIN("");
	req.disable = true;
	cr_assert_eq(metadata_update_account(as(0, BUS_ROLE_ADMIN), &req, NULL), ERR_OK);
	cr_expect_eq(try(method, &list.base, new), ERR_AUTH_EXPIRED, "a disabled account");
	req.disable = false;
	req.enable = true;
	cr_assert_eq(metadata_update_account(as(1, BUS_ROLE_ADMIN), &req, NULL), ERR_OK);
	cr_expect_eq(try(method, &list.base, new), ERR_OK, "and enabled again");
}
