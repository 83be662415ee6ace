/* Sets of numbers. */
#include "services/imap/set.h"

#include <stdlib.h>

static int
compare_ranges(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* One range without star, in order, cut off at `largest`. False: nothing of it exists. */
static bool
resolve_range(struct imap_range in, uint32_t largest, struct imap_range *ret)
{
	uint32_t first = in.first == IMAP_STAR ? largest : in.first;
	uint32_t last = in.last == IMAP_STAR ? largest : in.last;

	if (first > last) {
		uint32_t swap = first;

		first = last;
		last = swap;
	}
	if (first > largest)
		return false;
	*ret = (struct imap_range){ first, last < largest ? last : largest };
	return true;
}

struct imap_set
imap_set_resolve(struct imap_set set, uint32_t largest, struct arena *arena)
{
	struct imap_set out = { ARENA_ARRAY(arena, struct imap_range, set.count + 1), 0 };
	size_t kept = 0;

	if (largest == 0)
		return out;
	for (size_t i = 0; i < set.count; i++)
		if (resolve_range(set.ranges[i], largest, &out.ranges[out.count]))
			out.count++;
	qsort(out.ranges, out.count, sizeof(out.ranges[0]), compare_ranges);
	for (size_t i = 0; i < out.count; i++) {
		struct imap_range *last = kept ? &out.ranges[kept - 1] : NULL;

		if (last && out.ranges[i].first <= (uint64_t)last->last + 1)
			last->last = out.ranges[i].last > last->last ? out.ranges[i].last : last->last;
		else
			out.ranges[kept++] = out.ranges[i];
	}
	out.count = kept;
	return out;
}

bool
imap_set_has(struct imap_set set, uint32_t number)
{
	size_t low = 0, high = set.count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (set.ranges[mid].last < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < set.count && set.ranges[low].first <= number;
}

size_t
imap_set_size(struct imap_set set)
{
	size_t size = 0;

	for (size_t i = 0; i < set.count; i++)
		size += (size_t)set.ranges[i].last - set.ranges[i].first + 1;
	return size;
}

void
imap_set_add(struct imap_set *set, uint32_t number)
{
	struct imap_range *last = set->count ? &set->ranges[set->count - 1] : NULL;

	if (last && (last->last == number || last->last + 1 == number))
		last->last = number;
	else
		set->ranges[set->count++] = (struct imap_range){ number, number };
}

static void
print_end(uint32_t number, struct buffer *out)
{
	if (number == IMAP_STAR)
		buffer_add_byte(out, '*');
	else
		buffer_printf(out, "%u", number);
}

void
imap_set_print(struct imap_set set, struct buffer *out)
{
	for (size_t i = 0; i < set.count; i++) {
		if (i > 0)
			buffer_add_byte(out, ',');
		print_end(set.ranges[i].first, out);
		if (set.ranges[i].first == set.ranges[i].last)
			continue;
		buffer_add_byte(out, ':');
		print_end(set.ranges[i].last, out);
	}
}
