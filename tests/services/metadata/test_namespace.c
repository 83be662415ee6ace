/* The tree of mailboxes: what names there may be, and what becomes of them. */
#include "tests/services/metadata/world.h"

TestSuite(metadata_namespace, .init = world_begin, .fini = world_end);

static enum err
create(uint64_t account, struct str name)
{
	MetadataCreateRequest req = METADATA_CREATE_REQUEST__INIT;

	req.account = account;
	req.name = (ProtobufCBinaryData){ .len = name.len, .data = (uint8_t *)name.ptr };
	return metadata_create(user(0, account), &req, NULL);
}

static enum err
delete(uint64_t account, const char *name)
{
	MetadataDeleteRequest req = METADATA_DELETE_REQUEST__INIT;

	req.account = account;
	req.name = bin(name);
	return metadata_delete(user(1, account), &req, NULL);
}

static enum err
rename_to(uint64_t account, const char *from, const char *to)
{
	MetadataRenameRequest req = METADATA_RENAME_REQUEST__INIT;

	req.account = account;
	req.from = bin(from);
	req.to = bin(to);
	return metadata_rename(user(0, account), &req, NULL);
}

static enum err
subscribe(uint64_t account, const char *name, bool subscribed)
{
	MetadataSubscribeRequest req = METADATA_SUBSCRIBE_REQUEST__INIT;

	req.account = account;
	req.name = bin(name);
	req.subscribed = subscribed;
	return metadata_subscribe(user(0, account), &req, NULL);
}

/* The names with their attributes, and 0 as mailbox for those that are only subscribed: "INBOX:2 x:0". */
static const char *
tree(uint64_t account)
{
	MetadataListRequest req = METADATA_LIST_REQUEST__INIT;
	MetadataListReply *reply;
	struct buffer text = { 0 };
	const char *out;

	req.account = account;
	cr_assert_eq(metadata_list(user(1, account), &req, &reply), ERR_OK);
	for (size_t i = 0; i < reply->n_mailbox; i++)
		buffer_printf(&text, "%s%.*s%s:%u", i ? " " : "", (int)reply->mailbox[i]->name.len, reply->mailbox[i]->name.data,
		    reply->mailbox[i]->mailbox ? "" : "?", reply->mailbox[i]->attributes);
	out = arena_cstr(&world.arena, buffer_str(&text));
	buffer_clear(&text);
	return out;
}

/* An account with nothing but INBOX. */
static uint64_t
bare_account(void)
{
	uint64_t account = make_account("a", 0);

	sql("DELETE FROM mailbox_state s USING mailboxes m WHERE m.account = s.account AND m.mailbox = s.mailbox AND m.name <> 'INBOX';"
	    " DELETE FROM mailboxes WHERE name <> 'INBOX'; DELETE FROM subscriptions WHERE name <> 'INBOX'");
	return account;
}

Test(metadata_namespace, a_new_account_has_its_default_mailboxes_subscribed)
{
	cr_assert_str_eq(tree(make_account("a", 0)), "Archive:18 Drafts:34 INBOX:2 Junk:66 Sent:130 Trash:258");
}

Test(metadata_namespace, what_may_be_a_name)
{
	static const struct {
		struct str name;
		enum err want;
	} cases[] = {
		{ STR("plain"), ERR_OK },
		{ STR("plain"), ERR_EXISTS },
		{ STR("inbox"), ERR_EXISTS },
		{ STR("iNbOx/below"), ERR_OK },
		{ STR("with \"quotes\" and \\ and %"), ERR_OK },
		{ STR("Entw\xc3\xbcrfe"), ERR_OK },
		{ STR("slash/"), ERR_OK },
		{ STR("bad\xff"), ERR_INVALID },
		{ STR("nul\0within"), ERR_INVALID },
		{ STR("line\nfeed"), ERR_INVALID },
		{ STR("c1\xc2\x85"), ERR_INVALID },
		{ STR(""), ERR_INVALID },
		{ STR("/lead"), ERR_INVALID },
		{ STR("a//b"), ERR_INVALID },
		{ STR("Shared/x"), ERR_CANNOT },
		{ STR("Other Users"), ERR_CANNOT },
	};
	uint64_t account = bare_account();
	char level[300];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum err err = create(account, cases[i].name);

		cr_expect_eq(err, cases[i].want, "%s: %s", cases[i].name.ptr, err_row(err)->name);
	}
	memset(level, 'x', sizeof(level));
	cr_expect_eq(create(account, str_from(level, 256)), ERR_INVALID);
	cr_expect_eq(create(account, str_from(level, 255)), ERR_OK);
	cr_assert_eq(sql_int("SELECT count(*) FROM mailboxes WHERE name = 'INBOX/below'"), 1);
	cr_assert_eq(sql_int("SELECT count(*) FROM mailboxes WHERE name = 'slash'"), 1);
}

