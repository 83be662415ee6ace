/*
 * Calls that wait for a thread, in a line for each route (an account, an object). Lines take turns, and one has at most half of the threads
 * and half of the places: whoever hammers one mailbox waits for himself, not for the others.
 */
#ifndef SORA_BUS_QUEUE_H
#define SORA_BUS_QUEUE_H

#include "libcommon/bus/bus.h"

struct bus_slot;

/* So many lines: routes may share one. */
enum { BUS_LINES = 1024 };

struct bus_line {
	struct bus_slot *first, **last;
	struct bus_line *next; /* of those that may run */
	size_t waiting, running;
	bool is_ready; /* is in the list of those */
};

/* Under its owner's lock. */
struct bus_queue {
	struct bus_line *lines;
	struct bus_line *first, **last;
	size_t waiting, waiting_max, line_waiting_max, line_running_max;
	size_t running;
	size_t turn; /* calls without a route take the lines in turn */
};

void bus_queue_init(struct bus_queue *queue, const struct bus_limits *limits);
void bus_queue_clear(struct bus_queue *queue);
/* ERR_BUSY: too many wait, in all or of this route. */
enum err bus_queue_put(struct bus_queue *queue, struct bus_slot *slot, uint64_t route);
/* The next that may run, which then runs on *ret_line; NULL: there is none. */
struct bus_slot *bus_queue_take(struct bus_queue *queue, struct bus_line **ret_line);
/* Any of those that wait, when none will run; NULL: there is none. */
struct bus_slot *bus_queue_drop(struct bus_queue *queue);
/* It no longer holds a thread. */
void bus_queue_done(struct bus_queue *queue, struct bus_line *line);

#endif
