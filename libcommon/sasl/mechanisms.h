/* What the mechanisms' files give to the table, and what they share. */
#ifndef SORA_SASL_MECHANISMS_H
#define SORA_SASL_MECHANISMS_H

#include "libcommon/sasl/sasl.h"

enum err sasl_plain_step(struct sasl *sasl, struct str response, struct str *ret_challenge);
enum err sasl_scram_step(struct sasl *sasl, struct str response, struct str *ret_challenge);

/* ERR_DENIED: it is someone else's name than `user`, who is prepared: nobody may act for others. Empty: there is none. */
enum err sasl_check_authzid(struct sasl *sasl, struct str authzid, struct str user);

#endif