Test(metadata_namespace, create_makes_parents_and_delete_keeps_those_with_children)
{
	uint64_t account = bare_account();

	cr_assert_eq(create(account, STR("a/b/c")), ERR_OK);
	cr_assert_str_eq(tree(account), "INBOX:2 a:0 a/b:0 a/b/c:0");
	cr_assert_eq(deliver(0, account, "a/b", 10), ERR_OK);
	cr_assert_eq(delete(account, "a/b"), ERR_OK);
	cr_assert_str_eq(tree(account), "INBOX:2 a:0 a/b:1 a/b/c:0");
	cr_assert_eq(delete(account, "a/b"), ERR_HAS_CHILDREN);
	cr_assert_eq(status_of(0, account, "a/b")->status, ERR_NO_MAILBOX);
	cr_assert_eq(deliver(0, account, "a/b", 10), ERR_OK, "into INBOX");
	cr_assert_eq(status_of(0, account, "INBOX")->messages, 1);
	cr_assert_eq(create(account, STR("a/b")), ERR_OK);
	cr_assert_eq(status_of(0, account, "a/b")->messages, 0);
	cr_assert_eq(delete(account, "a/b/c"), ERR_OK);
	cr_assert_eq(delete(account, "a/b"), ERR_OK);
	cr_assert_eq(delete(account, "a/b"), ERR_NO_MAILBOX);
	cr_assert_eq(delete(account, "inbox"), ERR_CANNOT);
	cr_assert_str_eq(tree(account), "INBOX:2 a:0");
	cr_assert_eq(sql_int("SELECT messages FROM usage"), 1);
}

Test(metadata_namespace, uidvalidity_grows_across_delete_and_create)
{
	uint64_t account = bare_account();
	uint32_t last = 0;

	for (int i = 0; i < 5; i++) {
		MetadataState *state;

		cr_assert_eq(create(account, STR("again")), ERR_OK);
		state = status_of(0, account, "again");
		cr_assert_gt(state->uidvalidity, last);
		last = state->uidvalidity;
		cr_assert_eq(delete(account, "again"), ERR_OK);
	}
}

Test(metadata_namespace, rename_takes_what_is_below_along)
{
	uint64_t account = bare_account();

	cr_assert_eq(create(account, STR("a/b/c")), ERR_OK);
	cr_assert_eq(create(account, STR("ab")), ERR_OK);
	cr_assert_eq(deliver(0, account, "a/b", 10), ERR_OK);
	cr_assert_eq(rename_to(account, "a", "x/y"), ERR_OK);
	cr_assert_str_eq(tree(account), "INBOX:2 ab:0 x:0 x/y:0 x/y/b:0 x/y/b/c:0");
	cr_assert_eq(status_of(1, account, "x/y/b")->messages, 1);
	cr_assert_eq(rename_to(account, "x", "x/z"), ERR_CANNOT);
	cr_assert_eq(rename_to(account, "x", "ab"), ERR_EXISTS);
	cr_assert_eq(rename_to(account, "a", "q"), ERR_NO_MAILBOX);
}

Test(metadata_namespace, renaming_inbox_moves_its_mail)
{
	uint64_t account = bare_account();

	cr_assert_eq(create(account, STR("INBOX/child")), ERR_OK);
	cr_assert_eq(deliver(0, account, NULL, 10), ERR_OK);
	cr_assert_eq(deliver(1, account, NULL, 10), ERR_OK);
	cr_assert_eq(rename_to(account, "inbox", "old/mail"), ERR_OK);
	cr_assert_str_eq(tree(account), "INBOX:2 INBOX/child:0 old:0 old/mail:0");
	cr_assert_eq(status_of(0, account, "INBOX")->messages, 0);
	cr_assert_eq(status_of(0, account, "old/mail")->messages, 2);
	cr_assert_eq(rename_to(account, "INBOX", "empty"), ERR_OK);
	check_counts();
}

Test(metadata_namespace, a_subscription_outlives_its_mailbox)
{
	uint64_t account = bare_account();

	cr_assert_eq(create(account, STR("a")), ERR_OK);
	cr_assert_eq(subscribe(account, "a", true), ERR_OK);
	cr_assert_eq(subscribe(account, "never", true), ERR_OK);
	cr_assert_eq(delete(account, "a"), ERR_OK);
	cr_assert_str_eq(tree(account), "INBOX:2 a?:2 never?:2");
	cr_assert_eq(subscribe(account, "a", false), ERR_OK);
	cr_assert_eq(subscribe(account, "a", false), ERR_OK);
	cr_assert_str_eq(tree(account), "INBOX:2 never?:2");
}

Test(metadata_namespace, the_version_says_whether_to_read_the_tree)
{
	uint64_t account = bare_account();
	MetadataListRequest req = METADATA_LIST_REQUEST__INIT;
	MetadataListReply *reply;

	req.account = account;
	cr_assert_eq(metadata_list(user(0, account), &req, &reply), ERR_OK);
	req.have_version = reply->version;
	(void)deliver(0, account, NULL, 10);
	cr_assert_eq(metadata_list(user(1, account), &req, &reply), ERR_OK);
	cr_assert(reply->unchanged);
	cr_assert_eq(reply->n_mailbox, 0);
	cr_assert_eq(create(account, STR("new")), ERR_OK);
	cr_assert_eq(metadata_list(user(1, account), &req, &reply), ERR_OK);
	cr_assert(!reply->unchanged);
	cr_assert_eq(reply->n_mailbox, 2);
}
