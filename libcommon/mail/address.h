/* Addresses: lists in header fields, read leniently, and paths in SMTP commands, read exactly.    RFC 5322 s. 3.4, RFC 5321 s. 4.1.2 */
#ifndef SORA_MAIL_ADDRESS_H
#define SORA_MAIL_ADDRESS_H

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

enum {
	MAIL_ADDRESSES_MAX = 1000, /* of one field; the rest is left out */
	MAIL_LOCAL_MAX = 512,      /* of a path: RFC 5321 says 64, but SRS makes longer ones */
	MAIL_DOMAIN_MAX = 255,
	MAIL_PATH_MAX = 1024,
	MAIL_COMMENT_DEPTH_MAX = 20,
};

enum mail_address_kind {
	MAIL_ADDRESS,
	MAIL_GROUP_START, /* `local` is the group's name */
	MAIL_GROUP_END,
};

/*
 * One entry of a list. Quotes and comments are taken off; 8-bit bytes and encoded words stay as they are (mail_decode_words
 * makes the name readable).
 */
struct mail_address {
	enum mail_address_kind kind;
	struct str name;   /* display name, else the comment behind the address; ptr NULL: none */
	struct str route;  /* "@a,@b" of an obsolete route; ptr NULL: none */
	struct str local;  /* may be empty: "<>" */
	struct str domain; /* empty when there was none */
};

struct mail_address_list {
	struct mail_address *entries;
	size_t count;
	bool is_cut; /* there were more than MAIL_ADDRESSES_MAX */
};

/*
 * The addresses of a field's value (folded or not). Never fails: what is no address is kept as one whose `local` is the text
 * (and whose domain is empty, unless there was an "@"), up to the next comma. Entries of nothing but blanks and comments are none.
 * The strings live in `arena`.
 */
void mail_address_list_parse(struct str value, struct arena *arena, struct mail_address_list *ret_list);

/* A path of MAIL FROM or RCPT TO. */
struct mail_path {
	struct str local;   /* without quotes and backslashes */
	struct str domain;  /* as typed; empty for "<>" and for "<postmaster>"; may be an address literal in brackets */
	struct str address; /* as typed, quotes too, but without the angle brackets and the source route; empty for "<>" */
};

/*
 * A path at the beginning of `in`: "<local@domain>", "<@route,@route:local@domain>" (the route is dropped, RFC 5321 app. C), "<>",
 * "<local>"; the local part may be quoted; UTF-8 is allowed (RFC 6531); spaces before it too. Without angle brackets it goes to
 * the next space.
 *
 * ERR_OK       *ret_path is set, *ret_rest is what follows; `local` lives in `arena`, the others are views of `in`
 * ERR_SYNTAX   it is none, or it is longer than the limits above
 */
enum err mail_path_parse(struct str in, struct arena *arena, struct mail_path *ret_path, struct str *ret_rest);

/* `local`@`domain`, the local part quoted if it has to be. */
struct str mail_address_print(struct str local, struct str domain, struct arena *arena);

#endif
