/*
 * The selected mailbox of one session: what the client has been told, against what is.
 *
 * Two images: `told` gives sequence numbers and answers FETCH and SEARCH; the mailbox's latest is shared by all its sessions
 * (views.h). One diff of the two (imap_view_tell) is the only thing that emits EXPUNGE, EXISTS, RECENT, FLAGS and unasked FETCH.
 */
#ifndef SORA_IMAP_VIEW_H
#define SORA_IMAP_VIEW_H

#include "libcommon/core/buffer.h"
#include "services/imap/image.h"

struct imap_mailbox;
struct imap_session;
struct net_conn;

struct imap_view {
	struct imap_mailbox *mailbox; /* shared */
	struct imap_image *told;
	uint32_t told_keywords;       /* how many keywords FLAGS has named */
	uint32_t recent_uid;          /* messages above this are \Recent here */
	bool is_read_only;

	/* For views.c, under the mailbox's lock. */
	struct imap_view *next;
	struct net_conn *conn;
	uint64_t losses;              /* the mailbox's, when it was looked at last */
	bool is_idling;               /* wake the connection when something changes */
	bool is_doubtful;             /* its login may be over, or its own change not here: it asks for itself, whatever others are told */
};

enum imap_tell {
	IMAP_TELL_ALL,
	IMAP_TELL_NO_EXPUNGE, /* while sequence numbers must hold: no EXPUNGE, and no EXISTS as long as one is due */
};

/* What the session's mailbox has become, to the client: `out` gets the untagged lines. With `with_uid` FETCH says UID. */
void imap_view_tell(struct imap_view *view, struct imap_image *now, enum imap_tell how, bool with_uid, struct buffer *out);

/* FLAGS, when keywords have come that it did not name yet: to be told before any FETCH uses them. */
void imap_view_tell_keywords(struct imap_view *view, const struct imap_image *now, struct buffer *out);

/*
 * Take the flags of these UIDs (resolved) over from `now` as told: the command itself answers with them, or the client knows (.SILENT).
 */
void imap_view_adopt(struct imap_view *view, const struct imap_image *now, struct imap_set uids);

uint32_t imap_view_recent(const struct imap_view *view, const struct imap_image *image);
/* "\Seen \Recent $Forwarded", of a row of `image`. */
void imap_view_print_flags(const struct imap_view *view, const struct imap_image *image, const struct imap_row *row,
    const struct imap_chunk *chunk, struct buffer *out);
/* "(\Answered .. $Forwarded)": all that are in use; with `is_permanent` also "\*". */
void imap_view_print_known(const struct imap_image *image, bool is_permanent, struct buffer *out);

/* A client's set, of UIDs or sequence numbers, as UIDs that are in the view: resolved. */
struct imap_set imap_view_uids(const struct imap_view *view, struct imap_set set, bool is_uid, struct arena *arena);
/* The same as sequence numbers: resolved. */
struct imap_set imap_view_seqs(const struct imap_view *view, struct imap_set set, bool is_uid, struct arena *arena);

#endif
