/* Certificates that end soon are named, and not more often than daily. */
#include "libcommon/service/expiry.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

#include "libcommon/core/metrics.h"

enum { DAY = 24 * 3600 };
static const int64_t now = 1800000000;

TestSuite(expiry, .init = cr_redirect_stderr);

/* What has been logged since the last look has these words so often. */
static int
said(const char *words)
{
	static char text[65536];
	size_t got = fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr());
	int count = 0;

	text[got] = '\0';
	for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
		count++;
	return count;
}

Test(expiry, what_ends_within_three_weeks_is_named)
{
	static const struct {
		int64_t ends;
		const char *says;
	} rows[] = {
		{ 0, NULL }, /* none is used */
		{ now + 400 * DAY, NULL },
		{ now + 21 * DAY, NULL },
		{ now + 21 * DAY - 1, "days_left=20 " },
		{ now + 5, "days_left=0 " },
		{ now - 2 * DAY, "days_left=-2 " },
	};
	static const struct {
		enum metric ends;
		const char *setting;
	} settings[] = { { METRIC_TLS_ENDS, "setting=tls.certificate " }, { METRIC_BUS_CERTIFICATE_ENDS, "setting=bus.tls.certificate " },
		{ METRIC_BUS_AUTHORITY_ENDS, "setting=bus.tls.ca " } };

	for (int s = 0; s < 3; s++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			char line[100];

			metric_set(settings[s].ends, rows[i].ends);
			expiry_warn(now);
			/* Something to read, so that the look does not wait. */
			fprintf(stderr, "%s.\n", rows[i].says ? "" : settings[s].setting);
			fflush(stderr);
			snprintf(line, sizeof(line), "%s%s", settings[s].setting, rows[i].says ? rows[i].says : "");
			cr_expect_eq(said(line), 1, "%s %zu", settings[s].setting, i);
		}
		metric_set(settings[s].ends, 0);
	}
}

Test(expiry, it_is_said_once_a_day)
{
	metric_set(METRIC_TLS_ENDS, now + 3 * DAY);
	expiry_warn(now);
	for (int64_t s = 600; s <= 2 * DAY; s += 600)
		expiry_tick(now + s);
	cr_expect_eq(said("event=process.certificate_ends"), 3, "at the start, after a day, after another");
}
