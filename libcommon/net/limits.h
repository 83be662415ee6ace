/* How many connections each address and each user has: counted names. Thread safe. */
#ifndef SORA_NET_LIMITS_H
#define SORA_NET_LIMITS_H

#include <pthread.h>

#include "libcommon/core/err.h"
#include "libcommon/core/str.h"

struct net_conn;

struct net_queue {
	struct net_conn *first, *last;
};

/* One name; its text lives as long as someone holds it. */
struct tally_name {
	struct tally_name *next;
	uint64_t hash;
	size_t count;
	struct str text;
	/* Of a user, and the pool's: how many of his connections run, and which wait until one of them is done. */
	size_t running;
	struct net_queue waiting;
	char bytes[];
};

struct tally {
	pthread_mutex_t lock;
	struct tally_name **buckets;
	size_t mask;
	uint64_t seed; /* names are chosen by peers */
};

/* For about `names` different names; more only make it slower. */
void tally_init(struct tally *tally, size_t names);
void tally_clear(struct tally *tally);
/* Hold `text` once more. ERR_LIMIT: it is held `max` times already (0: no limit). */
enum err tally_take(struct tally *tally, struct str text, size_t max, struct tally_name **ret_name);
/* NULL is nothing. */
void tally_drop(struct tally *tally, struct tally_name *name);

#endif
