/* The bus of a process: which services there are, and where the configuration says they are. */
#include <nng/nng.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "libcommon/bus/internal.h"
#include "libcommon/bus/sockets.h"
#include "libcommon/core/mem.h"

static const struct {
	const char *name;
	size_t urls, listen; /* settings, as offsets into struct config */
	bool has_admin;      /* listens at bus.admin too */
} rows[BUS_SERVICES] = {
	{ "metadata", offsetof(struct config, bus_metadata), offsetof(struct config, metadata_listen), true },
	{ "blob", offsetof(struct config, bus_blob), offsetof(struct config, blob_listen), false },
	{ "sieve", offsetof(struct config, bus_sieve), offsetof(struct config, sieve_listen), false },
};

static const char *const role_names[BUS_ROLE_COUNT] = {
	[BUS_ROLE_IMAP] = "imap",
	[BUS_ROLE_POP3] = "pop3",
	[BUS_ROLE_LMTP] = "lmtp",
	[BUS_ROLE_MANAGESIEVE] = "managesieve",
	[BUS_ROLE_WORKER] = "worker",
	[BUS_ROLE_ADMIN] = "admin",
	[BUS_ROLE_SERVICE] = "service",
};

static const struct log bus_log = { .service = "bus" };

const char *
bus_role_name(enum bus_role role)
{
	return (unsigned)role < BUS_ROLE_COUNT ? role_names[role] : "unknown";
}

static const struct str_list *
setting(const struct config *config, size_t offset)
{
	return (const struct str_list *)((const char *)config + offset);
}

static int
row_of(struct str service)
{
	for (int i = 0; i < BUS_SERVICES; i++) {
		if (str_equal(str_c(rows[i].name), service))
			return i;
	}
	return -1;
}

bool
bus_has_service(struct str name)
{
	return row_of(name) >= 0;
}

static bool
has_tls(const struct str_list *urls)
{
	for (size_t i = 0; i < urls->count; i++) {
		if (bus_url_is_tls(urls->items[i]))
			return true;
	}
	return false;
}

static bool
calls_by_tls(const struct config *config)
{
	bool does = false;

	for (int i = 0; i < BUS_SERVICES; i++)
		does |= has_tls(setting(config, rows[i].urls));
	return does;
}

static bool
serves_by_tls(const struct config *config, int row)
{
	return has_tls(setting(config, rows[row].listen)) || (rows[row].has_admin && bus_url_is_tls(config->bus_admin));
}

/*
 * nng as we want it: before it is asked for anything. Its threads hand each step of a call to one another; of two a core, which it would have, a
 * lone call wakes more than it has work for.
 */
static void
prepare_nng(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	nng_init_set_parameter(NNG_INIT_NUM_TASK_THREADS, cores > 2 ? (uint64_t)cores : 2);
	bus_tls_use_openssl();
}

static pthread_once_t is_prepared = PTHREAD_ONCE_INIT;

enum err
bus_check(const struct config *config, const char *role, struct buffer *problems)
{
	int row = row_of(str_c(role));
	struct bus_tls *tls;
	enum err err = ERR_OK;

	if (!(row >= 0 ? serves_by_tls(config, row) : calls_by_tls(config)))
		return ERR_OK;
	pthread_once(&is_prepared, prepare_nng);
	TRY(bus_tls_new(config, problems, &tls));
	if (!bus_tls_has_role(tls, role)) {
		buffer_printf(problems, "bus.tls.certificate: %.*s: its names do not have %s.sora: deploy/certificates makes one that does\n",
		    STR_ARG(config->bus_tls_certificate), role);
		err = ERR_CONFIG;
	}
	bus_tls_free(tls);
	return err;
}

/* ERR_CONFIG: logged. */
static enum err
open_tls(struct bus *bus)
{
	struct buffer problems = { 0 };
	bool needs = calls_by_tls(bus->config);
	enum err err = ERR_OK;

	for (int i = 0; i < BUS_SERVICES; i++)
		needs |= serves_by_tls(bus->config, i);
	if (needs)
		err = bus_tls_new(bus->config, &problems, &bus->tls);
	if (err != ERR_OK)
		log_error(&bus_log, "bus.tls.config", KV_STR("text", str_trim(buffer_str(&problems))));
	buffer_clear(&problems);
	return err;
}

struct bus *
bus_new(const struct config *config)
{
	struct bus *bus = MEM_NEW(struct bus);

	pthread_once(&is_prepared, prepare_nng);
	bus->config = config;
	if (open_tls(bus) != ERR_OK) {
		free(bus);
		return NULL;
	}
	pthread_mutex_init(&bus->lock, NULL);
	for (int i = 0; i < BUS_SERVICES; i++) {
		const struct str_list *urls = setting(config, rows[i].urls);

		bus->remotes[i] = bus_remote_new(rows[i].name, urls->items, urls->count, bus->tls);
	}
	return bus;
}

