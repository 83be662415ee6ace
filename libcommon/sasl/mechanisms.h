/* What the mechanisms' files give to the table. */
#ifndef SORA_SASL_MECHANISMS_H
#define SORA_SASL_MECHANISMS_H

#include "libcommon/sasl/sasl.h"

enum err sasl_plain_step(struct sasl *sasl, struct str response, struct str *ret_challenge);

#endif
