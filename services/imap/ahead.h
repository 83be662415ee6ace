/*
 * Bodies that are read ahead: while one is sent to the client, the first piece of what is sent next is on its way. FETCH of many mails then
 * waits for the store about once, not once for each.
 */
#ifndef SORA_IMAP_AHEAD_H
#define SORA_IMAP_AHEAD_H

#include "libcommon/blob/blob.h"
#include "proto/metadata.pb-c.h"

struct imap_section;

/* The one that is being sent and two more: of those that wait a piece (256 KiB) each. */
enum { IMAP_AHEAD = 3 };

/* Zeroed is valid and empty. It must stay where it is until imap_ahead_end. */
struct imap_ahead {
	struct imap_ahead_slot {
		uint32_t uid; /* 0: free */
		const struct imap_section *section;
		struct blob_reader in;
	} slots[IMAP_AHEAD];
};

/* Ask for the first piece of the message's section, unless that was done. False: there is no room; what comes behind it is too early. */
bool imap_ahead_start(struct imap_ahead *ahead, const struct bus_call *caller, const MetadataFetchReply__Row *row,
    const struct imap_section *section);
/* The reader that was started for it; NULL: none was. Give it back by imap_ahead_give. */
struct blob_reader *imap_ahead_take(struct imap_ahead *ahead, uint32_t uid, const struct imap_section *section);
void imap_ahead_give(struct imap_ahead *ahead, struct blob_reader *in);
/* What was started for messages before `uid` is not wanted any more. UINT64_MAX: nothing is. */
void imap_ahead_drop(struct imap_ahead *ahead, uint64_t uid);

#endif
