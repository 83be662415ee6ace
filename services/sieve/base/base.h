/* What the base language's files share. */
#ifndef SORA_SIEVE_BASE_H
#define SORA_SIEVE_BASE_H

#include "services/sieve/ext.h"

/* Of the comparator's folded texts: -1, 0, 1; false when it is undefined. */
bool sieve_compare(const struct sieve_comparator *comparator, const struct sieve_text *a, const struct sieve_text *b, int *ret_order);

#endif
