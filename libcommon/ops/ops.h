/* What operators ask a process by HTTP: /metrics, /livez, /readyz (the only includer of microhttpd). */
#ifndef SORA_OPS_OPS_H
#define SORA_OPS_OPS_H

#include "libcommon/core/err.h"
#include "libcommon/core/str.h"

struct ops;

/*
 * Answer on every "host:port" of `listen`. /livez says 200 as long as the process runs; /readyz 200 between ops_set_ready(true) and
 * (false), else 503. It speaks of this process alone: an outage of PostgreSQL must not take every frontend out of its Service.
 * ERR_CONFIG: an address is wrong or taken; logged.
 */
enum err ops_new(const struct str *listen, size_t count, struct ops **ret_ops);
void ops_set_ready(struct ops *ops, bool is_ready);
void ops_free(struct ops *ops);

/* "host:port", "[v6]:port" or "*:port" in its parts; false if it is none. Shared by whoever listens. */
bool ops_split_address(struct str address, struct str *ret_host, uint16_t *ret_port);

#endif
