/* The blob service: bodies, in a directory or in S3. */
#ifndef SORA_BLOB_SERVICE_H
#define SORA_BLOB_SERVICE_H

#include "libcommon/service/service.h"

extern const struct service blob_service;

#endif
