/* Counters, gauges and latency histograms. */
#include "libcommon/core/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>

enum kind { COUNTER, GAUGE, LATENCY };

static const struct {
	const char *name;
	enum kind kind;
	const char *help;
} rows[METRIC_COUNT] = {
#define X(id, name, kind, help) { name, kind, help },
	METRICS_TABLE(X)
#undef X
};

/* Upper bounds of the histogram's buckets, microseconds. */
static const int64_t bounds_us[] = { 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
	1000000, 5000000, 30000000 };
enum { BOUNDS = sizeof(bounds_us) / sizeof(bounds_us[0]) };

static struct {
	_Atomic int64_t value; /* LATENCY: the sum in microseconds */
	_Atomic int64_t count;
	_Atomic int64_t buckets[BOUNDS];
} values[METRIC_COUNT];

void
metric_add(enum metric metric, int64_t value)
{
	atomic_fetch_add_explicit(&values[metric].value, value, memory_order_relaxed);
}

void
metric_set(enum metric metric, int64_t value)
{
	atomic_store_explicit(&values[metric].value, value, memory_order_relaxed);
}

void
metric_latency(enum metric metric, int64_t elapsed_us)
{
	metric_add(metric, elapsed_us);
	atomic_fetch_add_explicit(&values[metric].count, 1, memory_order_relaxed);
	for (int i = 0; i < BOUNDS; i++) {
		if (elapsed_us <= bounds_us[i]) {
			atomic_fetch_add_explicit(&values[metric].buckets[i], 1, memory_order_relaxed);
			break;
		}
	}
}

int64_t
metric_get(enum metric metric)
{
	return atomic_load_explicit(&values[metric].value, memory_order_relaxed);
}

static void
print_latency(struct buffer *out, int i)
{
	int64_t below = 0;

	for (int b = 0; b < BOUNDS; b++) {
		below += values[i].buckets[b];
		buffer_printf(out, "%s_bucket{le=\"%g\"} %" PRId64 "\n", rows[i].name, (double)bounds_us[b] / 1e6, below);
	}
	buffer_printf(out, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n", rows[i].name, values[i].count);
	buffer_printf(out, "%s_sum %g\n", rows[i].name, (double)values[i].value / 1e6);
	buffer_printf(out, "%s_count %" PRId64 "\n", rows[i].name, values[i].count);
}

void
metrics_print(struct buffer *out)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };

	for (int i = 0; i < METRIC_COUNT; i++) {
		buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", rows[i].name, rows[i].help, rows[i].name,
		    kinds[rows[i].kind]);
		if (rows[i].kind == LATENCY)
			print_latency(out, i);
		else
			buffer_printf(out, "%s %" PRId64 "\n", rows[i].name, metric_get((enum metric)i));
	}
}
