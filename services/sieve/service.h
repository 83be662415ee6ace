/* The Sieve service. */
#ifndef SORA_SIEVE_SERVICE_H
#define SORA_SIEVE_SERVICE_H

#include "libcommon/service/service.h"

extern const struct service sieve_service;

#endif
