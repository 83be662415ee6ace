/* Every service there is, in the order in which they start. */
#ifndef SORA_SORA_ALL_H
#define SORA_SORA_ALL_H

#include "libcommon/service/service.h"

enum { SORA_SERVICES = 8 };
extern const struct service *const sora_services[SORA_SERVICES];

#endif
