/* The metadata service: everything but bodies, in PostgreSQL. */
#ifndef SORA_METADATA_SERVICE_H
#define SORA_METADATA_SERVICE_H

#include "libcommon/service/service.h"

extern const struct service metadata_service;

#endif
