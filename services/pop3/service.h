/* The POP3 service: maildrops for clients that fetch and delete. RFC 1939. */
#ifndef SORA_POP3_SERVICE_H
#define SORA_POP3_SERVICE_H

#include "libcommon/service/service.h"

extern const struct service pop3_service;

#endif
