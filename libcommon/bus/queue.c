/* Calls that wait for a thread. */
#include "libcommon/bus/queue.h"

#include <stdlib.h>

#include "libcommon/bus/remote.h"
#include "libcommon/bus/slot.h"
#include "libcommon/core/mem.h"

static size_t
half(size_t n)
{
	return n > 1 ? n / 2 : 1;
}

void
bus_queue_init(struct bus_queue *queue, const struct bus_limits *limits)
{
	*queue = (struct bus_queue){ .waiting_max = limits->queue, .line_waiting_max = half(limits->queue),
		.line_running_max = half(limits->threads) };
	queue->last = &queue->first;
	queue->lines = mem_calloc(BUS_LINES, sizeof(*queue->lines));
	for (size_t i = 0; i < BUS_LINES; i++)
		queue->lines[i].last = &queue->lines[i].first;
}

void
bus_queue_clear(struct bus_queue *queue)
{
	free(queue->lines);
}

static struct bus_line *
line_of(struct bus_queue *queue, uint64_t route)
{
	uint64_t n = route != 0 ? bus_weight(route, 0) : queue->turn++;

	return &queue->lines[n % BUS_LINES];
}

/* It may run, if it may. */
static void
make_ready(struct bus_queue *queue, struct bus_line *line)
{
	if (line->is_ready || line->first == NULL || line->running >= queue->line_running_max)
		return;
	line->is_ready = true;
	line->next = NULL;
	*queue->last = line;
	queue->last = &line->next;
}

enum err
bus_queue_put(struct bus_queue *queue, struct bus_slot *slot, uint64_t route)
{
	struct bus_line *line = line_of(queue, route);

	if (queue->waiting >= queue->waiting_max || line->waiting >= queue->line_waiting_max)
		return ERR_BUSY;
	slot->next = NULL;
	*line->last = slot;
	line->last = &slot->next;
	line->waiting++;
	queue->waiting++;
	make_ready(queue, line);
	return ERR_OK;
}

struct bus_slot *
bus_queue_take(struct bus_queue *queue, struct bus_line **ret_line)
{
	struct bus_line *line = queue->first;
	struct bus_slot *slot;

	if (line == NULL)
		return NULL;
	queue->first = line->next;
	if (queue->first == NULL)
		queue->last = &queue->first;
	line->is_ready = false;
	slot = line->first;
	line->first = slot->next;
	if (line->first == NULL)
		line->last = &line->first;
	line->waiting--;
	line->running++;
	queue->waiting--;
	queue->running++;
	make_ready(queue, line);
	*ret_line = line;
	return slot;
}

void
bus_queue_done(struct bus_queue *queue, struct bus_line *line)
{
	line->running--;
	queue->running--;
	make_ready(queue, line);
}

struct bus_slot *
bus_queue_drop(struct bus_queue *queue)
{
	for (size_t i = 0; i < BUS_LINES; i++) {
		struct bus_slot *slot = queue->lines[i].first;

		if (slot != NULL) {
			queue->lines[i].first = slot->next;
			return slot;
		}
	}
	return NULL;
}
