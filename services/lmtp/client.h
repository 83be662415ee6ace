/*
 * Whom a mail comes from: the client of the connection, or, when a trusted one says so by XCLIENT or XFORWARD, its own client.
 * Pure.
 */
#ifndef SORA_LMTP_CLIENT_H
#define SORA_LMTP_CLIENT_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"
#include "libcommon/net/xclient.h"

enum { LMTP_CLIENT_MAX = XCLIENT_VALUE_MAX }; /* bytes of a name */

/* What is known of a client; "": it is not. */
struct lmtp_client {
	char helo[LMTP_CLIENT_MAX + 1];    /* what it calls itself */
	char address[NET_ADDRESS_TEXT];    /* "192.0.2.1", "2001:db8::1" */
	char name[LMTP_CLIENT_MAX + 1];    /* the name of its address in the DNS */
	char ident[LMTP_CLIENT_MAX + 1];   /* what the mail is called in the MTA's log */
};

/* One attribute of XCLIENT or XFORWARD. */
struct lmtp_attribute {
	const char *name; /* "ADDR" */
	size_t offset;    /* of its text in struct lmtp_client; SIZE_MAX: it is checked and not kept */
	/* Is `value`, without its xtext, one? It is written to `text`, as it is kept. */
	bool (*read)(struct str value, char text[LMTP_CLIENT_MAX + 1]);
};

/* Tables that end in a row without a name. */
extern const struct lmtp_attribute lmtp_xclient_attributes[], lmtp_xforward_attributes[];

/*
 * "ADDR=192.0.2.1 NAME=[UNAVAILABLE]": what is named replaces what was known in `*client`, the rest stays.
 *
 * ERR_OK
 * ERR_SYNTAX  no attributes, one that is not in `table`, or a value that is none; nothing has changed
 */
enum err lmtp_client_update(struct str args, const struct lmtp_attribute *table, struct lmtp_client *client);
/* "NAME ADDR ..", for LHLO. */
struct str lmtp_attribute_names(const struct lmtp_attribute *table, struct arena *arena);

#endif
