/* Certificates that end soon: said while there is time. When each ends is a metric, set by who has read it. */
#ifndef SORA_SERVICE_EXPIRY_H
#define SORA_SERVICE_EXPIRY_H

#include <stdint.h>

/* Say which certificates in use end within 21 days: at the start, when they have been read again, and daily. */
void expiry_warn(int64_t now_s);
/* The same, unless a day has not passed since it was last said: to be called every now and then. */
void expiry_tick(int64_t now_s);

#endif
