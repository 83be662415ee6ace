/*
 * FETCHes that follow each other in the order of the mailbox, one for each message or for a few, as programs send them that copy one: what
 * the next ones will ask for is read before. From the second on a window is held between commands: the wide rows of some messages, a few at
 * first, and as many short bodies as imap_ahead takes. When half of it is given the rows of the next one are asked for, and when little is
 * left its bodies, so that a client that goes on waits for neither.
 *
 * It is let go a second after it was opened, or after the last FETCH; at once when a command comes that has not IMAP_CMD_KEEPS_AHEAD. For
 * so long a message may still be read that another session has expunged (RFC 2180 s. 4.1.1), or after the login is over. Flags are not in
 * it.
 */
#ifndef SORA_IMAP_SERIES_H
#define SORA_IMAP_SERIES_H

#include "services/imap/ahead.h"
#include "services/imap/wide.h"

struct imap_command;
struct imap_session;

enum {
	IMAP_SERIES_MS = 1000,
	IMAP_SERIES_SHORT = 16,              /* messages of one FETCH; with more it reads ahead within itself */
	IMAP_SERIES_ITEMS = 1024,            /* bytes of what it asks for */
	IMAP_WINDOW_FIRST = 4,               /* messages of the first window; of each one behind it twice as many */
	IMAP_WINDOW_MAX = 128,
	IMAP_WINDOW_ROWS_BYTES = 256 * 1024, /* a window with more does not outlive its command */
};

/* What is read ahead. It stays where it is. */
struct imap_window {
	struct arena arena;       /* of items and args */
	struct str items;         /* as the client wrote them */
	bool is_uid;
	void *args;               /* the items, parsed: fetch.c's own, which sets them when they are NULL */
	struct imap_wide wide;
	struct imap_ahead ahead;
	uint32_t first_uid, last_uid;
	uint32_t count, given;    /* messages */
	bool is_last;             /* the one behind it could not be had: it is not tried again */
	int64_t since_ms;
};

/* Zeroed: nothing is remembered. */
struct imap_series {
	struct imap_window *window; /* NULL: nothing is read ahead */
	struct imap_window *next;   /* NULL: nothing is behind it, or it is too early */
	uint64_t items;             /* hash of what the last FETCH asked for; 0: it is not followed by any */
	int64_t last_ms;            /* when it was answered */
	uint32_t last_uid;
};

/*
 * The window that has these messages (resolved, not empty), for a FETCH of `items` whose `needs` are not 0; it is the command's until
 * imap_series_done. NULL: the command follows no other, or none can follow it.
 */
struct imap_window *imap_series_next(struct imap_command *cmd, struct imap_set seqs, struct str items, unsigned needs);
/*
 * It is answered; after a failure nothing is held. The window whose bodies are to be asked for now, or NULL: its first row is waited for,
 * no longer than IMAP_SERIES_MS.
 */
struct imap_window *imap_series_done(struct imap_command *cmd, unsigned needs, enum err err);
/* The next window's rows could not be had. */
void imap_series_drop_next(struct imap_session *session);
/* Forget all. */
void imap_series_clear(struct imap_session *session);

#endif
