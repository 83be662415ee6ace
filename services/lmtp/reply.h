/* Everything that is written to the client: one table of replies. */
#ifndef SORA_LMTP_REPLY_H
#define SORA_LMTP_REPLY_H

#include "libcommon/core/err.h"
#include "services/lmtp/session.h"

/*
 *  id                code   RFC 3463  text
 *  A reply without an enhanced code is one that RFC 2034 exempts, or an intermediate one.
 */
#define LMTP_REPLY_TABLE(X)                                                                                            \
	X(NONE,               "",    "",       "")                                                                     \
	X(OK,                 "250", "2.0.0 ", "ok")                                                                   \
	X(SENDER_OK,          "250", "2.1.0 ", "sender ok")                                                            \
	X(RECIPIENT_OK,       "250", "2.1.5 ", "recipient ok")                                                         \
	X(VRFY,               "252", "2.0.0 ", "send some mail, and RCPT will tell")                                   \
	X(BYE,                "221", "2.0.0 ", "goodbye")                                                              \
	X(START_TLS,          "220", "2.0.0 ", "begin")                                                                \
	X(GO_ON,              "354", "",       "go on, end with a dot on a line of its own")                           \
	X(DRAINING,           "421", "4.3.2 ", "shutting down, come back soon")                                        \
	X(IDLE,               "421", "4.4.2 ", "nothing was heard for too long")                                       \
	X(REFUSED,            "421", "4.7.0 ", "too many connections")                                                 \
	X(TOO_MANY_ERRORS,    "421", "4.7.0 ", "too many errors")                                                      \
	X(TEMPORARY,          "451", "4.3.0 ", "not possible now, try again later")                                    \
	X(OVERQUOTA_FOR_NOW,  "452", "4.2.2 ", "mailbox is over quota")                                                \
	X(TOO_MANY_RECIPIENTS, "452", "4.5.3 ", "too many recipients: send to the others in a transaction of their own") \
	X(NEEDS_BDAT,         "503", "5.5.1 ", "a mail of BODY=BINARYMIME comes by BDAT")                              \
	X(NO_TLS,             "454", "4.7.0 ", "TLS is not available")                                                 \
	X(UNKNOWN,            "500", "5.5.1 ", "unknown command")                                                      \
	X(BAD_LINE,           "500", "5.5.2 ", "a line ends in CRLF and has no control characters")                    \
	X(LINE_TOO_LONG,      "500", "5.5.2 ", "line too long")                                                        \
	X(BAD_ARGUMENTS,      "501", "5.5.4 ", "wrong arguments")                                                      \
	X(BAD_SENDER,         "501", "5.1.7 ", "this is no sender's address")                                          \
	X(BAD_RECIPIENT,      "501", "5.1.3 ", "this is no recipient's address")                                       \
	X(BAD_SEQUENCE,       "503", "5.5.1 ", "not now: LHLO, MAIL, RCPT, DATA is the order")                         \
	X(NO_RECIPIENTS,      "503", "5.5.1 ", "no valid recipients")                                                  \
	X(SENDER_NOT_ASCII,   "550", "5.6.7 ", "a sender with other letters than those of ASCII needs SMTPUTF8")       \
	X(NOT_TRUSTED,        "550", "5.7.1 ", "this is for clients in lmtp.xclient_from")                             \
	X(RECIPIENT_NOT_ASCII, "553", "5.6.7 ", "a recipient with other letters than those of ASCII needs SMTPUTF8")   \
	X(TOO_BIG,            "552", "5.3.4 ", "larger than this server takes")                                        \
	X(BAD_PARAMETER,      "555", "5.5.4 ", "a parameter that was not offered")

enum lmtp_reply {
#define X(id, code, enhanced, text) LMTP_REPLY_##id,
	LMTP_REPLY_TABLE(X)
#undef X
	LMTP_REPLY_COUNT
};

/* "250 2.0.0 ok" */
const char *lmtp_reply_text(enum lmtp_reply reply);

/* ERR_OK, or ERR_CLOSED when the connection is gone. */
enum err lmtp_reply(struct lmtp_session *session, enum lmtp_reply reply);

#endif
