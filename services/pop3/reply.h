/* Everything that is written to the client. ERR_OK, or ERR_CLOSED when the connection is gone. */
#ifndef SORA_POP3_REPLY_H
#define SORA_POP3_REPLY_H

#include "services/pop3/session.h"

enum err pop3_ok(struct pop3_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of an answer of several lines; it has no dot in front. */
enum err pop3_line(struct pop3_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The end of such an answer. */
enum err pop3_end_lines(struct pop3_session *session);
/* "-ERR [SYS/TEMP] text": the code of `err` (RFC 2449 s. 8, RFC 3206), if it has one. */
enum err pop3_err(struct pop3_session *session, enum err err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* -ERR for what is no fault of ours: without a code. After POP3_ERRORS_MAX of them in a row the connection ends. */
enum err pop3_mistake(struct pop3_session *session, const char *text);

#endif
