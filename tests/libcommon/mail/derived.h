/* Tests of structure, derive and parts look at a message through the same helper: parse it, derive it, keep both. */
#ifndef TESTS_MAIL_DERIVED_H
#define TESTS_MAIL_DERIVED_H

#include "libcommon/mail/derive.h"

struct derived {
	struct mail_parser parser;
	struct arena arena;
	const struct mail_message *message;
	struct mail_derived row;
};

/* `bytes` fed in pieces of `first` bytes once and of `piece` after that (0: all of it). End with derived_clear. */
void derived_make(struct derived *d, struct str bytes, size_t first, size_t piece);
void derived_clear(struct derived *d);

/* Every split of `bytes` in two, and in pieces of one byte, gives the same row as the whole. */
void derived_check_splits(struct str bytes);

#endif
