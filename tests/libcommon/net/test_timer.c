#include "libcommon/net/timer.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>

#include "libcommon/core/clock.h"

enum { COUNT = 1000 };

Test(timer, what_is_due_comes_out_and_nothing_else)
{
	struct timers timers;
	int64_t at[COUNT] = { 0 };
	uint32_t id;

	cr_assert_eq(timers_init(&timers, COUNT), ERR_OK);
	srand(7);
	for (int step = 0; step < 50000; step++) {
		uint32_t any = (uint32_t)rand() % COUNT;
		int64_t when = 1 + rand() % 100000;

		if (rand() % 4 == 0) {
			timers_remove(&timers, any);
			at[any] = 0;
		} else {
			timers_sooner(&timers, any, when);
			at[any] = at[any] == 0 || when < at[any] ? when : at[any];
		}
	}
	for (int64_t now = 0; now <= 101000; now += 1000) {
		while (timers_pop(&timers, now, &id)) {
			cr_assert(at[id] > now - 1000 && at[id] <= now, "%u at %ld, now %ld", id, (long)at[id], (long)now);
			at[id] = 0;
		}
	}
	for (id = 0; id < COUNT; id++)
		cr_assert_eq(at[id], 0, "%u was lost", id);
	timers_clear(&timers);
}

Test(timer, the_descriptor_is_readable_when_one_is_due)
{
	struct timers timers;
	struct pollfd fd;
	uint32_t id;

	cr_assert_eq(timers_init(&timers, 3), ERR_OK);
	fd = (struct pollfd){ .fd = timers.fd, .events = POLLIN };
	timers_sooner(&timers, 0, clock_mono_ms() + 100000);
	timers_sooner(&timers, 2, clock_mono_ms() + 20);
	cr_assert_eq(poll(&fd, 1, 5000), 1);
	cr_assert(timers_pop(&timers, clock_mono_ms(), &id));
	cr_assert_eq(id, 2);
	cr_assert_not(timers_pop(&timers, clock_mono_ms(), &id));
	cr_assert_eq(poll(&fd, 1, 0), 0, "set to the next, which is far");
	timers_clear(&timers);
}
