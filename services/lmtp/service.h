/* The LMTP service: mail in, from MTAs. RFC 2033. */
#ifndef SORA_LMTP_SERVICE_H
#define SORA_LMTP_SERVICE_H

#include "libcommon/service/service.h"

extern const struct service lmtp_service;

#endif
