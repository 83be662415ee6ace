/* Accounts, their addresses, and logging in. */
#include "tests/services/metadata/world.h"

TestSuite(metadata_accounts, .init = world_begin, .fini = world_end);

static enum err
login(int i, const char *name, const char *password, const char *peer, MetadataLoginReply **ret)
{
	MetadataLoginRequest req = METADATA_LOGIN_REQUEST__INIT;
	MetadataLoginReply *reply = NULL;
	enum err err;

	req.user = bin(name);
	req.password = bin(password);
	req.peer = bin(peer);
	err = metadata_login(as(i, BUS_ROLE_IMAP), &req, &reply);
	if (ret)
		*ret = reply;
	return err;
}

static enum err
update(const char *address, const char *password, bool enable, bool disable)
{
	MetadataUpdateAccountRequest req = METADATA_UPDATE_ACCOUNT_REQUEST__INIT;

	req.address = bin(address);
	req.password = bin(password);
	req.hash = BIN("ssha512");
	req.enable = enable;
	req.disable = disable;
	return metadata_update_account(as(0, BUS_ROLE_ADMIN), &req, NULL);
}

static MetadataAccount *
show(const char *address)
{
	MetadataAccountName req = METADATA_ACCOUNT_NAME__INIT;
	MetadataAccount *reply;

	req.address = bin(address);
	cr_assert_eq(metadata_show_account(as(1, BUS_ROLE_ADMIN), &req, &reply), ERR_OK);
	return reply;
}

static enum err
add(const char *address, const char *extra, bool primary)
{
	MetadataAddressRequest req = METADATA_ADDRESS_REQUEST__INIT;

	req.address = bin(address);
	req.extra = bin(extra);
	req.primary = primary;
	return metadata_add_address(as(0, BUS_ROLE_ADMIN), &req, NULL);
}

static enum err
take(const char *address, const char *extra)
{
	MetadataAddressRequest req = METADATA_ADDRESS_REQUEST__INIT;

	req.address = bin(address);
	req.extra = bin(extra);
	return metadata_remove_address(as(1, BUS_ROLE_ADMIN), &req, NULL);
}

Test(metadata_accounts, addresses_are_looked_up_folded_and_shown_as_typed)
{
	(void)make_account("J\xc3\x84ger", 0);
	cr_assert_eq(show("j\xc3\xa4GER@EXAMPLE.org")->n_address, 1);
	cr_assert_arr_eq(show("j\xc3\xa4ger@example.org")->address[0].data, "J\xc3\x84ger@example.org", 18);
	cr_assert_eq(add("j\xc3\xa4ger@example.org", "Other@Example.org", false), ERR_OK);
	cr_assert_eq(add("j\xc3\xa4ger@example.org", "other@example.ORG", false), ERR_EXISTS);
	cr_assert_eq(add("j\xc3\xa4ger@example.org", "third@example.org", true), ERR_OK);
	cr_assert_eq(show("other@example.org")->n_address, 3);
	cr_assert_arr_eq(show("other@example.org")->address[0].data, "third@example.org", 17);
	cr_assert_eq(take("other@example.org", "third@example.org"), ERR_CANNOT);
	cr_assert_eq(take("other@example.org", "OTHER@example.org"), ERR_OK);
	cr_assert_eq(take("third@example.org", "other@example.org"), ERR_NONEXISTENT);
	cr_assert_eq(add("nobody@example.org", "x@example.org", false), ERR_NO_ACCOUNT);
	cr_assert_eq(add("third@example.org", "no address", false), ERR_INVALID);
	cr_assert_eq(add("third@example.org", "bad\xff@example.org", false), ERR_INVALID);
}

Test(metadata_accounts, every_hash_logs_in_and_a_wrong_password_does_not)
{
	static const char *const hashes[] = { "bcrypt", "ssha512", "sha512" };

	for (size_t i = 0; i < 3; i++) {
		MetadataCreateAccountRequest req = METADATA_CREATE_ACCOUNT_REQUEST__INIT;
		const char *address = arena_printf(&world.arena, "%s@example.org", hashes[i]).ptr;
		MetadataAccount *made;
		MetadataLoginReply *reply;

		req.address = bin(address);
		req.password = BIN("pass \xc3\xa4 word");
		req.hash = bin(hashes[i]);
		cr_assert_eq(metadata_create_account(as(0, BUS_ROLE_ADMIN), &req, &made), ERR_OK);
		cr_assert_arr_eq(made->hash.data, hashes[i], strlen(hashes[i]));
		cr_assert_eq(login(0, address, "pass \xc3\xa4 word", "1", &reply), ERR_OK, "%s", hashes[i]);
		cr_assert_eq(reply->account, made->account);
		cr_assert_eq(login(0, address, "pass \xc3\xa4 word", "1", NULL), ERR_OK, "remembered");
		cr_assert_eq(login(0, address, "pass \xc3\xa4 wor", "1", NULL), ERR_AUTH_FAILED);
		cr_assert_eq(login(0, address, "", "1", NULL), ERR_AUTH_FAILED);
	}
	cr_assert_eq(login(0, "nobody@example.org", "x", "1", NULL), ERR_AUTH_FAILED);
	cr_assert_eq(login(0, "not an address", "x", "1", NULL), ERR_AUTH_FAILED);
}

