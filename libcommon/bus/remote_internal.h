/* What remote.c (choosing) and remote_refresh.c (the list and its thread) share. */
#ifndef SORA_BUS_REMOTE_INTERNAL_H
#define SORA_BUS_REMOTE_INTERNAL_H

#include <pthread.h>

#include "libcommon/bus/remote.h"
#include "libcommon/core/log.h"

struct bus_replica {
	struct bus_replica *next;
	uint64_t id; /* hash of the URL: the same in every frontend */
	char *url;
	struct bus_link *links[BUS_LANE_KINDS]; /* those that were needed so far; set once, under the lock */
	int64_t opened_ms[BUS_LANE_KINDS];      /* since when there are */
	size_t refs;                            /* calls that hold it */
	bool is_listed;                         /* the last look at the names found it */
	int64_t gone_ms;                        /* since when not */
	unsigned failures;                      /* of infrastructure, in a row */
	unsigned ejections;                     /* in a row */
	int64_t avoid_until_ms;                 /* asked only when there is no other */
	unsigned avoid_generation;              /* while it is still this connection; 0: in any case */
	bool is_probed;                         /* it was left alone, and one call is finding out whether it is well */
};

struct bus_remote {
	struct log log;
	const struct str *urls;
	size_t url_count;
	const struct bus_tls *tls;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a replica connected, was lost, or is free to go; or something is wanted */
	struct bus_replica *replicas;
	size_t callers; /* threads that are inside of a function of this remote */
	bool wants[BUS_LANE_KINDS];
	bool is_started, is_closed, has_names;
	bool is_stale; /* something is wanted that is not open yet */
	pthread_t thread;
};

/* Called under the lock: see that connections of this kind are there, soon. */
void bus_remote_want(struct bus_remote *remote, enum bus_lane_kind kind);

#endif
