/*
 * What is said of one recipient, from what became of it: `code` is "250 2.0.0". What the table of errors calls permanent is so only where it
 * is said of the recipient or the mail; any other failure is ours, and temporary: no mail bounces for it.
 */
#ifndef SORA_LMTP_OUTCOME_H
#define SORA_LMTP_OUTCOME_H

#include "libcommon/core/err.h"

struct lmtp_outcome {
	const char *code, *text;
};

struct lmtp_outcome lmtp_outcome(enum err err, bool is_overquota_temporary);

static inline bool
lmtp_is_delivered(struct lmtp_outcome outcome)
{
	return outcome.code[0] == '2';
}

static inline bool
lmtp_is_refused(struct lmtp_outcome outcome)
{
	return outcome.code[0] == '5';
}

#endif
