/* The blob service: bodies, in a directory or in S3. */
#ifndef SORA_BLOB_SERVICE_H
#define SORA_BLOB_SERVICE_H

#include "libcommon/service/service.h"

extern const struct service blob_service;

/* The verb create-bucket: make what the configuration names; there already is fine. Returns the exit code. */
int blob_create_bucket(const struct config *config, int argc, char **argv);

#endif
