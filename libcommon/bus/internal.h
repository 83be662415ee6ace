/* What the files of the bus share. */
#ifndef SORA_BUS_INTERNAL_H
#define SORA_BUS_INTERNAL_H

#include <pthread.h>

#include "libcommon/bus/bus.h"
#include "libcommon/bus/remote.h"
#include "libcommon/bus/server.h"
#include "libcommon/bus/tls.h"
#include "libcommon/config/config.h"

/* The services there are, and their settings: a row each, in bus.c. */
enum { BUS_SERVICES = 3 };

struct bus {
	const struct config *config;
	struct bus_tls *tls; /* NULL: no URL is of tls+tcp */
	struct bus_remote *remotes[BUS_SERVICES];
	pthread_mutex_t lock; /* of the list of servers */
	struct bus_server *servers;
};

bool bus_has_service(struct str name);
/* NULL: no such service. */
struct bus_remote *bus_remote_of(struct bus *bus, const char *service);

#endif
