/*
 * An SMTP client: one connection to a smarthost, one mail and one recipient at a time.                RFC 5321
 *
 *	smtp_open(&options, &smtp, arena, &reply);
 *	smtp_mail(smtp, &mail, arena, &reply);       (MAIL, RCPT, DATA)
 *	while (more)
 *		smtp_add(smtp, bytes);
 *	smtp_end(smtp, arena, &reply);               (the reply after the final dot: 250 means the mail is theirs)
 *	smtp_close(smtp);
 *
 * It is ours, not libcurl's, for what libcurl leaves out: BODY=8BITMIME (RFC 6152), SMTPUTF8 for headers and not for addresses alone
 * (RFC 6531), the reply to each command with its enhanced status code for the bounce, and the renewal of a lease while one waits.
 */
#ifndef SORA_SMTP_SMTP_H
#define SORA_SMTP_SMTP_H

#include "libcommon/core/buffer.h"
#include "libcommon/net/dial.h"

enum smtp_tls { SMTP_TLS_NONE, SMTP_TLS_STARTTLS, SMTP_TLS_IMPLICIT };

struct smtp_options {
	struct net_dial_options dial;
	enum smtp_tls tls;
	struct str helo;
	struct str user, password; /* empty: no AUTH */
	int64_t timeout_ms;        /* for each reply, and for each piece of a mail; twice that for the reply after the final dot */
};

/* What the server said last, or what went wrong: one line for people. */
struct smtp_reply {
	int code;         /* 0: there was no reply */
	struct str status; /* "5.1.1" (RFC 3463); made of the code when the server gives none */
	struct str text;   /* "550 5.1.1 no such user", lines joined; or the reason */
};

/* What the server offers (RFC 5321 s. 4.1.1.1). */
struct smtp_offer {
	bool starttls, eight_bit, utf8, size, auth_plain, auth_login;
};

struct smtp_mail {
	struct str sender, recipient; /* without angle brackets; an empty sender is null */
	uint64_t size;
	bool is_8bit;      /* the body, or the header */
	bool is_utf8;      /* the header has UTF-8; addresses are looked at */
};

struct smtp;

/*
 * The outcomes of each call:
 *	ERR_OK           it was taken
 *	ERR_AGAIN        the server refuses for now (4yz): this mail later; the connection is good
 *	ERR_REFUSED      the server refuses for good (5yz), or lacks what the mail needs; the connection is good
 *	ERR_DENIED       of smtp_open: its certificate, our password, or that it has no TLS: someone has to look at it
 *	anything else    the connection is of no use any more; it says nothing about the mail
 * `options` must outlive the connection. The strings of `ret_reply` live in `arena`; it is set in every case.
 */
enum err smtp_open(const struct smtp_options *options, struct smtp **ret, struct arena *arena, struct smtp_reply *ret_reply);
const struct smtp_offer *smtp_offer(const struct smtp *smtp);
/* ERR_OK: its bytes must follow. */
enum err smtp_mail(struct smtp *smtp, const struct smtp_mail *mail, struct arena *arena, struct smtp_reply *ret_reply);
/* Bytes of the mail. Bare CR and LF become CRLF, which is all that SMTP knows (RFC 5321 s. 2.3.8); dots are doubled (s. 4.5.2). */
enum err smtp_add(struct smtp *smtp, struct str bytes);
enum err smtp_end(struct smtp *smtp, struct arena *arena, struct smtp_reply *ret_reply);
/* With QUIT, unless the connection is of no use or a mail is not ended, which then is never taken. */
void smtp_close(struct smtp *smtp);

/* ---- its parts, pure */

/* A line of a reply: "250-SIZE 1000", without its end. False: it is none. */
bool smtp_reply_line(struct str line, int *ret_code, bool *ret_is_last, struct str *ret_text);
/* A line of the answer to EHLO behind the first. */
void smtp_offer_add(struct smtp_offer *offer, struct str text);

/* What stands between the bytes of a mail and the wire. Zeroed: at the beginning. */
struct smtp_stuffer {
	bool is_within_line, is_after_cr;
};
void smtp_stuff(struct smtp_stuffer *stuffer, struct str bytes, struct buffer *out);
/* What ends the mail. */
void smtp_stuff_end(struct smtp_stuffer *stuffer, struct buffer *out);

#endif
