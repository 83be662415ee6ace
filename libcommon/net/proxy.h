/*
 * The PROXY protocol, version 2: who the client of a load balancer is.      haproxy.org, proxy-protocol.txt s. 2.2
 *
 * Pure: no sockets. And networks ("10.0.0.0/8"), which say whose header is believed.
 */
#ifndef SORA_NET_PROXY_H
#define SORA_NET_PROXY_H

#include "libcommon/core/err.h"
#include "libcommon/core/str.h"

struct sockaddr;

enum {
	PROXY_HEADER_BYTES = 16,  /* the fixed part */
	PROXY_MAX_BYTES = 4096,   /* with addresses and TLVs; longer is refused */
	NET_ADDRESS_TEXT = 46,    /* INET6_ADDRSTRLEN */
};

/* An IP address: 4 bytes, 16 bytes, or (len 0) none. */
struct net_address {
	uint8_t len;
	uint8_t bytes[16];
};

/*
 * Read a header from the front of `input`.
 *
 * ERR_OK     *ret_need is its length; *ret_client the client's address, len 0 for LOCAL and for families without IP
 * ERR_AGAIN  it takes *ret_need bytes to go on: read up to that many and not one more
 * ERR_SYNTAX it is none, or longer than PROXY_MAX_BYTES
 */
enum err proxy_parse(struct str input, size_t *ret_need, struct net_address *ret_client);

/* len 0 when the socket is not IP. IPv4 mapped into IPv6 becomes IPv4. */
struct net_address net_address_from(const struct sockaddr *address);
/* "192.0.2.1" */
void net_address_print(const struct net_address *address, char ret_text[NET_ADDRESS_TEXT]);

struct net_network {
	struct net_address address;
	uint8_t bits;
};

/* "10.0.0.0/8", "2001:db8::/32", "192.0.2.1". ERR_SYNTAX. */
enum err net_network_parse(struct str text, struct net_network *ret_network);
bool net_network_has(const struct net_network *network, const struct net_address *address);

#endif
