/* Who is at the other end of a connection: the names in its certificate. */
#include "libcommon/bus/roles.h"

#include <nng/supplemental/tls/tls.h>
#include <stdlib.h>

#include "libcommon/bus/internal.h"
#include "libcommon/core/mem.h"

struct bus_peer {
	struct bus_peer *next;
	int id;
	uint32_t roles;
};

/* "imap.sora": "imap". STR_NONE: it says nothing about the bus. */
static struct str
role_in(const char *name)
{
	struct str suffix = STR(".sora"), all = str_c(name);

	return str_ends_with(all, suffix) ? str_sub(all, 0, all.len - suffix.len) : STR_NONE;
}

static uint32_t
role_bit(const char *name)
{
	struct str in = role_in(name);

	for (int role = 0; role < BUS_ROLE_COUNT; role++) {
		if (str_equal(in, str_c(bus_role_name((enum bus_role)role))))
			return 1u << role;
	}
	return bus_has_service(in) ? 1u << BUS_ROLE_SERVICE : 0;
}

/* The names in the peer's certificate, for free_names; NULL: none, or nobody has verified it. */
static char **
names_of(nng_pipe pipe)
{
	bool is_verified;
	void *names;

	if (nng_pipe_get_bool(pipe, NNG_OPT_TLS_VERIFIED, &is_verified) != 0 || !is_verified ||
	    nng_pipe_get_ptr(pipe, NNG_OPT_TLS_PEER_ALT_NAMES, &names) != 0)
		return NULL;
	return names;
}

static void
free_names(char **names)
{
	for (char **at = names; at != NULL && *at != NULL; at++)
		free(*at);
	free(names);
}

static uint32_t
roles_of(nng_pipe pipe)
{
	bool ignored;
	char **names;
	uint32_t roles = 0;

	if (nng_pipe_get_bool(pipe, NNG_OPT_TLS_VERIFIED, &ignored) == NNG_ENOTSUP)
		return BUS_ROLES_ALL;
	names = names_of(pipe);
	for (char **at = names; at != NULL && *at != NULL; at++)
		roles |= role_bit(*at);
	free_names(names);
	return roles;
}

void
bus_roles_init(struct bus_roles *roles)
{
	*roles = (struct bus_roles){ 0 };
	pthread_mutex_init(&roles->lock, NULL);
}

void
bus_roles_clear(struct bus_roles *roles)
{
	for (size_t i = 0; i < sizeof(roles->buckets) / sizeof(roles->buckets[0]); i++) {
		for (struct bus_peer *peer = roles->buckets[i], *next; peer != NULL; peer = next) {
			next = peer->next;
			free(peer);
		}
	}
	pthread_mutex_destroy(&roles->lock);
}

/* Under the lock: where the connection is, or would be. */
static struct bus_peer **
find(struct bus_roles *roles, nng_pipe pipe)
{
	int id = nng_pipe_id(pipe);
	struct bus_peer **at = &roles->buckets[(unsigned)id % (sizeof(roles->buckets) / sizeof(roles->buckets[0]))];

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

void
bus_roles_add(struct bus_roles *roles, nng_pipe pipe)
{
	struct bus_peer *peer = MEM_NEW(struct bus_peer);

	peer->id = nng_pipe_id(pipe);
	peer->roles = roles_of(pipe);
	pthread_mutex_lock(&roles->lock);
	*find(roles, pipe) = peer;
	pthread_mutex_unlock(&roles->lock);
}

void
bus_roles_remove(struct bus_roles *roles, nng_pipe pipe)
{
	struct bus_peer **at, *peer;

	pthread_mutex_lock(&roles->lock);
	at = find(roles, pipe);
	peer = *at;
	if (peer != NULL)
		*at = peer->next;
	pthread_mutex_unlock(&roles->lock);
	free(peer);
}

uint32_t
bus_roles_of(struct bus_roles *roles, nng_pipe pipe)
{
	const struct bus_peer *peer;
	uint32_t bits;

	pthread_mutex_lock(&roles->lock);
	peer = *find(roles, pipe);
	bits = peer ? peer->roles : 0;
	pthread_mutex_unlock(&roles->lock);
	return bits;
}
