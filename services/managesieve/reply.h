/* Everything that is written to the client. ERR_OK, or ERR_CLOSED when the connection is gone. */
#ifndef SORA_MANAGESIEVE_REPLY_H
#define SORA_MANAGESIEVE_REPLY_H

#include "services/managesieve/session.h"

/* OK, with a text if there is one. */
enum err managesieve_ok(struct managesieve_session *session, struct str text);
/* OK with a response code, which is written as it is: "WARNINGS". */
enum err managesieve_ok_code(struct managesieve_session *session, struct str code, struct str text);
/* NO, with the response code of `err`, if it has one. Who is no longer logged in is told BYE, and the connection ends. */
enum err managesieve_no(struct managesieve_session *session, enum err err, struct str text);
/* NO, with this response code ("": none). */
enum err managesieve_no_code(struct managesieve_session *session, const char *code, struct str text);
/* OK, or NO with what the service that was called said about the error: that is for people. What may be tried again is logged. */
enum err managesieve_answer(struct managesieve_session *session, const struct bus_call *call, enum err err);
/* NO for what is no fault of ours. After MANAGESIEVE_ERRORS_MAX of them in a row the connection ends. */
enum err managesieve_mistake(struct managesieve_session *session, const char *text);
/* Say goodbye; the caller ends the connection. */
void managesieve_bye(struct managesieve_session *session, const char *code, struct str text);

/*
 * What is offered, and OK (capabilities.c). `is_new`: after the connection's beginning, STARTTLS and a change of who is logged in; else it is
 * what was said then. A Sieve service that has never answered ends the connection: without SIEVE it must not go on (RFC 5804 s. 1.7).
 */
enum err managesieve_capabilities(struct managesieve_session *session, bool is_new);

#endif
