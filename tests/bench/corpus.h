/* Mails to measure with: the same for every peer and in every run, as mail is: of mixed size and structure, half of them below 5 KB. */
#ifndef SORA_TESTS_BENCH_CORPUS_H
#define SORA_TESTS_BENCH_CORPUS_H

#include "libcommon/core/buffer.h"

enum { CORPUS_BODIES = 512 };

/* Make the bodies; once, before any thread. */
void corpus_init(void);
/* Add mail `number` (headers of its own, one of the bodies) with CRLF, ready to be sent after DATA but for the final dot. */
void corpus_add(struct buffer *out, unsigned long long number);

#endif
