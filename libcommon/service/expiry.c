/* Certificates that end soon. */
#include "libcommon/service/expiry.h"

#include <stdatomic.h>

#include "libcommon/core/log.h"
#include "libcommon/core/metrics.h"

enum { DAY_S = 24 * 3600, WARN_DAYS = 21 };

static const struct {
	enum metric ends;
	const char *setting, *text;
} rows[] = {
	{ METRIC_TLS_ENDS, "tls.certificate", "renew it, then SIGHUP" },
	{ METRIC_BUS_CERTIFICATE_ENDS, "bus.tls.certificate", "renew it (deploy/certificates), then restart, one process after the other" },
	{ METRIC_BUS_AUTHORITY_ENDS, "bus.tls.ca", "change the authority: docs/operators.md says how" },
};

static const struct log process_log = { .service = "process" };
static _Atomic int64_t said_s;

void
expiry_warn(int64_t now_s)
{
	atomic_store(&said_s, now_s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t left_s = metric_get(rows[i].ends) - now_s;

		/* 0: there is none. */
		if (metric_get(rows[i].ends) != 0 && left_s < WARN_DAYS * DAY_S)
			log_warn(&process_log, "process.certificate_ends", KV_C("setting", rows[i].setting),
			    KV_INT("days_left", left_s / DAY_S), KV_C("text", rows[i].text));
	}
}

void
expiry_tick(int64_t now_s)
{
	if (now_s - atomic_load(&said_s) >= DAY_S)
		expiry_warn(now_s);
}
