#include "admin/output.h"

#include <criterion/criterion.h>

static struct str
printed(uint64_t bytes, struct buffer *out)
{
	buffer_reset(out);
	admin_print_size(bytes, out);
	return buffer_str(out);
}

Test(admin_output, sizes_have_units)
{
	struct buffer out = { 0 };

	cr_assert(str_equal(printed(0, &out), STR("0 bytes")));
	cr_assert(str_equal(printed(1023, &out), STR("1023 bytes")));
	cr_assert(str_equal(printed(1536, &out), STR("1.5 KiB")));
	cr_assert(str_equal(printed(3ull << 30, &out), STR("3.0 GiB")));
	cr_assert(str_equal(printed(UINT64_MAX, &out), STR("16.0 EiB")), "%.*s", STR_ARG(buffer_str(&out)));
	buffer_clear(&out);
}

Test(admin_output, an_account_is_one_line_of_json)
{
	ProtobufCBinaryData addresses[] = { { 3, (uint8_t *)"a@b" }, { 3, (uint8_t *)"\xff\"x" } };
	MetadataAccount account = METADATA_ACCOUNT__INIT;
	struct buffer out = { 0 };

	account.account = 9223372036854775807;
	account.n_address = 2;
	account.address = addresses;
	account.state = (ProtobufCBinaryData){ 6, (uint8_t *)"active" };
	account.hash = (ProtobufCBinaryData){ 6, (uint8_t *)"bcrypt" };
	account.created_ms = 1795255200000;
	admin_print_json(&account, &out);
	cr_assert(str_equal(buffer_str(&out), STR("{\"account\":\"9223372036854775807\",\"addresses\":[\"a@b\",null],"
						  "\"state\":\"active\",\"hash\":\"bcrypt\",\"quota_bytes\":0,\"used_bytes\":0,"
						  "\"used_messages\":0,\"created\":\"2026-11-21T10:00:00Z\",\"deleted\":null}\n")),
	    "%.*s", STR_ARG(buffer_str(&out)));
	buffer_clear(&out);
}

Test(admin_output, pages_of_a_table_are_aligned)
{
	ProtobufCBinaryData names[] = { { 14, (uint8_t *)"long@sora.test" }, { 3, (uint8_t *)"a@b" } };
	MetadataAccount accounts[2] = { METADATA_ACCOUNT__INIT, METADATA_ACCOUNT__INIT }, *rows[2];
	struct admin_table table = { 0 };
	struct buffer out = { 0 };

	for (size_t i = 0; i < 2; i++) {
		accounts[i].n_address = 1;
		accounts[i].address = &names[i];
		accounts[i].state = (ProtobufCBinaryData){ 6, (uint8_t *)"active" };
		rows[i] = &accounts[i];
	}
	accounts[0].used_bytes = 1536;
	accounts[0].used_messages = 3;
	accounts[1].quota_bytes = 5ull << 30;
	admin_print_table(&table, rows, 1, &out);
	admin_print_table(&table, rows + 1, 1, &out);
	cr_assert(str_equal(buffer_str(&out),
	    STR("ADDRESS         STATE           USED       QUOTA  MESSAGES\n"
		"long@sora.test  active       1.5 KiB    no limit         3\n"
		"a@b             active       0 bytes     5.0 GiB         0\n")), "\n%.*s", STR_ARG(buffer_str(&out)));
	buffer_clear(&out);
}
