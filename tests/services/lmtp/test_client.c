#include "services/lmtp/client.h"

#include <criterion/criterion.h>

Test(lmtp_client, attributes_replace_what_was_known)
{
	static const struct {
		const char *args, *helo, *address, *name;
	} cases[] = {
		{ "ADDR=192.0.2.1", "old", "192.0.2.1", "old" },
		{ "addr=IPv6:2001:DB8:0::1 Name=x", "old", "2001:db8::1", "x" },
		{ "HELO=a+20b+2B+3D", "a b+=", "10.0.0.1", "old" },
		{ "  NAME=[UNAVAILABLE]  HELO=[TEMPUNAVAIL] ADDR=[UNAVAILABLE]", "", "", "" },
		{ "PORT=25 PROTO=ESMTP LOGIN=me DESTADDR=10.0.0.2 DESTPORT=24", "old", "10.0.0.1", "old" },
		{ "NAME=a NAME=b", "old", "10.0.0.1", "b" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lmtp_client client = { .helo = "old", .address = "10.0.0.1", .name = "old" };

		cr_assert_eq(lmtp_client_update(str_c(cases[i].args), lmtp_xclient_attributes, &client), ERR_OK, "%s", cases[i].args);
		cr_assert_str_eq(client.helo, cases[i].helo, "%s", cases[i].args);
		cr_assert_str_eq(client.address, cases[i].address, "%s", cases[i].args);
		cr_assert_str_eq(client.name, cases[i].name, "%s", cases[i].args);
	}
}

Test(lmtp_client, what_is_wrong_changes_nothing)
{
	static const char *const cases[] = { "", "NAME", "NAME=", "NAME=x ADDR=y", "NAME=x IDENT=1", "NAME=x PORT=65536", "NAME=x+",
		"NAME=x+2b", "NAME=x+0A", "NAME=x+00", "NAME=x ADDR=10.0.0.0/8", "NAME=x ADDR=IPV6:10.0.0.1", "NAME=x =y" };
	char longest[LMTP_CLIENT_MAX + 10] = "NAME=";

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lmtp_client client = { .name = "old" };

		cr_assert_eq(lmtp_client_update(str_c(cases[i]), lmtp_xclient_attributes, &client), ERR_SYNTAX, "%s", cases[i]);
		cr_assert_str_eq(client.name, "old", "%s", cases[i]);
	}
	memset(longest + 5, 'x', LMTP_CLIENT_MAX);
	cr_assert_eq(lmtp_client_update(str_c(longest), lmtp_xforward_attributes, &(struct lmtp_client){ .helo = "" }), ERR_OK);
	longest[5 + LMTP_CLIENT_MAX] = 'x';
	cr_assert_eq(lmtp_client_update(str_c(longest), lmtp_xforward_attributes, &(struct lmtp_client){ .helo = "" }), ERR_SYNTAX);
}
