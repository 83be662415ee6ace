/* The PROXY protocol, version 2, and networks. */
#include "libcommon/net/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static const char signature[12] = { '\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

enum { VERSION_2 = 0x2, COMMAND_LOCAL = 0x0, COMMAND_PROXY = 0x1 };

/* s. 2.2, byte 14: what stands in the address block, and where the client's address ends. The port and TLVs are skipped. */
static const struct {
	uint8_t family_protocol;
	uint8_t address_bytes; /* of the client, at the block's start */
	uint8_t block_bytes;
} families[] = {
	{ 0x00, 0, 0 },    /* UNSPEC */
	{ 0x11, 4, 12 },   /* TCP over IPv4 */
	{ 0x21, 16, 36 },  /* TCP over IPv6 */
	{ 0x31, 0, 216 },  /* UNIX stream */
};

static enum err
parse_block(uint8_t family_protocol, struct str block, struct net_address *ret_client)
{
	struct net_address client = { 0 };

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (families[i].family_protocol != family_protocol)
			continue;
		if (block.len < families[i].block_bytes)
			return ERR_SYNTAX;
		client.len = families[i].address_bytes;
		if (client.len > 0)
			memcpy(client.bytes, block.ptr, client.len);
		*ret_client = client;
		return ERR_OK;
	}
	return ERR_SYNTAX;
}

enum err
proxy_parse(struct str input, size_t *ret_need, struct net_address *ret_client)
{
	const uint8_t *bytes = (const uint8_t *)input.ptr;
	size_t sign_len = input.len < sizeof(signature) ? input.len : sizeof(signature);
	size_t total;

	if (sign_len > 0 && memcmp(input.ptr, signature, sign_len) != 0)
		return ERR_SYNTAX;
	if (input.len < PROXY_HEADER_BYTES) {
		*ret_need = PROXY_HEADER_BYTES;
		return ERR_AGAIN;
	}
	total = PROXY_HEADER_BYTES + (size_t)(bytes[14] << 8 | bytes[15]);
	if (bytes[12] >> 4 != VERSION_2 || (bytes[12] & 0xf) > COMMAND_PROXY || total > PROXY_MAX_BYTES)
		return ERR_SYNTAX;
	*ret_need = total;
	if (input.len < total)
		return ERR_AGAIN;
	if ((bytes[12] & 0xf) == COMMAND_LOCAL) {
		*ret_client = (struct net_address){ 0 };
		return ERR_OK;
	}
	return parse_block(bytes[13], str_sub(input, PROXY_HEADER_BYTES, total - PROXY_HEADER_BYTES), ret_client);
}

struct net_address
net_address_from(const struct sockaddr *address)
{
	struct net_address result = { 0 };

	if (address->sa_family == AF_INET) {
		result.len = 4;
		memcpy(result.bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

		result.len = IN6_IS_ADDR_V4MAPPED(in6) ? 4 : 16;
		memcpy(result.bytes, in6->s6_addr + 16 - result.len, result.len);
	}
	return result;
}

void
net_address_print(const struct net_address *address, char ret_text[NET_ADDRESS_TEXT])
{
	ret_text[0] = '\0';
	if (address->len > 0)
		inet_ntop(address->len == 4 ? AF_INET : AF_INET6, address->bytes, ret_text, NET_ADDRESS_TEXT);
}

enum err
net_network_parse(struct str text, struct net_network *ret_network)
{
	char name[NET_ADDRESS_TEXT] = { 0 };
	struct net_network network = { 0 };
	struct str address;
	uint32_t bits;

	if (!str_split(&text, '/', &address) || address.len >= sizeof(name))
		return ERR_SYNTAX;
	if (address.len > 0)
		memcpy(name, address.ptr, address.len);
	if (inet_pton(AF_INET, name, network.address.bytes) == 1)
		network.address.len = 4;
	else if (inet_pton(AF_INET6, name, network.address.bytes) == 1)
		network.address.len = 16;
	else
		return ERR_SYNTAX;
	bits = network.address.len * 8U;
	if (text.ptr != NULL && (!str_to_u32(text, &bits) || bits > network.address.len * 8U))
		return ERR_SYNTAX;
	network.bits = (uint8_t)bits;
	*ret_network = network;
	return ERR_OK;
}

bool
net_network_has(const struct net_network *network, const struct net_address *address)
{
	size_t whole = network->bits / 8;
	unsigned rest = network->bits % 8;

	if (network->address.len != address->len || memcmp(network->address.bytes, address->bytes, whole) != 0)
		return false;
	return rest == 0 || (network->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}