Test(metadata_accounts, a_changed_password_ends_the_old_one_and_its_tokens)
{
	uint64_t account = make_account("a", 0);
	MetadataListRequest list = METADATA_LIST_REQUEST__INIT;
	MetadataLoginReply *reply;
	struct bus_call *call;

	cr_assert_eq(login(0, "a@example.org", "secret", "1", &reply), ERR_OK);
	call = as(0, BUS_ROLE_IMAP);
	call->token = str_from(reply->token.data, reply->token.len);
	list.account = account;
	cr_assert_eq(metadata_list(call, &list, NULL), ERR_OK);
	cr_assert_eq(update("a@example.org", "changed", false, false), ERR_OK);
	call = as(0, BUS_ROLE_IMAP);
	call->token = str_from(reply->token.data, reply->token.len);
	cr_assert_eq(metadata_list(call, &list, NULL), ERR_AUTH_EXPIRED);
	cr_assert_eq(login(0, "a@example.org", "secret", "1", NULL), ERR_AUTH_FAILED);
	cr_assert_eq(login(1, "a@example.org", "changed", "1", NULL), ERR_OK);
}

Test(metadata_accounts, disabled_and_deleted_accounts_are_shut)
{
	MetadataAccountName name = METADATA_ACCOUNT_NAME__INIT;

	(void)make_account("a", 0);
	name.address = BIN("A@example.org");
	cr_assert_eq(update("a@example.org", "", false, true), ERR_OK);
	cr_assert_eq(login(0, "a@example.org", "secret", "1", NULL), ERR_DISABLED);
	cr_assert_eq(login(0, "a@example.org", "wrong", "1", NULL), ERR_AUTH_FAILED);
	cr_assert_eq(update("a@example.org", "", true, false), ERR_OK);
	cr_assert_eq(login(0, "a@example.org", "secret", "1", NULL), ERR_OK);
	cr_assert_eq(metadata_delete_account(as(0, BUS_ROLE_ADMIN), &name, NULL), ERR_OK);
	cr_assert_eq(login(0, "a@example.org", "secret", "1", NULL), ERR_AUTH_FAILED);
	cr_assert_eq(metadata_delete_account(as(0, BUS_ROLE_ADMIN), &name, NULL), ERR_NO_ACCOUNT);
	cr_assert_eq(update("a@example.org", "x", false, false), ERR_NO_ACCOUNT);
	cr_assert_eq(metadata_restore_account(as(1, BUS_ROLE_ADMIN), &name, NULL), ERR_OK);
	cr_assert_eq(login(0, "a@example.org", "secret", "1", NULL), ERR_OK);
}

Test(metadata_accounts, failures_stop_their_address_and_no_one_else)
{
	enum err err = ERR_OK;

	(void)make_account("a", 0);
	for (int i = 0; i < 30 && err != ERR_LIMIT; i++)
		err = login(0, "a@example.org", "guess", "192.0.2.1", NULL);
	cr_assert_eq(err, ERR_LIMIT);
	cr_assert_eq(login(0, "a@example.org", "secret", "192.0.2.1", NULL), ERR_LIMIT);
	cr_assert_eq(login(0, "a@example.org", "secret", "192.0.2.2", NULL), ERR_OK);
}

Test(metadata_accounts, resolve_finds_details_and_says_why_not)
{
	static const struct {
		const char *address;
		enum err want;
	} cases[] = { { "a@example.org", ERR_OK }, { "A+list@Example.ORG", ERR_OK }, { "b@example.org", ERR_NO_ACCOUNT },
		{ "+x@example.org", ERR_NO_ACCOUNT }, { "full@example.org", ERR_OVERQUOTA }, { "off@example.org", ERR_DISABLED },
		{ "", ERR_NO_ACCOUNT }, { "\xff@example.org", ERR_NO_ACCOUNT } };
	enum { COUNT = sizeof(cases) / sizeof(cases[0]) };
	MetadataResolveRequest req = METADATA_RESOLVE_REQUEST__INIT;
	ProtobufCBinaryData addresses[COUNT];
	MetadataResolveReply *reply;

	(void)make_account("a", 0);
	(void)make_account("full", 100);
	(void)make_account("off", 0);
	cr_assert_eq(update("off@example.org", "", false, true), ERR_OK);
	for (size_t i = 0; i < COUNT; i++)
		addresses[i] = bin(cases[i].address);
	req.n_address = COUNT;
	req.address = addresses;
	req.size = 101;
	cr_assert_eq(metadata_resolve(as(1, BUS_ROLE_LMTP), &req, &reply), ERR_OK);
	for (size_t i = 0; i < COUNT; i++)
		cr_expect_eq(reply->result[i]->status, (uint32_t)cases[i].want, "%s: %s", cases[i].address,
		    err_row(reply->result[i]->status)->name);
}

Test(metadata_accounts, are_listed_in_pages)
{
	MetadataListAccountsRequest req = METADATA_LIST_ACCOUNTS_REQUEST__INIT;
	MetadataListAccountsReply *reply;
	size_t seen = 0;

	for (int i = 0; i < 7; i++)
		(void)make_account(arena_printf(&world.arena, "n%d", i).ptr, 0);
	req.limit = 3;
	do {
		cr_assert_eq(metadata_list_accounts(as(0, BUS_ROLE_ADMIN), &req, &reply), ERR_OK);
		seen += reply->n_account;
		req.after = reply->account[reply->n_account - 1]->address[0];
	} while (reply->more);
	cr_assert_eq(seen, 7);
}
