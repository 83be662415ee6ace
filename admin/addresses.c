/* Commands about the addresses of an account. */
#include "admin/command.h"
#include "admin/output.h"
#include "proto/metadata.client.h"

static void
fill(const struct admin_line *line, MetadataAddressRequest *request)
{
	const char *email = line->values[ADMIN_OPT_EMAIL], *address = line->values[ADMIN_OPT_ADDRESS];

	metadata_address_request__init(request);
	request->address = (ProtobufCBinaryData){ strlen(email), (uint8_t *)email };
	request->extra = (ProtobufCBinaryData){ strlen(address), (uint8_t *)address };
	request->primary = admin_has(line, ADMIN_OPT(PRIMARY));
}

static enum err
add_run(struct admin *admin, const struct admin_line *line)
{
	MetadataAddressRequest request;
	MetadataAccount *account;

	fill(line, &request);
	TRY(metadata_add_address(&admin->call, &request, &account));
	admin_show(line, account, "added the address to");
	return ERR_OK;
}

static enum err
remove_run(struct admin *admin, const struct admin_line *line)
{
	MetadataAddressRequest request;
	MetadataAccount *account;

	fill(line, &request);
	TRY(metadata_remove_address(&admin->call, &request, &account));
	admin_show(line, account, "removed the address from");
	return ERR_OK;
}

#define OPTIONS_BOTH (ADMIN_OPT(EMAIL) | ADMIN_OPT(ADDRESS))

const struct admin_command admin_addresses[] = {
	{ "add-address",    "Give an account one more address", OPTIONS_BOTH | ADMIN_OPT(PRIMARY), OPTIONS_BOTH,
	    { ADMIN_OPT_EMAIL, ADMIN_OPT_ADDRESS }, admin_connect, add_run },
	{ "remove-address", "Take an address away from an account", OPTIONS_BOTH, OPTIONS_BOTH,
	    { ADMIN_OPT_EMAIL, ADMIN_OPT_ADDRESS }, admin_connect, remove_run },
	{ NULL, NULL, 0, 0, { ADMIN_OPT_NONE }, NULL, NULL },
};
