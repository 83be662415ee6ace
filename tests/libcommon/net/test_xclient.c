#include "libcommon/net/xclient.h"

#include <criterion/criterion.h>

#define A64 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define A256 A64 A64 A64 A64

static const struct {
	struct str arguments;
	enum err err;
	const char *client;
} cases[] = {
	{ STR("ADDR=192.0.2.1"), ERR_OK, "192.0.2.1" },
	{ STR("addr=192.0.2.1 PORT=4711 SESSION=abc= TTL=4"), ERR_OK, "192.0.2.1" },
	{ STR("NAME=[UNAVAILABLE] ADDR=2001:db8::1"), ERR_OK, "2001:db8::1" },
	{ STR("ADDR=IPV6:2001:db8::1"), ERR_OK, "2001:db8::1" },
	{ STR("ADDR=[UNAVAILABLE]"), ERR_OK, "" },
	{ STR("PORT=4711"), ERR_OK, "" },
	{ STR("ADDR="), ERR_SYNTAX, "" },
	{ STR("ADDR"), ERR_SYNTAX, "" },
	{ STR("=192.0.2.1"), ERR_SYNTAX, "" },
	{ STR("  ADDR=192.0.2.1  PORT=1 "), ERR_OK, "192.0.2.1" },
	{ STR("ADDR=192.0.2.1 ADDR=[UNAVAILABLE]"), ERR_OK, "" },
	{ STR("ADDR=+31+30.0.0.1"), ERR_OK, "10.0.0.1" },
	{ STR("ADDR=+310.0.0.+3"), ERR_SYNTAX, "" },
	{ STR("SESSION=o+D2/x+x ADDR=10.0.0.1 FORWARD=" A256 "+= LOGIN="), ERR_OK, "10.0.0.1" },
	{ STR("ADDR=" A256), ERR_SYNTAX, "" },
	{ STR("ADDR=IPV6:10.0.0.1"), ERR_SYNTAX, "" },
	{ STR("ADDR=192.0.2.0/24"), ERR_SYNTAX, "" },
	{ STR("ADDR=192.0.2.256"), ERR_SYNTAX, "" },
	{ STR("ADDR=localhost"), ERR_SYNTAX, "" },
	{ STR("ADDR=0000000000000000000000000000000000000000000000000000000000000001"), ERR_SYNTAX, "" },
};

Test(xclient, reads_who_the_client_is)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_address client = { 0 };
		char text[NET_ADDRESS_TEXT];

		cr_expect_eq(xclient_client(cases[i].arguments, &client), cases[i].err, "%.*s", STR_ARG(cases[i].arguments));
		net_address_print(&client, text);
		cr_expect_str_eq(text, cases[i].client, "%.*s: %s", STR_ARG(cases[i].arguments), text);
	}
}
