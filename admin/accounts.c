/* Commands about accounts. */
#include "admin/command.h"
#include "admin/output.h"
#include "admin/password.h"
#include "proto/metadata.client.h"

static ProtobufCBinaryData
bytes(const char *text)
{
	return (ProtobufCBinaryData){ text ? strlen(text) : 0, (uint8_t *)text };
}

static enum err
take_quota(struct admin *admin, const struct admin_line *line, uint64_t *ret_bytes)
{
	const char *text = line->values[ADMIN_OPT_QUOTA];

	if (text == NULL || admin_parse_size(str_c(text), ret_bytes))
		return ERR_OK;
	return admin_explain(admin, ERR_SYNTAX, "--quota: a size such as 500M or 20G is expected, not %s", text);
}

/* The password, from wherever the line says it is, and how to store it. */
static enum err
take_password(struct admin *admin, const struct admin_line *line, ProtobufCBinaryData *ret_password, ProtobufCBinaryData *ret_hash)
{
	static const char *const schemes[] = { "bcrypt", "ssha512", "sha512" };
	const char *hash = line->values[ADMIN_OPT_HASH];
	struct str password;
	bool is_known = hash == NULL;

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]) && !is_known; i++)
		is_known = strcmp(schemes[i], hash) == 0;
	if (!is_known)
		return admin_explain(admin, ERR_SYNTAX, "--hash: bcrypt, ssha512 or sha512 is expected, not %s", hash);
	TRY(admin_password(admin, line, &password));
	*ret_password = (ProtobufCBinaryData){ password.len, (uint8_t *)password.ptr };
	*ret_hash = bytes(hash);
	return ERR_OK;
}

static enum err
create_run(struct admin *admin, const struct admin_line *line)
{
	MetadataCreateAccountRequest request = METADATA_CREATE_ACCOUNT_REQUEST__INIT;
	MetadataAccount *account;

	if (!admin_has(line, ADMIN_OPTS_PASSWORD))
		return admin_explain(admin, ERR_SYNTAX, "a new account needs --password, --password-stdin or --password-file");
	TRY(take_password(admin, line, &request.password, &request.hash));
	TRY(take_quota(admin, line, &request.quota_bytes));
	request.has_quota = admin_has(line, ADMIN_OPT(QUOTA));
	request.address = bytes(line->values[ADMIN_OPT_EMAIL]);
	TRY(metadata_create_account(&admin->call, &request, &account));
	admin_show(line, account, "created");
	return ERR_OK;
}

static enum err
update_run(struct admin *admin, const struct admin_line *line)
{
	MetadataUpdateAccountRequest request = METADATA_UPDATE_ACCOUNT_REQUEST__INIT;
	MetadataAccount *account;

	if (!admin_has(line, admin_command_find(STR("update-account"))->options & ~ADMIN_OPT(EMAIL)))
		return admin_explain(admin, ERR_SYNTAX, "what is to be changed? See sora-admin update-account --help");
	if (admin_has(line, ADMIN_OPT(ENABLE)) && admin_has(line, ADMIN_OPT(DISABLE)))
		return admin_explain(admin, ERR_SYNTAX, "--enable and --disable exclude each other");
	if (admin_has(line, ADMIN_OPT(HASH)) && !admin_has(line, ADMIN_OPTS_PASSWORD))
		return admin_explain(admin, ERR_SYNTAX, "--hash needs the password too: it can not be read back");
	if (admin_has(line, ADMIN_OPTS_PASSWORD))
		TRY(take_password(admin, line, &request.password, &request.hash));
	TRY(take_quota(admin, line, &request.quota_bytes));
	request.has_quota = admin_has(line, ADMIN_OPT(QUOTA));
	request.address = bytes(line->values[ADMIN_OPT_EMAIL]);
	request.primary = admin_has(line, ADMIN_OPT(PRIMARY));
	request.enable = admin_has(line, ADMIN_OPT(ENABLE));
	request.disable = admin_has(line, ADMIN_OPT(DISABLE));
	TRY(metadata_update_account(&admin->call, &request, &account));
	admin_show(line, account, "updated");
	return ERR_OK;
}

