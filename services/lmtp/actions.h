/*
 * What scripts have decided, as the metadata service is to do it: actions, and the mails that they bring along, stored.
 *
 * An account that has the mail by several addresses gets the actions of all of them together.
 */
#ifndef SORA_LMTP_ACTIONS_H
#define SORA_LMTP_ACTIONS_H

#include "services/lmtp/filter.h"

enum { LMTP_ACTIONS_MAX = 64 }; /* for one account */

/* Zeroed: none. */
struct lmtp_actions {
	MetadataAction *items[LMTP_ACTIONS_MAX];
	size_t count;
	struct lmtp_upload *uploads; /* mails of theirs that are on their way to the store */
};

/*
 * Add the actions of a filter that has decided, in the transaction's arena; of a refusal there are none, and the recipient's `refusal` is
 * the text. The uploads of their mails begin; they live in `arena` until lmtp_actions_settle, which comes before the actions are used.
 *
 * ERR_OK
 * ERR_REFUSED  the recipient refuses the mail
 * ERR_LIMIT    too many actions for one account
 */
enum err lmtp_actions_add(struct lmtp_transaction *mail, const struct lmtp_filter *filter, struct lmtp_actions *actions, struct arena *arena);
/* Wait until all is stored. Errors of the store; nothing of the uploads is left in any case. */
enum err lmtp_actions_settle(struct lmtp_transaction *mail, struct lmtp_actions *actions);

/* A text as a reply may have it: lines of ASCII, at most so long and so many, "\n" between them. RFC 5429 s. 2.1.1, RFC 6531 s. 3.7.4.2 */
enum { LMTP_REFUSAL_LINE_MAX = 400, LMTP_REFUSAL_LINES_MAX = 20 };
struct str lmtp_refusal(struct str text, struct arena *arena);

#endif
