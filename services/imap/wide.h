/* The wide columns of many messages, a page at a time: what FETCH and SEARCH read from metadata. */
#ifndef SORA_IMAP_WIDE_H
#define SORA_IMAP_WIDE_H

#include "libcommon/bus/bus.h"
#include "proto/metadata.pb-c.h"
#include "services/imap/set.h"
#include "services/imap/view.h"

/* A walk over messages in ascending order of UID. The next page is on its way while one is used. */
struct imap_wide {
	struct bus_call call[2];
	struct arena arena[2];
	MetadataFetchRequest request;
	uint64_t account, mailbox;
	struct imap_set uids;           /* what is left to ask for */
	struct bus_future *future;
	unsigned turn;                  /* of the page that is used */
	MetadataFetchReply *page;
	size_t at;                      /* in the page */
	uint64_t next_uid;              /* the page has all that there is below this */
	bool is_done;
};

/* `needs` as in fetch.h. `uids` is resolved and stays the caller's. Must be ended by imap_wide_end. */
void imap_wide_begin(struct imap_wide *wide, const struct bus_call *caller, const struct imap_view *view, struct imap_set uids,
    unsigned needs);
/* Ask for the first page now, for an imap_wide_get that comes later. */
void imap_wide_start(struct imap_wide *wide);
/*
 * The row of `uid`, which is greater than all asked for before; valid until the next call. *ret_row is NULL when the message is gone.
 * Passing failures; they may be tried again with the same UID.
 */
enum err imap_wide_get(struct imap_wide *wide, uint32_t uid, const MetadataFetchReply__Row **ret_row);
/* The row `ahead` behind the one that was last given, where its page is here already; else NULL. 0: that one itself. */
const MetadataFetchReply__Row *imap_wide_peek(const struct imap_wide *wide, size_t ahead);
/* Memory that lives as long as the row that was last given. */
struct arena *imap_wide_arena(struct imap_wide *wide);
/* Memory of the pages that are held. */
size_t imap_wide_bytes(const struct imap_wide *wide);
void imap_wide_end(struct imap_wide *wide);

#endif
