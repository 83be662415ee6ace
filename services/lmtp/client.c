/* Whom a mail comes from, as XCLIENT and XFORWARD tell. */
#include "services/lmtp/client.h"

#include <stddef.h>

#include "libcommon/core/buffer.h"

static bool
read_text(struct str value, char text[LMTP_CLIENT_MAX + 1])
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
			return false;
	memcpy(text, value.ptr, value.len);
	text[value.len] = '\0';
	return true;
}

static bool
read_address(struct str value, char text[LMTP_CLIENT_MAX + 1])
{
	struct net_address address;

	if (xclient_address(value, &address) != ERR_OK)
		return false;
	net_address_print(&address, text);
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

static const struct lmtp_attribute *
find(const struct lmtp_attribute *table, struct str name)
{
	for (; table->name != NULL; table++)
		if (str_equal_nocase(name, str_c(table->name)))
			return table;
	return NULL;
}

static bool
update_one(struct xclient_attribute *said, const struct lmtp_attribute *table, struct lmtp_client *client)
{
	const struct lmtp_attribute *attribute = find(table, said->name);
	char text[LMTP_CLIENT_MAX + 1] = "";

	if (attribute == NULL || xclient_read(said) != ERR_OK || (said->is_known && !attribute->read(said->value, text)))
		return false;
	if (attribute->offset != SIZE_MAX)
		memcpy((char *)client + attribute->offset, text, strlen(text) + 1);
	return true;
}

enum err
lmtp_client_update(struct str args, const struct lmtp_attribute *table, struct lmtp_client *client)
{
	struct lmtp_client updated = *client;
	struct xclient_attribute said;
	size_t count = 0;
	enum err err;

	while ((err = xclient_next(&args, &said)) == ERR_OK) {
		if (!update_one(&said, table, &updated))
			return ERR_SYNTAX;
		count++;
	}
	if (err != ERR_NONEXISTENT || count == 0)
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
