/* Calls within one process. */
#include "libcommon/bus/local.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/bus/slot.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"

struct bus_local {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_over; /* `err` is how */
	enum err err;
	nng_msg *reply;
	int refs;
};

struct listener {
	struct listener *next;
	struct bus_server *server;
	const char *url;
};

/* Read while a call is handed over, so that its server stays; written when one comes or goes. */
static pthread_rwlock_t registry = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static struct listener *listeners;

void
bus_local_listen(struct bus_server *server, const char *url)
{
	struct listener *at = MEM_NEW(struct listener);

	at->server = server;
	at->url = url;
	pthread_rwlock_wrlock(&registry);
	at->next = listeners;
	listeners = at;
	pthread_rwlock_unlock(&registry);
}

void
bus_local_forget(struct bus_server *server)
{
	pthread_rwlock_wrlock(&registry);
	for (struct listener **at = &listeners; *at != NULL;) {
		struct listener *found = *at;

		if (found->server == server) {
			*at = found->next;
			free(found);
		} else {
			at = &found->next;
		}
	}
	pthread_rwlock_unlock(&registry);
}

static struct bus_server *
server_at(const char *url)
{
	for (const struct listener *at = listeners; at != NULL; at = at->next) {
		if (strcmp(at->url, url) == 0)
			return at->server;
	}
	return NULL;
}

struct bus_local *
bus_local_begin(const char *url, nng_msg *msg)
{
	struct bus_local *call = NULL;
	struct bus_server *server;

	pthread_rwlock_rdlock(&registry);
	server = server_at(url);
	if (server != NULL) {
		call = MEM_NEW(struct bus_local);
		pthread_mutex_init(&call->lock, NULL);
		pthread_cond_init(&call->changed, NULL);
		call->refs = 2;
		bus_server_take(server, call, msg);
	}
	pthread_rwlock_unlock(&registry);
	return call;
}

static void
finish(struct bus_local *call, enum err err, nng_msg *reply)
{
	if (call->is_over) {
		nng_msg_free(reply);
		return;
	}
	call->is_over = true;
	call->err = err;
	call->reply = reply;
	pthread_cond_signal(&call->changed);
}

/* Under its lock, which is given up. */
static void
unref(struct bus_local *call)
{
	bool is_last = --call->refs == 0;

	pthread_mutex_unlock(&call->lock);
	if (!is_last)
		return;
	nng_msg_free(call->reply);
	pthread_cond_destroy(&call->changed);
	pthread_mutex_destroy(&call->lock);
	free(call);
}

enum err
bus_local_wait(struct bus_local *call, int64_t deadline_ms, nng_msg **ret_reply)
{
	struct timespec until = clock_timespec(deadline_ms);
	enum err err;

	pthread_mutex_lock(&call->lock);
	while (!call->is_over && clock_left_ms(deadline_ms) > 0)
		pthread_cond_clockwait(&call->changed, &call->lock, CLOCK_MONOTONIC, &until);
	err = call->is_over ? call->err : ERR_DEADLINE;
	*ret_reply = call->reply;
	call->is_over = true; /* an answer that comes now is nobody's */
	pthread_mutex_unlock(&call->lock);
	return err;
}

void
bus_local_close(struct bus_local *call, enum err err)
{
	pthread_mutex_lock(&call->lock);
	finish(call, err, NULL);
	pthread_mutex_unlock(&call->lock);
}

void
bus_local_end(struct bus_local *call)
{
	pthread_mutex_lock(&call->lock);
	unref(call);
}

void
bus_local_answer(struct bus_local *call, nng_msg *reply)
{
	pthread_mutex_lock(&call->lock);
	finish(call, ERR_OK, reply);
	unref(call);
}