static enum err
delete_run(struct admin *admin, const struct admin_line *line)
{
	MetadataAccountName request = METADATA_ACCOUNT_NAME__INIT;
	MetadataAccount *account;

	request.address = bytes(line->values[ADMIN_OPT_EMAIL]);
	TRY(metadata_delete_account(&admin->call, &request, &account));
	admin_show(line, account, "deleted");
	return ERR_OK;
}

static enum err
restore_run(struct admin *admin, const struct admin_line *line)
{
	MetadataAccountName request = METADATA_ACCOUNT_NAME__INIT;
	MetadataAccount *account;

	request.address = bytes(line->values[ADMIN_OPT_EMAIL]);
	TRY(metadata_restore_account(&admin->call, &request, &account));
	admin_show(line, account, "restored");
	return ERR_OK;
}

static enum err
show_run(struct admin *admin, const struct admin_line *line)
{
	MetadataAccountName request = METADATA_ACCOUNT_NAME__INIT;
	MetadataAccount *account;

	request.address = bytes(line->values[ADMIN_OPT_EMAIL]);
	TRY(metadata_show_account(&admin->call, &request, &account));
	admin_show(line, account, NULL);
	return ERR_OK;
}

/* A page of the list; `*last` is where the next one begins. */
static enum err
list_page(struct admin *admin, const struct admin_line *line, struct admin_table *table, struct buffer *last, bool *ret_more)
{
	MetadataListAccountsRequest request = METADATA_LIST_ACCOUNTS_REQUEST__INIT;
	MetadataListAccountsReply *reply;
	struct str after = buffer_str(last);

	request.after = (ProtobufCBinaryData){ after.len, (uint8_t *)after.ptr };
	TRY(metadata_list_accounts(&admin->call, &request, &reply));
	admin_show_list(line, table, reply->account, reply->n_account);
	*ret_more = reply->more && reply->n_account > 0 && reply->account[reply->n_account - 1]->n_address > 0;
	if (*ret_more) {
		ProtobufCBinaryData address = reply->account[reply->n_account - 1]->address[0];

		buffer_reset(last);
		buffer_add(last, str_from(address.data, address.len));
	}
	arena_reset(&admin->arena);
	return ERR_OK;
}

static enum err
list_run(struct admin *admin, const struct admin_line *line)
{
	struct admin_table table = { 0 };
	struct buffer last = { 0 };
	bool has_more = true;
	enum err err = ERR_OK;

	while (err == ERR_OK && has_more)
		err = list_page(admin, line, &table, &last, &has_more);
	buffer_clear(&last);
	return err;
}

#define OPTIONS_SETTINGS (ADMIN_OPT(EMAIL) | ADMIN_OPTS_PASSWORD | ADMIN_OPT(HASH) | ADMIN_OPT(QUOTA) | ADMIN_OPT(PRIMARY))

const struct admin_command admin_accounts[] = {
	/* name              help                                                       options */
	{ "create-account",  "Make an account, with its first address", OPTIONS_SETTINGS, ADMIN_OPT(EMAIL), { ADMIN_OPT_EMAIL }, admin_connect, create_run },
	{ "update-account",  "Change an account's password, quota, main address or state",
	    OPTIONS_SETTINGS | ADMIN_OPT(DISABLE) | ADMIN_OPT(ENABLE), ADMIN_OPT(EMAIL), { ADMIN_OPT_EMAIL }, admin_connect, update_run },
	{ "delete-account",  "Delete an account: at once for its user, for good after account.keep", ADMIN_OPT(EMAIL), ADMIN_OPT(EMAIL),
	    { ADMIN_OPT_EMAIL }, admin_connect, delete_run },
	{ "restore-account", "Bring a deleted account back", ADMIN_OPT(EMAIL), ADMIN_OPT(EMAIL), { ADMIN_OPT_EMAIL }, admin_connect, restore_run },
	{ "list-accounts",   "Show all accounts", 0, 0, { ADMIN_OPT_NONE }, admin_connect, list_run },
	{ "show-account",    "Show one account", ADMIN_OPT(EMAIL), ADMIN_OPT(EMAIL), { ADMIN_OPT_EMAIL }, admin_connect, show_run },
	{ NULL, NULL, 0, 0, { ADMIN_OPT_NONE }, NULL, NULL },
};
