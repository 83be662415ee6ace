/*
 * tls+tcp://, mutual: the certificate of this process on the bus, and what is asked of its peers'.
 *
 * Nobody without a certificate of bus.tls.ca gets further than the handshake (TLS 1.2 or newer). Who it then is, its names say: roles.h.
 * nng does it with OpenSSL, by an engine of ours (tls_engine.c). A certificate that is in use is not changed: that takes a restart.
 */
#ifndef SORA_BUS_TLS_H
#define SORA_BUS_TLS_H

#include <nng/nng.h>

#include "libcommon/config/config.h"
#include "libcommon/core/buffer.h"

struct bus_tls;

/*
 * Read the files that bus.tls.* names. ERR_CONFIG: one is missing, or they do not belong together, or are over; a line for each problem in
 * `problems`.
 */
enum err bus_tls_new(const struct config *config, struct buffer *problems, struct bus_tls **ret_tls);
void bus_tls_free(struct bus_tls *tls);
/* Has our own certificate the name of this role or service? */
bool bus_tls_has_role(const struct bus_tls *tls, const char *role);

/* Before they start: the dialer talks only to who is called SERVICE.sora, the listener only to who has a certificate. An nng error. */
int bus_tls_set_dialer(const struct bus_tls *tls, nng_dialer dialer, const char *service);
int bus_tls_set_listener(const struct bus_tls *tls, nng_listener listener);

/* Why a peer was refused: a row each in tls_refused.c. */
enum bus_refusal { BUS_REFUSAL_CERTIFICATE, BUS_REFUSAL_NO_CERTIFICATE, BUS_REFUSAL_NOT_TLS, BUS_REFUSAL_BY_PEER, BUS_REFUSAL_NAME,
	BUS_REFUSAL_OTHER, BUS_REFUSALS };
/* Say so, for each reason at most once a minute: a peer may try again as often as it likes. `what` says more; may be empty. */
void bus_tls_refused(enum bus_refusal refusal, struct str what);
/* From now on nng's TLS is OpenSSL's. Once, before anything else here. */
void bus_tls_use_openssl(void);

#endif
