/* The worker: sweeps and purges. */
#ifndef SORA_WORKER_SERVICE_H
#define SORA_WORKER_SERVICE_H

#include "libcommon/service/service.h"

extern const struct service worker_service;

#endif
