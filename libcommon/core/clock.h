/* Time: a clock that only goes forward for waits, and the wall clock for what is written down. */
#ifndef SORA_CORE_CLOCK_H
#define SORA_CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC: for deadlines and elapsed time. */
int64_t clock_mono_ms(void);
/* Microseconds of CLOCK_MONOTONIC. */
int64_t clock_mono_us(void);
/* Milliseconds since 1970, UTC. */
int64_t clock_wall_ms(void);

/* Milliseconds from now to `deadline_ms` (monotonic); 0 if it has passed. */
int64_t clock_left_ms(int64_t deadline_ms);
/* `deadline_ms` (monotonic) as a timespec of CLOCK_MONOTONIC, for pthread_cond_clockwait. */
struct timespec clock_timespec(int64_t deadline_ms);

#endif
