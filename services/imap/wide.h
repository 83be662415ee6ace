/* The wide columns of many messages, a page at a time: what FETCH and SEARCH read from metadata. */
#ifndef SORA_IMAP_WIDE_H
#define SORA_IMAP_WIDE_H

#include "libcommon/bus/bus.h"
#include "proto/metadata.pb-c.h"
#include "services/imap/set.h"
#include "services/imap/view.h"

enum { IMAP_WIDE_PAGES = 3 }; /* one that is used, and those that are on their way */

struct imap_wide_page {
	struct bus_call call;
	struct arena arena;
	struct bus_future *future;
	uint64_t end;                   /* the UID behind what was asked for */
};

/* A walk over messages in ascending order of UID. The next pages are on their way while one is used. */
struct imap_wide {
	struct imap_wide_page pages[IMAP_WIDE_PAGES]; /* a ring */
	MetadataFetchRequest request;
	struct imap_image *image;       /* what the client was told: says how many messages a range is */
	struct imap_set uids;
	uint64_t asked;                 /* for all below this UID */
	unsigned turn;                  /* of the page that is used */
	MetadataFetchReply *page;
	size_t at;                      /* in the page */
	size_t text_at;                 /* where the texts of that message begin */
	MetadataFetchReply__Row row;    /* of texts, which are no rows, the one that is used */
	MetadataMail mail;
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
/* Is a page on its way? */
bool imap_wide_is_waiting(const struct imap_wide *wide);
/* Memory of the pages that are held. */
size_t imap_wide_bytes(const struct imap_wide *wide);
void imap_wide_end(struct imap_wide *wide);

#endif
