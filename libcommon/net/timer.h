/*
 * Deadlines of many things by number, one timerfd for all: a binary heap, O(log n).
 *
 * A thing is a number below `count`. Its deadline is only ever made sooner; when it fires, the owner looks at the clock itself
 * and sets the next. So a deadline that moves away with each request costs nothing. Thread safe.
 */
#ifndef SORA_NET_TIMER_H
#define SORA_NET_TIMER_H

#include <pthread.h>
#include <stdint.h>

#include "libcommon/core/err.h"

enum { TIMER_NEVER = 0 };

struct timer_entry {
	int64_t at_ms;
	uint32_t id;
};

struct timers {
	pthread_mutex_t lock;
	int fd;                    /* readable when a deadline has passed */
	int64_t armed_ms;          /* what the timerfd is set to, TIMER_NEVER: nothing */
	struct timer_entry *heap;  /* heap[0] is the next */
	uint32_t len;
	uint32_t *place;           /* of each id: its index in the heap plus 1, 0: not in it */
	_Atomic int64_t *at;       /* of each id: its deadline, TIMER_NEVER: none */
};

/* ERR_INTERNAL: no timerfd to be had. */
enum err timers_init(struct timers *timers, uint32_t count);
void timers_clear(struct timers *timers);

/* `id` fires at `at_ms` (monotonic) or before. */
void timers_sooner(struct timers *timers, uint32_t id, int64_t at_ms);
void timers_remove(struct timers *timers, uint32_t id);
/* Take one whose time has come at `now_ms`, and set the timerfd to the next. False: there is none. */
bool timers_pop(struct timers *timers, int64_t now_ms, uint32_t *ret_id);

#endif
