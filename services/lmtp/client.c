/* Whom a mail comes from, as XCLIENT and XFORWARD tell. */
#include "services/lmtp/client.h"

#include <stddef.h>

#include "libcommon/core/buffer.h"

static bool
read_text(struct str value, char text[LMTP_CLIENT_MAX + 1])
{
	if (value.len > LMTP_CLIENT_MAX)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
			return false;
	memcpy(text, value.ptr, value.len);
	text[value.len] = '\0';
	return true;
}

/* An IPv6 address has "IPV6:" before it. */
static bool
read_address(struct str value, char text[LMTP_CLIENT_MAX + 1])
{
	struct str tag = STR("IPV6:");
	bool is_tagged = str_starts_with_nocase(value, tag);
	struct net_network network;

	if (is_tagged)
		value = str_sub(value, tag.len, SIZE_MAX);
	if (str_index(value, '/') < value.len || net_network_parse(value, &network) != ERR_OK ||
	    (is_tagged && network.address.len == 4))
		return false;
	net_address_print(&network.address, text);
	return true;
}

static bool
read_port(struct str value, char text[LMTP_CLIENT_MAX + 1])
{
	uint32_t port;

	return str_to_u32(value, &port) && port <= UINT16_MAX && read_text(value, text);
}

static bool
read_source(struct str value, char text[LMTP_CLIENT_MAX + 1])
{
	return (str_equal_nocase(value, STR("LOCAL")) || str_equal_nocase(value, STR("REMOTE"))) && read_text(value, text);
}

#define KEPT(field) offsetof(struct lmtp_client, field)

const struct lmtp_attribute lmtp_xclient_attributes[] = {
	{ "NAME", KEPT(name), read_text },
	{ "ADDR", KEPT(address), read_address },
	{ "PORT", SIZE_MAX, read_port },
	{ "PROTO", SIZE_MAX, read_text },
	{ "HELO", KEPT(helo), read_text },
	{ "LOGIN", SIZE_MAX, read_text },
	{ "DESTADDR", SIZE_MAX, read_address },
	{ "DESTPORT", SIZE_MAX, read_port },
	{ NULL, 0, NULL },
};

const struct lmtp_attribute lmtp_xforward_attributes[] = {
	{ "NAME", KEPT(name), read_text },
	{ "ADDR", KEPT(address), read_address },
	{ "PORT", SIZE_MAX, read_port },
	{ "PROTO", SIZE_MAX, read_text },
	{ "HELO", KEPT(helo), read_text },
	{ "IDENT", KEPT(ident), read_text },
	{ "SOURCE", SIZE_MAX, read_source },
	{ NULL, 0, NULL },
};

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3461 s. 4: "+2B" is "+". In place of `*len` bytes. */
static bool
decode_xtext(char *text, size_t *len)
{
	size_t to = 0;

	for (size_t i = 0; i < *len; i++) {
		if (text[i] == '+') {
			int high = i + 1 < *len ? hex_digit(text[i + 1]) : -1, low = i + 2 < *len ? hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			text[to++] = (char)(high * 16 + low);
			i += 2;
		} else {
			text[to++] = text[i];
		}
	}
	*len = to;
	return true;
}

static const struct lmtp_attribute *
find(const struct lmtp_attribute *table, struct str name)
{
	for (; table->name != NULL; table++)
		if (str_equal_nocase(name, str_c(table->name)))
			return table;
	return NULL;
}

/* "NAME=value" */
static bool
update_one(struct str word, const struct lmtp_attribute *table, struct lmtp_client *client)
{
	size_t equals = str_index(word, '=');
	const struct lmtp_attribute *attribute = find(table, str_sub(word, 0, equals));
	char value[LMTP_CLIENT_MAX * 3 + 1], text[LMTP_CLIENT_MAX + 1] = "";
	size_t len = word.len - equals - (equals < word.len);
	bool is_known;

	if (attribute == NULL || len == 0 || len >= sizeof(value))
		return false;
	memcpy(value, word.ptr + equals + 1, len);
	if (!decode_xtext(value, &len))
		return false;
	is_known = !str_equal_nocase(str_from(value, len), STR("[UNAVAILABLE]")) &&
	    !str_equal_nocase(str_from(value, len), STR("[TEMPUNAVAIL]"));
	if (is_known && !attribute->read(str_from(value, len), text))
		return false;
	if (attribute->offset != SIZE_MAX)
		memcpy((char *)client + attribute->offset, text, strlen(text) + 1);
	return true;
}

enum err
lmtp_client_update(struct str args, const struct lmtp_attribute *table, struct lmtp_client *client)
{
	struct lmtp_client updated = *client;
	struct str word;
	size_t count = 0;

	while (str_split(&args, ' ', &word)) {
		if (word.len == 0)
			continue;
		if (!update_one(word, table, &updated))
			return ERR_SYNTAX;
		count++;
	}
	if (count == 0)
		return ERR_SYNTAX;
	*client = updated;
	return ERR_OK;
}

struct str
lmtp_attribute_names(const struct lmtp_attribute *table, struct arena *arena)
{
	struct buffer names = { 0 };
	struct str copy;

	for (size_t i = 0; table[i].name != NULL; i++)
		buffer_printf(&names, "%s%s", i > 0 ? " " : "", table[i].name);
	copy = arena_copy(arena, buffer_str(&names));
	buffer_clear(&names);
	return copy;
}
