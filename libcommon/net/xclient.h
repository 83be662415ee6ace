/*
 * XCLIENT, by which a proxy that speaks the protocol itself says who its client is.                    postfix.org, XCLIENT_README
 *
 * Pure.
 */
#ifndef SORA_NET_XCLIENT_H
#define SORA_NET_XCLIENT_H

#include "libcommon/net/proxy.h"

/*
 * "ADDR=192.0.2.1 PORT=4711": what stands behind the command's name. ADDR may have "IPV6:" before an address of IPv6; other attributes are
 * not looked at. *ret_client has len 0 when the proxy does not know the address, or does not say.
 *
 * ERR_SYNTAX: not attributes, or no address.
 */
enum err xclient_parse(struct str arguments, struct net_address *ret_client);

#endif
