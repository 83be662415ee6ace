/* Everything that is written to the client.                                                          RFC 3501 s. 7 */
#ifndef SORA_IMAP_REPLY_H
#define SORA_IMAP_REPLY_H

#include "services/imap/session.h"

/* "* " and the text. */
void imap_reply_untagged(struct imap_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "+ " and the text. */
void imap_reply_continue(struct imap_session *session, const char *text);
/* "* BYE " and the text. */
void imap_reply_bye(struct imap_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The response code for the tagged OK ("APPENDUID 1 2"); the OK itself follows when run returns. Returns ERR_OK. */
enum err imap_reply_ok(struct imap_command *cmd, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * A response code of one's own for a NO, in place of the error's: `return imap_reply_no(cmd, ERR_NO_MAILBOX, "TRYCREATE", "..")`. `code` may be
 * "". Returns `err`.
 */
enum err imap_reply_no(struct imap_command *cmd, enum err err, const char *code, const char *text);

/* The tagged answer to the command. */
void imap_reply_tagged(struct imap_command *cmd, enum err err);
/* BAD for a line that was no command; `tag` may be empty. */
void imap_reply_bad(struct imap_session *session, struct str tag, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Quoted, or a literal when it has to be one. */
void imap_print_string(struct str s, struct buffer *out);
/* As an atom where that is possible, else as a string. */
void imap_print_astring(struct str s, struct buffer *out);
/* A mailbox's name, in modified UTF-7. */
void imap_print_mailbox(struct str utf8, struct buffer *out);

#endif
