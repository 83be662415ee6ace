/* XCLIENT and XFORWARD, by which a proxy that speaks the protocol itself says who its client is. */
#include "libcommon/net/xclient.h"

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3461 s. 4: "+2B" is "+". */
static bool
decode_xtext(struct xclient_attribute *attribute)
{
	struct str value = attribute->raw;
	size_t len = 0;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (c == '+') {
			int high = i + 1 < value.len ? hex_digit(value.ptr[i + 1]) : -1, low = i + 2 < value.len ? hex_digit(value.ptr[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (len == XCLIENT_VALUE_MAX)
			return false;
		attribute->text[len++] = c;
	}
	attribute->text[len] = '\0';
	attribute->value = str_from(attribute->text, len);
	return true;
}

enum err
xclient_next(struct str *rest, struct xclient_attribute *ret)
{
	struct str word;
	size_t equals;

	do {
		if (!str_split(rest, ' ', &word))
			return ERR_NONEXISTENT;
	} while (word.len == 0);
	equals = str_index(word, '=');
	if (equals == 0 || equals == word.len)
		return ERR_SYNTAX;
	ret->name = str_sub(word, 0, equals);
	ret->raw = str_sub(word, equals + 1, SIZE_MAX);
	return ERR_OK;
}

enum err
xclient_read(struct xclient_attribute *attribute)
{
	if (attribute->raw.len == 0 || !decode_xtext(attribute))
		return ERR_SYNTAX;
	attribute->is_known = !str_equal_nocase(attribute->value, STR("[UNAVAILABLE]")) &&
	    !str_equal_nocase(attribute->value, STR("[TEMPUNAVAIL]"));
	return ERR_OK;
}

enum err
xclient_address(struct str value, struct net_address *ret)
{
	struct str tag = STR("IPV6:");
	bool is_tagged = str_starts_with_nocase(value, tag);
	struct net_network network;

	if (is_tagged)
		value = str_sub(value, tag.len, SIZE_MAX);
	if (str_index(value, '/') < value.len || net_network_parse(value, &network) != ERR_OK || (is_tagged && network.address.len == 4))
		return ERR_SYNTAX;
	*ret = network.address;
	return ERR_OK;
}

enum err
xclient_client(struct str arguments, struct net_address *ret_client)
{
	struct net_address client = { 0 };
	struct xclient_attribute attribute;
	enum err err;

	while ((err = xclient_next(&arguments, &attribute)) == ERR_OK) {
		if (!str_equal_nocase(attribute.name, STR("ADDR")))
			continue;
		TRY(xclient_read(&attribute));
		client = (struct net_address){ 0 };
		if (attribute.is_known)
			TRY(xclient_address(attribute.value, &client));
	}
	if (err != ERR_NONEXISTENT)
		return err;
	*ret_client = client;
	return ERR_OK;
}
