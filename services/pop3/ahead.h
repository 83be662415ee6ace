/*
 * Messages that will be asked for next: who takes one after the other, as all programs do that empty a maildrop, finds the next ones read.
 *
 * Rows and bodies are held between commands, but bounded, and rows for no longer than a second: what another session expunges within it may
 * still be read here, as it may in the snapshot that RFC 1939 s. 4 speaks of.
 */
#ifndef SORA_POP3_AHEAD_H
#define SORA_POP3_AHEAD_H

#include "libcommon/blob/blob.h"
#include "services/pop3/maildrop.h"

enum { POP3_AHEAD = 128 };

struct pop3_ahead_mail {
	const MetadataFetchReply__Row *row; /* NULL: another session has expunged it */
	bool is_begun;
	struct blob_reader in;              /* if it is: all of the body */
};

struct pop3_ahead {
	struct arena arena;
	int64_t since_ms;
	size_t first, count;                /* places in the maildrop */
	struct pop3_ahead_mail mails[POP3_AHEAD];
};

struct pop3_session;

/* The message at `place`, and where its bytes are; valid until the next command. ERR_NONEXISTENT: another session has expunged it. */
enum err pop3_ahead_find(struct pop3_session *session, size_t place, struct pop3_ahead_mail **ret_mail);
/*
 * The first piece of its body, from what was read ahead if it was; else it is asked for now, and those behind it with it. Go on with
 * blob_reader_next(&mail->in). To be ended by pop3_ahead_end. Errors as blob_reader_next.
 */
enum err pop3_ahead_first(struct pop3_session *session, struct pop3_ahead_mail *mail, struct str *ret_piece);
void pop3_ahead_end(struct pop3_ahead_mail *mail);
/* The message at `place` is sent: begin to read those behind it. */
void pop3_ahead_start(struct pop3_session *session, size_t place);
/* Forget all. */
void pop3_ahead_clear(struct pop3_session *session);

#endif
