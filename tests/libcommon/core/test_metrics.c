#include "libcommon/core/metrics.h"

#include <criterion/criterion.h>
#include <pthread.h>

static void *
add_thousands(void *unused)
{
	(void)unused;
	for (int i = 0; i < 10000; i++)
		metric_add(METRIC_CONN_TOTAL, 1);
	return NULL;
}

Test(metrics, are_counted_from_many_threads)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, add_thousands, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(metric_get(METRIC_CONN_TOTAL), 40000);
}

Test(metrics, a_histogram_is_cumulative)
{
	struct buffer out = { 0 };
	static const char *const lines[] = { "# TYPE sora_imap_command_seconds histogram\n",
		"sora_imap_command_seconds_bucket{le=\"0.0001\"} 1\n", "sora_imap_command_seconds_bucket{le=\"0.001\"} 2\n",
		"sora_imap_command_seconds_bucket{le=\"30\"} 2\n", "sora_imap_command_seconds_bucket{le=\"+Inf\"} 3\n",
		"sora_imap_command_seconds_count 3\n" };

	metric_latency(METRIC_IMAP_COMMAND_US, 50);
	metric_latency(METRIC_IMAP_COMMAND_US, 700);
	metric_latency(METRIC_IMAP_COMMAND_US, 60000000);
	metrics_print(&out);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_assert_lt(str_find(buffer_str(&out), str_c(lines[i])), buffer_len(&out), "%s", lines[i]);
	buffer_clear(&out);
}
