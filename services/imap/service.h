/* The IMAP frontend. */
#ifndef SORA_IMAP_SERVICE_H
#define SORA_IMAP_SERVICE_H

#include "libcommon/service/service.h"

extern const struct service imap_service;

#endif
