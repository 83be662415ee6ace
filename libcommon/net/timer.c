/* Deadlines: a binary heap of numbers, and one timerfd set to its top. */
#include "libcommon/net/timer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"

enum err
timers_init(struct timers *timers, uint32_t count)
{
	*timers = (struct timers){ .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC) };
	if (timers->fd < 0)
		return ERR_INTERNAL;
	pthread_mutex_init(&timers->lock, NULL);
	timers->heap = mem_calloc(count, sizeof(*timers->heap));
	timers->place = mem_calloc(count, sizeof(*timers->place));
	timers->at = mem_calloc(count, sizeof(*timers->at));
	return ERR_OK;
}

void
timers_clear(struct timers *timers)
{
	if (timers->heap == NULL)
		return;
	close(timers->fd);
	pthread_mutex_destroy(&timers->lock);
	free(timers->heap);
	free(timers->place);
	free(timers->at);
	*timers = (struct timers){ 0 };
}

static void
put(struct timers *timers, uint32_t index, struct timer_entry entry)
{
	timers->heap[index] = entry;
	timers->place[entry.id] = index + 1;
}

static void
sift_up(struct timers *timers, uint32_t index, struct timer_entry entry)
{
	while (index > 0) {
		uint32_t parent = (index - 1) / 2;

		if (timers->heap[parent].at_ms <= entry.at_ms)
			break;
		put(timers, index, timers->heap[parent]);
		index = parent;
	}
	put(timers, index, entry);
}

static void
sift_down(struct timers *timers, uint32_t index, struct timer_entry entry)
{
	for (;;) {
		uint32_t child = index * 2 + 1;

		if (child >= timers->len)
			break;
		if (child + 1 < timers->len && timers->heap[child + 1].at_ms < timers->heap[child].at_ms)
			child++;
		if (timers->heap[child].at_ms >= entry.at_ms)
			break;
		put(timers, index, timers->heap[child]);
		index = child;
	}
	put(timers, index, entry);
}

static void
take_out(struct timers *timers, uint32_t index)
{
	uint32_t id = timers->heap[index].id;
	struct timer_entry last = timers->heap[--timers->len];

	timers->place[id] = 0;
	atomic_store(&timers->at[id], TIMER_NEVER);
	if (index == timers->len)
		return;
	if (index > 0 && last.at_ms < timers->heap[(index - 1) / 2].at_ms)
		sift_up(timers, index, last);
	else
		sift_down(timers, index, last);
}

/* Set the timerfd to the heap's top. */
static void
arm(struct timers *timers)
{
	int64_t at_ms = timers->len > 0 ? timers->heap[0].at_ms : TIMER_NEVER;
	struct itimerspec spec = { .it_value = clock_timespec(at_ms) };

	timers->armed_ms = at_ms;
	timerfd_settime(timers->fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

void
timers_sooner(struct timers *timers, uint32_t id, int64_t at_ms)
{
	int64_t old = atomic_load(&timers->at[id]);
	struct timer_entry entry = { .at_ms = at_ms, .id = id };

	if (old != TIMER_NEVER && old <= at_ms)
		return;
	pthread_mutex_lock(&timers->lock);
	if (timers->place[id] == 0) {
		sift_up(timers, timers->len++, entry);
		atomic_store(&timers->at[id], at_ms);
	} else if (timers->heap[timers->place[id] - 1].at_ms > at_ms) {
		sift_up(timers, timers->place[id] - 1, entry);
		atomic_store(&timers->at[id], at_ms);
	}
	if (timers->armed_ms == TIMER_NEVER || timers->heap[0].at_ms < timers->armed_ms)
		arm(timers);
	pthread_mutex_unlock(&timers->lock);
}

void
timers_remove(struct timers *timers, uint32_t id)
{
	if (atomic_load(&timers->at[id]) == TIMER_NEVER)
		return;
	pthread_mutex_lock(&timers->lock);
	if (timers->place[id] != 0)
		take_out(timers, timers->place[id] - 1);
	pthread_mutex_unlock(&timers->lock);
}

bool
timers_pop(struct timers *timers, int64_t now_ms, uint32_t *ret_id)
{
	bool is_due;

	pthread_mutex_lock(&timers->lock);
	is_due = timers->len > 0 && timers->heap[0].at_ms <= now_ms;
	if (is_due) {
		*ret_id = timers->heap[0].id;
		take_out(timers, 0);
	}
	arm(timers);
	pthread_mutex_unlock(&timers->lock);
	return is_due;
}
