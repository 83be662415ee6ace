/*
 * A connection that we make: one thread's, blocking by deadlines, with TLS from its begin or from any point on. The peer must show a
 * certificate of an authority that is trusted, for the name that was dialled.
 */
#ifndef SORA_NET_DIAL_H
#define SORA_NET_DIAL_H

#include <stdint.h>

#include "libcommon/core/arena.h"
#include "libcommon/core/err.h"

struct net_dialled;

/*
 * Asked about once a second while there is something to wait for, also of a peer that is slow but never silent. Not ERR_OK: the wait ends with
 * that, unless what it waits for is there.
 */
typedef enum err net_patience(void *self);

struct net_dial_options {
	const char *host;
	uint16_t port;
	const char *ca_file;     /* PEM; NULL: the system's authorities */
	int64_t connect_ms;      /* the longest that all of its addresses together may take */
	net_patience *patience;  /* NULL: none */
	void *self;
};

/* Errors are ERR_UNAVAILABLE, ERR_DEADLINE, ERR_CLOSED (by the peer), or what `patience` said; why is in `reason`. `options` must outlive it. */
enum err net_dial(const struct net_dial_options *options, struct net_dialled **ret, struct arena *arena, struct str *reterr_reason);
/* TLS from now on. What was read and not taken by then must be thrown away by the caller (RFC 3207 s. 6). ERR_DENIED: the certificate. */
enum err net_dialled_tls(struct net_dialled *d, int64_t deadline_ms, struct arena *arena, struct str *reterr_reason);
/* At least one byte, at most `size`. */
enum err net_dialled_read(struct net_dialled *d, char *to, size_t size, int64_t deadline_ms, size_t *ret_len);
/* All of it. */
enum err net_dialled_write(struct net_dialled *d, struct str bytes, int64_t deadline_ms);
bool net_dialled_has_tls(const struct net_dialled *d);
void net_dialled_free(struct net_dialled *d);

#endif
