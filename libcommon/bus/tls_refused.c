/* Peers that were refused: said in words that help, and not more often than anyone can read. */
#include "libcommon/bus/tls.h"
#include "libcommon/core/log.h"
#include "libcommon/core/metrics.h"

static const struct {
	const char *reason, *text;
} rows[BUS_REFUSALS] = {
	[BUS_REFUSAL_CERTIFICATE] = { "certificate", "the peer's certificate is not of our bus.tls.ca, or is over: deploy/certificates makes and renews them" },
	[BUS_REFUSAL_NO_CERTIFICATE] = { "no certificate", "the peer has no certificate: it needs bus.tls.certificate and bus.tls.key" },
	[BUS_REFUSAL_NOT_TLS] = { "not TLS", "the peer does not speak TLS: its URL of this port begins with tls+tcp://" },
	[BUS_REFUSAL_BY_PEER] = { "by peer", "the peer refused our certificate: its log says why; is ours over, or of another bus.tls.ca?" },
	[BUS_REFUSAL_NAME] = { "name", "the peer's certificate lacks the name of the service that it is to be: deploy/certificates makes one for each" },
	[BUS_REFUSAL_OTHER] = { "other", "the TLS handshake failed: is the peer one of Sora's processes?" },
};

static struct log_seldom refused[BUS_REFUSALS];

void
bus_tls_refused(enum bus_refusal refusal, struct str what)
{
	static const struct log log = { .service = "bus" };
	int64_t times;

	metric_add(METRIC_BUS_TLS_REFUSED, 1);
	times = log_seldom(&refused[refusal]);
	if (times > 0)
		log_warn(&log, "bus.tls.refused", KV_C("reason", rows[refusal].reason), KV_STR("what", what), KV_INT("times", times),
		    KV_C("text", rows[refusal].text));
}
