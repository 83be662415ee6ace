/*
 * Bodies that are read ahead: while one is sent to the client, the first pieces of what is sent next are on their way. FETCH of many mails then
 * waits for the store about once, not once for each; short ones are asked for many at once.
 */
#ifndef SORA_IMAP_AHEAD_H
#define SORA_IMAP_AHEAD_H

#include "libcommon/blob/blob.h"
#include "proto/metadata.pb-c.h"

struct imap_section;

enum {
	IMAP_AHEAD = 32,
	IMAP_AHEAD_LONG = 3,            /* the one that is being sent and two more, whatever their length: of each a piece (256 KiB) waits */
	IMAP_AHEAD_BYTES = 256 * 1024,  /* of all together, where there are more */
	IMAP_AHEAD_EARLY_BYTES = 128 * 1024, /* where they are held between commands, */
	IMAP_AHEAD_EARLY_MS = 1000,          /* and waited for so long */
};

/* Zeroed is valid and empty. It must stay where it is until imap_ahead_drop of all. */
struct imap_ahead {
	struct imap_ahead_slot {
		uint32_t uid; /* 0: free */
		const struct imap_section *section;
		uint64_t bytes; /* of its first piece */
		struct blob_reader in;
	} slots[IMAP_AHEAD];
	/*
	 * They are held between commands: only what comes in one piece, all of it within IMAP_AHEAD_EARLY_BYTES, and nobody waits longer
	 * than IMAP_AHEAD_EARLY_MS for it, nor for its end. What failed is to be read anew.
	 */
	bool is_early;
	size_t count;   /* that are not free */
	uint64_t bytes; /* of them */
};

/* So little is under way that more should be asked for: add, then start. */
bool imap_ahead_is_low(const struct imap_ahead *ahead);
/* The first piece of the message's section will be read, if it was not added before. False: there is no room; what comes behind it is too early. */
bool imap_ahead_add(struct imap_ahead *ahead, const struct bus_call *caller, const MetadataFetchReply__Row *row,
    const struct imap_section *section);
/* Ask for all that was added. */
void imap_ahead_start(struct imap_ahead *ahead);
/* The reader that was added for it; NULL: none was. Give it back by imap_ahead_give. */
struct blob_reader *imap_ahead_take(struct imap_ahead *ahead, uint32_t uid, const struct imap_section *section);
void imap_ahead_give(struct imap_ahead *ahead, struct blob_reader *in);
/* What was added for messages before `uid` is not wanted any more. UINT64_MAX: nothing is. */
void imap_ahead_drop(struct imap_ahead *ahead, uint64_t uid);

#endif
