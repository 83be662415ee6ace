#include "libcommon/net/proxy.h"

#include <criterion/criterion.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 SIGNATURE "\x21\x11\0\x0c" "\xc0\0\2\1" "\x7f\0\0\1" "\x12\x34\0\x8f"
#define TCP6 SIGNATURE "\x21\x21\0\x24" "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1" "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2" "\1\2\3\4"

static const struct {
	const char *what;
	struct str input;
	enum err err;
	const char *client;
	size_t rest; /* bytes behind the header */
} cases[] = {
	{ "TCP over IPv4", STR(TCP4), ERR_OK, "192.0.2.1", 0 },
	{ "TCP over IPv6", STR(TCP6), ERR_OK, "2001:db8::1", 0 },
	{ "what follows is not touched", STR(TCP4 "GET / HTTP"), ERR_OK, "192.0.2.1", 10 },
	{ "TLVs are skipped", STR(SIGNATURE "\x21\x11\0\x10" "\xc0\0\2\1" "\x7f\0\0\1" "\x12\x34\0\x8f" "\4\0\1x"), ERR_OK, "192.0.2.1", 0 },
	{ "LOCAL", STR(SIGNATURE "\x20\0\0\0"), ERR_OK, "", 0 },
	{ "LOCAL with a block that means nothing", STR(SIGNATURE "\x20\x11\0\3abc"), ERR_OK, "", 0 },
	{ "PROXY of an unspecified family", STR(SIGNATURE "\x21\0\0\0"), ERR_OK, "", 0 },
	{ "a block too short for its family", STR(SIGNATURE "\x21\x11\0\4abcd"), ERR_SYNTAX, "", 0 },
	{ "UDP", STR(SIGNATURE "\x21\x12\0\x0c" "\xc0\0\2\1" "\x7f\0\0\1" "\x12\x34\0\x8f"), ERR_SYNTAX, "", 0 },
	{ "version 1 in binary", STR(SIGNATURE "\x11\x11\0\0"), ERR_SYNTAX, "", 0 },
	{ "an unknown command", STR(SIGNATURE "\x22\x11\0\0"), ERR_SYNTAX, "", 0 },
	{ "version 1", STR("PROXY TCP4 192.0.2.1 127.0.0.1 4660 143\r\n"), ERR_SYNTAX, "", 0 },
	{ "no header", STR("a LOGIN b c\r\n"), ERR_SYNTAX, "", 0 },
	{ "longer than we take", STR(SIGNATURE "\x21\x11\xff\xff" "abc"), ERR_SYNTAX, "", 0 },
};

Test(proxy, reads_who_the_client_is)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_address client = { 0 };
		char text[NET_ADDRESS_TEXT] = "";
		size_t need = 0;

		cr_expect_eq(proxy_parse(cases[i].input, &need, &client), cases[i].err, "%s", cases[i].what);
		net_address_print(&client, text);
		cr_expect_str_eq(text, cases[i].client, "%s: %s", cases[i].what, text);
		if (cases[i].err == ERR_OK)
			cr_expect_eq(need, cases[i].input.len - cases[i].rest, "%s: %zu", cases[i].what, need);
	}
}

Test(proxy, each_prefix_asks_for_more_but_never_for_what_follows)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t whole = cases[i].input.len - cases[i].rest;

		for (size_t len = 0; cases[i].err == ERR_OK && len < whole; len++) {
			struct net_address client;
			size_t need = 0;

			cr_expect_eq(proxy_parse(str_sub(cases[i].input, 0, len), &need, &client), ERR_AGAIN, "%s at %zu",
			    cases[i].what, len);
			cr_expect(need > len && need <= whole, "%s at %zu: %zu", cases[i].what, len, need);
		}
	}
}

Test(proxy, networks_contain_what_shares_their_bits)
{
	static const struct {
		const char *network, *address;
		bool has;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.1.2", true },
		{ "10.0.0.0/8", "11.0.0.1", false },
		{ "192.0.2.128/25", "192.0.2.200", true },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "::1", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::1/128", "::1", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_network network, address;

		cr_assert_eq(net_network_parse(str_c(rows[i].network), &network), ERR_OK, "%s", rows[i].network);
		cr_assert_eq(net_network_parse(str_c(rows[i].address), &address), ERR_OK, "%s", rows[i].address);
		cr_expect_eq(net_network_has(&network, &address.address), rows[i].has, "%s in %s", rows[i].address, rows[i].network);
	}
}

Test(proxy, what_is_no_network_is_refused)
{
	static const char *const wrong[] = { "", "/", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/x", "host",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct net_network network;

		cr_expect_eq(net_network_parse(str_c(wrong[i]), &network), ERR_SYNTAX, "%s", wrong[i]);
	}
}
