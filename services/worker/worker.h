/*
 * The worker: jobs that run now and then, each on a thread of its own.
 *
 * Any number of workers may run: every job's steps may be done twice. A job that meets an error stops and tries again at its next time.
 */
#ifndef SORA_WORKER_WORKER_H
#define SORA_WORKER_WORKER_H

#include <pthread.h>

#include "libcommon/bus/bus.h"
#include "libcommon/config/config.h"

struct worker {
	const struct config *config;
	struct bus *bus;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	bool is_stopping;
};

/* One run of one job. */
struct job_run {
	struct worker *worker;
	struct bus_call call;  /* its arena is reset between steps */
	struct arena arena;
	struct log log;
};

/* The call to make next, with a deadline near enough that the end of the worker need not wait long for it. */
struct bus_call *worker_call(struct job_run *run);

/* Wait until `until_ms` (monotonic). False: the worker ends. */
bool worker_wait(struct worker *worker, int64_t until_ms);

/*
 * Are the clocks of metadata's database, of the blob service, of its store and ours within 10 minutes of each other? ERR_CLOCK, logged;
 * or that one of them could not be asked.
 */
enum err worker_check_clocks(struct job_run *run);

/* ---- jobs */

/* Remove objects that no message refers to. */
enum err sweep_run(struct job_run *run);
/* Remove expunged messages past their time, then the objects whose time has come. */
enum err purge_run(struct job_run *run);

#endif
