/*
 * Who is at the other end of a connection. A certificate of the bus is of roles, not of a host: its DNS names are ROLE.sora (imap.sora,
 * metadata.sora), as many as it has roles. A call's header claims one role; it must be among them.
 *
 * By inproc, ipc and plain tcp there is no certificate: that is this process, this user, this host, and what it claims is believed.
 */
#ifndef SORA_BUS_ROLES_H
#define SORA_BUS_ROLES_H

#include <nng/nng.h>
#include <pthread.h>

#include "libcommon/bus/bus.h"

/* The roles of the connections of a socket, which are read once each. */
struct bus_roles {
	pthread_mutex_t lock;
	struct bus_peer *buckets[64];
};

void bus_roles_init(struct bus_roles *roles);
/* When the socket is closed. */
void bus_roles_clear(struct bus_roles *roles);
/* Before the first message of a connection, and after its last: nng's callbacks. */
void bus_roles_add(struct bus_roles *roles, nng_pipe pipe);
void bus_roles_remove(struct bus_roles *roles, nng_pipe pipe);
/* Bits, 1 << enum bus_role. 0: it has none, or is gone. */
uint32_t bus_roles_of(struct bus_roles *roles, nng_pipe pipe);

#endif
