/*
 * XCLIENT and XFORWARD, by which a proxy that speaks the protocol itself says who its client is.
 *                                                                  postfix.org, XCLIENT_README, XFORWARD_README; RFC 3461 s. 4 (xtext)
 * Pure.
 */
#ifndef SORA_NET_XCLIENT_H
#define SORA_NET_XCLIENT_H

#include "libcommon/net/proxy.h"

enum { XCLIENT_VALUE_MAX = 255 }; /* bytes of a value */

/* "ADDR=192.0.2.1" */
struct xclient_attribute {
	struct str name;
	struct str raw;
	/* Once it is read: */
	struct str value; /* in `text`, without its xtext */
	bool is_known;    /* false: the proxy says that it does not know, [UNAVAILABLE] or [TEMPUNAVAIL] */
	char text[XCLIENT_VALUE_MAX + 1];
};

/*
 * The next attribute of `*rest`, what stands behind the command's name: "ADDR=192.0.2.1 PORT=4711".
 *
 * ERR_NONEXISTENT  there is none left
 * ERR_SYNTAX       not "NAME=value"
 */
enum err xclient_next(struct str *rest, struct xclient_attribute *ret);

/*
 * Read its value. Only of those that are known: what else a proxy says may be something other than xtext, as Dovecot's SESSION and FORWARD.
 *
 * ERR_SYNTAX: empty, no xtext, or longer than XCLIENT_VALUE_MAX.
 */
enum err xclient_read(struct xclient_attribute *attribute);

/* The value of ADDR: "192.0.2.1", "2001:db8::1" or "IPV6:2001:db8::1". ERR_SYNTAX: it is none. */
enum err xclient_address(struct str value, struct net_address *ret);

/*
 * The client of XCLIENT's arguments; attributes other than ADDR are not looked at. *ret_client has len 0 when the proxy does not know the
 * address, or does not say.
 *
 * ERR_SYNTAX: not attributes, or no address.
 */
enum err xclient_client(struct str arguments, struct net_address *ret_client);

#endif
