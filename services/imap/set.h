/* Sets of sequence numbers or UIDs: "1,3:5,*".                                                RFC 3501 s. 9 (sequence-set) */
#ifndef SORA_IMAP_SET_H
#define SORA_IMAP_SET_H

#include "libcommon/core/arena.h"
#include "libcommon/core/buffer.h"

enum { IMAP_STAR = 0 };

struct imap_range {
	uint32_t first, last; /* inclusive. As parsed: in any order, IMAP_STAR is "*". Resolved: first <= last, no star */
};

struct imap_set {
	struct imap_range *ranges;
	size_t count;
};

/*
 * "*" becomes `largest`; what lies beyond it is cut off; the ranges become ascending and disjoint, with gaps between them. In a mailbox
 * without messages (`largest` 0) the set is empty. The result lives in `arena`.
 */
struct imap_set imap_set_resolve(struct imap_set set, uint32_t largest, struct arena *arena);
/* Is it in the resolved set? */
bool imap_set_has(struct imap_set set, uint32_t number);
/* How many numbers are in the resolved set. */
size_t imap_set_size(struct imap_set set);
/* Add `number`, not less than all before, to a set with room for it (a range more at most). */
void imap_set_add(struct imap_set *set, uint32_t number);
/* "1:3,5", as it is. */
void imap_set_print(struct imap_set set, struct buffer *out);

#endif