void
bus_free(struct bus *bus)
{
	if (bus == NULL)
		return;
	/* Calls first: a handler may be waiting for one. */
	for (int i = 0; i < BUS_SERVICES; i++)
		bus_remote_close(bus->remotes[i]);
	while (bus->servers != NULL) {
		struct bus_server *server = bus->servers;

		bus->servers = server->next;
		bus_server_free(server);
	}
	for (int i = 0; i < BUS_SERVICES; i++)
		bus_remote_free(bus->remotes[i]);
	pthread_mutex_destroy(&bus->lock);
	bus_tls_free(bus->tls);
	free(bus);
}

const char *
bus_service_name(size_t i)
{
	return i < BUS_SERVICES ? rows[i].name : NULL;
}

struct bus_remote *
bus_remote_of(struct bus *bus, const char *service)
{
	int row = row_of(str_c(service));

	return row < 0 ? NULL : bus->remotes[row];
}

size_t
bus_replicas(struct bus *bus, const char *service, uint64_t *ret, size_t max)
{
	struct bus_remote *remote = bus_remote_of(bus, service);

	return remote ? bus_remote_list(remote, ret, max) : 0;
}

static enum err
listen_at(struct bus *bus, struct bus_server *server, struct str url)
{
	enum err err = bus_listen_check(url);

	if (err == ERR_DENIED && bus->config->bus_insecure) {
		log_warn(&bus_log, "bus.insecure", KV_STR("url", url),
		    KV_C("text", "anyone who reaches this address can read and change all mail"));
		err = ERR_OK;
	}
	if (err == ERR_DENIED)
		log_error(&bus_log, "bus.listen_refused", KV_STR("url", url),
		    KV_C("text", "plain tcp is for loopback addresses: use tls+tcp://, or bus.insecure: true where the network is yours alone"));
	else if (err != ERR_OK)
		log_error(&bus_log, "bus.listen_failed", KV_STR("url", url), KV_C("text", "not a URL of inproc, ipc, tcp or tls+tcp"));
	if (err != ERR_OK)
		return ERR_CONFIG;
	return bus_server_listen(server, url, bus->tls);
}

static enum err
listen_as_configured(struct bus *bus, struct bus_server *server, const char *service)
{
	int row = row_of(str_c(service));
	const struct str_list *urls;

	if (row < 0)
		return ERR_CONFIG;
	urls = setting(bus->config, rows[row].listen);
	for (size_t i = 0; i < urls->count; i++)
		TRY(listen_at(bus, server, urls->items[i]));
	if (rows[row].has_admin && bus->config->bus_admin.len > 0)
		TRY(listen_at(bus, server, bus->config->bus_admin));
	return ERR_OK;
}

enum err
bus_serve(struct bus *bus, const char *service, const struct str *listen, size_t listen_count,
    const struct bus_handler *handlers, size_t count, void *self, const struct bus_limits *limits)
{
	struct bus_server *server = bus_server_new(service, handlers, count, self, limits);
	enum err err = ERR_OK;

	if (listen == NULL)
		err = listen_as_configured(bus, server, service);
	for (size_t i = 0; i < listen_count && err == ERR_OK; i++)
		err = listen_at(bus, server, listen[i]);
	if (err != ERR_OK) {
		bus_server_free(server);
		return err;
	}
	pthread_mutex_lock(&bus->lock);
	server->next = bus->servers;
	bus->servers = server;
	pthread_mutex_unlock(&bus->lock);
	return ERR_OK;
}

/* Servers are only ever added, in front, until the bus is freed: from the head on the list may be read without the lock. */
static struct bus_server *
servers_of(struct bus *bus)
{
	struct bus_server *head;

	pthread_mutex_lock(&bus->lock);
	head = bus->servers;
	pthread_mutex_unlock(&bus->lock);
	return head;
}

void
bus_drain(struct bus *bus)
{
	for (struct bus_server *server = servers_of(bus); server != NULL; server = server->next)
		bus_server_drain(server);
}

bool
bus_serves_network(struct bus *bus)
{
	bool has_network = false;

	for (struct bus_server *server = servers_of(bus); server != NULL; server = server->next)
		has_network |= server->has_network;
	return has_network;
}

void
bus_quiesce(struct bus *bus, int64_t deadline_ms)
{
	for (struct bus_server *server = servers_of(bus); server != NULL; server = server->next)
		bus_server_quiesce(server, deadline_ms);
}
