/*
 * Messages that will be asked for next: who takes one after the other, as all programs do that empty a maildrop, finds the next ones read.
 *
 * A window is held between commands: the rows of some messages, and short bodies of those that come next. It has twice as many as the last
 * one was good for, one at first. When half of it is given the rows of the one behind it are asked for, so that nobody waits for them. It is
 * let go a second after it was opened, or after the last command: what another session expunges within it may still be read here, as it may
 * in the snapshot that RFC 1939 s. 4 speaks of.
 */
#ifndef SORA_POP3_AHEAD_H
#define SORA_POP3_AHEAD_H

#include "libcommon/blob/blob.h"
#include "proto/metadata.client.h"
#include "services/pop3/maildrop.h"

enum { POP3_WINDOW_MAX = 128 };

struct pop3_ahead_mail {
	const MetadataFetchReply__Row *row; /* NULL: another session has expunged it */
	bool is_begun;
	struct blob_reader in;              /* if it is: all of the body */
};

/* It stays where it is. */
struct pop3_window {
	struct arena arena;
	struct bus_call call;
	struct bus_future *rows;            /* not NULL: they are on their way */
	int64_t since_ms;
	size_t first, count;                /* places in the maildrop */
	bool is_last;                       /* the rows behind it could not be had: they are not asked for again */
	struct pop3_ahead_mail mails[POP3_WINDOW_MAX];
};

/* Zeroed: nothing is read ahead. */
struct pop3_ahead {
	struct pop3_window *window;         /* the one that messages are taken from */
	struct pop3_window *next;           /* behind it, or NULL */
	size_t given;                       /* messages taken from the window, or from the last one there was */
	size_t taken;                       /* number of the last message that was taken: who goes on there goes on to the end */
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
/* The message at `place` is sent: begin to read those behind it. Sends what was written before it waits for anything. */
void pop3_ahead_start(struct pop3_session *session, size_t place);
/* Let go of what is too old to be used, or too much to be held between commands. */
void pop3_ahead_expire(struct pop3_session *session);
/* Forget all. */
void pop3_ahead_clear(struct pop3_session *session);

#endif
