/* The ManageSieve service: scripts, for the editors of those who own them. RFC 5804. */
#ifndef SORA_MANAGESIEVE_SERVICE_H
#define SORA_MANAGESIEVE_SERVICE_H

#include "libcommon/service/service.h"

extern const struct service managesieve_service;

#endif
