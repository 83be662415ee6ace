/*
 * What each account is to get of a mail: without scripts a copy in INBOX, with scripts what they decide.
 *
 * Recipients that are the same account share a copy. Where it has scripts they are run for each, with the address that was named, and all that
 * they decide is done together: when they can not be run for one, it is done for none, so that the MTA's next try finds everything undone.
 */
#ifndef SORA_LMTP_COPIES_H
#define SORA_LMTP_COPIES_H

#include "services/lmtp/actions.h"

/* One account's. */
struct lmtp_copy {
	struct lmtp_recipient *owner; /* the first of its recipients, whose trace fields it has */
	struct str prefix;
	struct lmtp_actions actions;  /* none: nothing is to be done, as every recipient refuses the mail */
	enum err err;                 /* ERR_OK: decided, or delivered; ERR_RERUN: decide again */
	bool is_done;                 /* it was given to the metadata service, or need not be */
	bool is_kept;                 /* what was decided can not be done: a copy in INBOX instead */
};

struct lmtp_copies {
	struct lmtp_copy *items;
	size_t count;
};

/* A copy for each account, in the transaction's arena; recipients that had the mail before are ERR_LOOP and have none. */
void lmtp_copies_make(struct lmtp_transaction *mail, struct lmtp_copies *ret_copies);
/* Decide what is not decided yet, or to be decided again. False: there is nothing to deliver. */
bool lmtp_copies_decide(struct lmtp_transaction *mail, struct lmtp_copies *copies);
/* Every recipient's `err` is now that of its copy, unless it had its own. */
void lmtp_copies_end(struct lmtp_transaction *mail);
/*
 * The name by which the copy is known when the mail comes again: the transaction's, and where a detail of an address may have decided
 * something, another for each detail. Empty when the mail has none.
 */
struct str lmtp_copy_transaction(struct lmtp_transaction *mail, const struct lmtp_copy *copy);

#endif
