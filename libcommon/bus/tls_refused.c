/* Peers that were refused: said in words that help, and not more often than anyone can read. */
#include <pthread.h>

#include "libcommon/bus/tls.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/log.h"
#include "libcommon/core/metrics.h"

enum { SAY_EVERY_MS = 60000 };

static const struct {
	const char *reason, *text;
} rows[BUS_REFUSALS] = {
	[BUS_REFUSAL_CERTIFICATE] = { "certificate", "the peer's certificate is not of our bus.tls.ca, or is over: deploy/certificates makes and renews them" },
	[BUS_REFUSAL_NO_CERTIFICATE] = { "no certificate", "the peer has no certificate: it needs bus.tls.certificate and bus.tls.key" },
	[BUS_REFUSAL_NOT_TLS] = { "not TLS", "the peer does not speak TLS: its URL of this port begins with tls+tcp://" },
	[BUS_REFUSAL_BY_PEER] = { "by peer", "the peer refused our certificate: its log says why; is ours over, or of another bus.tls.ca?" },
	[BUS_REFUSAL_NAME] = { "name", "the peer's certificate lacks the name of the service that it is to be" },
	[BUS_REFUSAL_OTHER] = { "other", "the TLS handshake failed" },
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	int64_t said_ms; /* 0: never */
	int64_t times;   /* since then */
} states[BUS_REFUSALS];

void
bus_tls_refused(enum bus_refusal refusal, struct str what)
{
	static const struct log log = { .service = "bus" };
	int64_t now = clock_mono_ms(), times = 0;

	metric_add(METRIC_BUS_TLS_REFUSED, 1);
	pthread_mutex_lock(&lock);
	states[refusal].times++;
	if (states[refusal].said_ms == 0 || now - states[refusal].said_ms >= SAY_EVERY_MS) {
		states[refusal].said_ms = now;
		times = states[refusal].times;
		states[refusal].times = 0;
	}
	pthread_mutex_unlock(&lock);
	if (times > 0)
		log_warn(&log, "bus.tls.refused", KV_C("reason", rows[refusal].reason), KV_STR("what", what), KV_INT("times", times),
		    KV_C("text", rows[refusal].text));
}
