/*
 * What the Sieve service can do, as it last said: asked for when it is needed, kept for a minute, shared by the sessions.
 *
 * A session holds what it has told its client, as that may not change under it (RFC 5804 s. 1.7).
 */
#ifndef SORA_MANAGESIEVE_ENGINE_H
#define SORA_MANAGESIEVE_ENGINE_H

#include <pthread.h>

#include "libcommon/bus/bus.h"

/* Counted; never changes. */
struct managesieve_abilities {
	_Atomic unsigned refs;
	struct arena arena;
	struct str extensions; /* "fileinto reject", for `require` */
	struct str redirects;  /* "4": the most in one run */
	bool has_notify;       /* the enotify extension */
};

/* Thread safe. */
struct managesieve_engine {
	pthread_mutex_t mutex;
	struct managesieve_abilities *latest;
	int64_t asked_ms;
};

void managesieve_engine_init(struct managesieve_engine *engine);
void managesieve_engine_clear(struct managesieve_engine *engine);

/*
 * A reference to what it can do; `call` is used to ask. When it does not answer, what it said before stands. ERR_UNAVAILABLE and others: it
 * never has.
 */
enum err managesieve_abilities_get(struct managesieve_engine *engine, struct bus_call *call, struct managesieve_abilities **ret);
/* NULL is nothing. */
void managesieve_abilities_unref(struct managesieve_abilities *abilities);

#endif
