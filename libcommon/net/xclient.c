/* XCLIENT, by which a proxy that speaks the protocol itself says who its client is. */
#include "libcommon/net/xclient.h"

static enum err
parse_address(struct str value, struct net_address *ret_client)
{
	static const struct str ipv6 = { "IPV6:", 5 };
	struct net_network network;

	if (str_equal_nocase(value, STR("[UNAVAILABLE]")) || str_equal_nocase(value, STR("[TEMPUNAVAIL]"))) {
		*ret_client = (struct net_address){ 0 };
		return ERR_OK;
	}
	if (str_equal_nocase(str_sub(value, 0, ipv6.len), ipv6))
		value = str_sub(value, ipv6.len, SIZE_MAX);
	if (str_index(value, '/') < value.len)
		return ERR_SYNTAX;
	TRY(net_network_parse(value, &network));
	*ret_client = network.address;
	return ERR_OK;
}

enum err
xclient_parse(struct str arguments, struct net_address *ret_client)
{
	struct str rest = str_trim(arguments), value, name;
	struct net_address client = { 0 };

	while (str_split(&rest, ' ', &value)) {
		if (!str_split(&value, '=', &name) || name.len == 0 || value.ptr == NULL)
			return ERR_SYNTAX;
		if (str_equal_nocase(name, STR("ADDR")))
			TRY(parse_address(value, &client));
	}
	*ret_client = client;
	return ERR_OK;
}
