/* A server: its listeners, accepting, draining and the end. */
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"
#include "libcommon/net/internal.h"

enum {
	BACKLOG = 4096,
	ACCEPT_BATCH = 64,      /* refused at once, then others have their turn */
	ACCEPT_PAUSE_MS = 100,  /* when there are no descriptors left */
	DRAIN_GRACE_MS = 1000,
	CONNECTIONS_DEFAULT = 20000,
};

/* ---- making one */

static enum err
parse_networks(struct net_server *server, const struct str *texts, size_t count, struct networks *ret_networks)
{
	*ret_networks = (struct networks){ mem_calloc(count, sizeof(*ret_networks->items)), count };
	for (size_t i = 0; i < count; i++) {
		if (net_network_parse(texts[i], &ret_networks->items[i]) != ERR_OK) {
			log_error(&server->log, "net.config", KV_C("reason", "not a network"), KV_STR("value", texts[i]));
			return ERR_CONFIG;
		}
	}
	return ERR_OK;
}

enum err
net_server_believe_xclient(struct net_server *server, const struct str *networks, size_t count)
{
	return parse_networks(server, networks, count, &server->xclients);
}

static void
init_slots(struct net_server *server)
{
	size_t count = server->limits.connections;

	server->slots = mem_calloc(count, sizeof(*server->slots));
	server->free_slots = mem_calloc(count, sizeof(*server->free_slots));
	server->free_count = count;
	for (size_t i = 0; i < count; i++) {
		server->free_slots[i] = (uint32_t)(count - 1 - i);
		atomic_store(&server->slots[i].word, SLOT_OWNED);
	}
	tally_init(&server->addresses, count / 2);
	tally_init(&server->users, count / 2);
}

static void
init_locks(struct net_server *server)
{
	pthread_mutex_init(&server->lock, NULL);
	pthread_mutex_init(&server->pool.lock, NULL);
	pthread_cond_init(&server->is_empty, NULL);
	pthread_cond_init(&server->pool.ended, NULL);
}

enum err
net_server_new(const struct net_protocol *protocol, void *self, const struct net_limits *limits, struct net_tls *tls,
    const struct str *trusted, size_t trusted_count, struct net_server **ret_server)
{
	struct net_server *server = MEM_NEW(struct net_server);
	enum err err;

	server->protocol = protocol;
	server->self = self;
	server->tls = tls;
	server->log.service = protocol->name;
	server->limits = *limits;
	if (server->limits.connections == 0)
		server->limits.connections = CONNECTIONS_DEFAULT;
	if (server->limits.threads_min == 0)
		server->limits.threads_min = 1;
	if (server->limits.threads_max < server->limits.threads_min)
		server->limits.threads_max = server->limits.threads_min;
	init_locks(server);
	init_slots(server);
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	err = timers_init(&server->timers, (uint32_t)server->limits.connections + LISTENERS_MAX);
	if (err == ERR_OK && (server->epoll_fd < 0 || server->stop_fd < 0))
		err = ERR_INTERNAL;
	if (err == ERR_OK)
		err = parse_networks(server, trusted, trusted_count, &server->trusted);
	if (err != ERR_OK)
		net_server_free(server);
	else
		*ret_server = server;
	return err;
}

/* ---- listening */

static enum err
resolve(struct str address, struct addrinfo **ret_info)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	size_t colon = str_rindex(address, ':');
	struct str host = str_sub(address, 0, colon);
	struct arena arena = { 0 };
	const char *name, *port;
	uint32_t number;
	int failed;

	if (colon == address.len || !str_to_u32(str_sub(address, colon + 1, SIZE_MAX), &number) || number > UINT16_MAX)
		return ERR_CONFIG;
	if (str_starts_with(host, STR("[")) && str_ends_with(host, STR("]")))
		host = str_sub(host, 1, host.len - 2);
	name = arena_cstr(&arena, host);
	port = arena_cstr(&arena, str_sub(address, colon + 1, SIZE_MAX));
	failed = getaddrinfo(host.len > 0 && !str_equal(host, STR("*")) ? name : NULL, port, &hints, ret_info);
	arena_clear(&arena);
	return failed ? ERR_CONFIG : ERR_OK;
}

static enum err
bind_socket(const struct addrinfo *info, int *ret_fd)
{
	int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return ERR_CONFIG;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (info->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* Accepted sockets inherit it. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return ERR_CONFIG;
	}
	*ret_fd = fd;
	return ERR_OK;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);

	getsockname(fd, (struct sockaddr *)&address, &len);
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static enum err
refuse_listen(struct net_server *server, const struct net_listen *listen, const char *reason)
{
	log_error(&server->log, "net.listen", KV_STR("address", listen->address), KV_C("reason", reason));
	return ERR_CONFIG;
}

enum err
net_server_listen(struct net_server *server, const struct net_listen *listen, uint16_t *ret_port)
{
	struct listener *listener = &server->listeners[server->listener_count];
	struct addrinfo *info;
	enum err err;
	int fd;

	if (server->listener_count == LISTENERS_MAX)
		return refuse_listen(server, listen, "too many listeners");
	if (listen->is_tls && server->tls == NULL)
		return refuse_listen(server, listen, "there is no certificate");
	if (resolve(listen->address, &info) != ERR_OK)
		return refuse_listen(server, listen, "not host:port");
	err = bind_socket(info, &fd);
	freeaddrinfo(info);
	if (err != ERR_OK)
		return refuse_listen(server, listen, strerrordesc_np(errno));
	*listener = (struct listener){ .server = server, .fd = fd, .is_tls = listen->is_tls, .is_proxy = listen->is_proxy };
	server->listener_count++;
	if (ret_port != NULL)
		*ret_port = port_of(fd);
	log_info(&server->log, "net.listening", KV_STR("address", listen->address), KV_INT("port", port_of(fd)),
	    KV_BOOL("tls", listen->is_tls), KV_BOOL("proxy", listen->is_proxy));
	return ERR_OK;
}

void
server_arm(struct net_server *server, int fd, uint32_t events, uint64_t data, bool is_added)
{
	struct epoll_event event = { .events = events | EPOLLONESHOT, .data.u64 = data };
	int failed = epoll_ctl(server->epoll_fd, is_added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);

	/* Only ADD can fail, for want of kernel memory; the connection then ends by its deadline. */
	if (failed)
		log_error(&server->log, "net.epoll", KV_C("reason", strerrordesc_np(errno)));
}

/* ---- accepting */

static void
arm_listener(struct listener *listener, bool is_added)
{
	struct net_server *server = listener->server;

	server_arm(server, listener->fd, EPOLLIN, event_data(EVENT_LISTENER, 0, (uint32_t)(listener - server->listeners)), is_added);
}

bool
networks_have(const struct networks *networks, const struct net_address *address)
{
	for (size_t i = 0; i < networks->count; i++) {
		if (net_network_has(&networks->items[i], address))
			return true;
	}
	return false;
}

/* Not once the drain has begun: whoever waits for the last connection must not see another after it. */
static bool
take_slot(struct net_server *server, uint32_t *ret_slot)
{
	bool has_slot;

	pthread_mutex_lock(&server->lock);
	has_slot = server->free_count > 0 && atomic_load(&server->drain_ms) == 0;
	if (has_slot) {
		*ret_slot = server->free_slots[--server->free_count];
		server->open++;
	}
	pthread_mutex_unlock(&server->lock);
	return has_slot;
}

/* NULL: it is refused. */
static struct net_conn *
welcome(struct listener *listener, int fd, const struct sockaddr *address)
{
	struct net_server *server = listener->server;
	struct net_address peer = net_address_from(address);
	struct net_conn *conn;
	uint32_t slot;

	metric_add(METRIC_CONN_TOTAL, 1);
	if ((listener->is_proxy && !networks_have(&server->trusted, &peer)) || !take_slot(server, &slot)) {
		metric_add(METRIC_CONN_REFUSED, 1);
		log_debug(&server->log, "net.refused");
		close(fd);
		return NULL;
	}
	metric_add(METRIC_CONN_OPEN, 1);
	conn = conn_new(listener, fd, slot, &peer);
	pthread_mutex_lock(&server->lock);
	server->slots[slot].conn = conn;
	pthread_mutex_unlock(&server->lock);
	return conn;
}

/* Errors of accept that a later connection may not have; with the others the descriptors have run out. */
static bool
is_passing(int error)
{
	return error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM || error == ENETDOWN ||
	    error == EHOSTUNREACH || error == ENETUNREACH || error == ETIMEDOUT;
}

/* Accepting goes on in another thread, this one goes on with what it has got. */
void
server_accept(struct listener *listener)
{
	struct net_server *server = listener->server;
	uint32_t id = (uint32_t)(server->limits.connections + (size_t)(listener - server->listeners));
	struct net_conn *conn = NULL;

	for (int i = 0; i < ACCEPT_BATCH && conn == NULL; i++) {
		struct sockaddr_storage address = { 0 };
		socklen_t len = sizeof(address);
		int fd = accept4(listener->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			conn = welcome(listener, fd, (struct sockaddr *)&address);
		} else if (atomic_load(&server->drain_ms) != 0) {
			return;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			break;
		} else if (!is_passing(errno)) {
			log_error(&server->log, "net.accept", KV_C("reason", strerrordesc_np(errno)));
			timers_sooner(&server->timers, id, clock_mono_ms() + ACCEPT_PAUSE_MS);
			return;
		}
	}
	arm_listener(listener, true);
	if (conn != NULL)
		pool_work(conn);
}

enum err
net_server_start(struct net_server *server)
{
	struct epoll_event stop = { .events = EPOLLIN, .data.u64 = event_data(EVENT_STOP, 0, 0) };

	signal(SIGPIPE, SIG_IGN);
	server_arm(server, server->timers.fd, EPOLLIN, event_data(EVENT_TIMER, 0, 0), false);
	epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->stop_fd, &stop);
	for (size_t i = 0; i < server->listener_count; i++)
		arm_listener(&server->listeners[i], false);
	return pool_start(server);
}

size_t
net_server_connections(struct net_server *server)
{
	size_t open;

	pthread_mutex_lock(&server->lock);
	open = server->open;
	pthread_mutex_unlock(&server->lock);
	return open;
}

/* ---- the end */

/* Each connection's goodbye has a moment of its own, so that not all clients come to our neighbour at once. */
int64_t
server_drain_at(struct net_server *server, uint32_t slot)
{
	int64_t began_ms = atomic_load(&server->drain_ms);
	uint32_t share = (slot + 1) * 2654435761U;

	if (began_ms == 0)
		return 0;
	return began_ms + (int64_t)((uint64_t)server->limits.drain_ms * share >> 32);
}

void
net_server_drain(struct net_server *server)
{
	int64_t none = 0;

	if (!atomic_compare_exchange_strong(&server->drain_ms, &none, clock_mono_ms()))
		return;
	for (size_t i = 0; i < server->listener_count; i++)
		shutdown(server->listeners[i].fd, SHUT_RDWR);
	pthread_mutex_lock(&server->lock);
	for (uint32_t i = 0; i < server->limits.connections; i++) {
		if (server->slots[i].conn != NULL)
			timers_sooner(&server->timers, i, server_drain_at(server, i));
	}
	pthread_mutex_unlock(&server->lock);
}

/* Until the last connection has ended, or `deadline_ms` (0: without end) has come. */
static void
wait_empty(struct net_server *server, int64_t deadline_ms)
{
	struct timespec until = clock_timespec(deadline_ms);
	int failed = 0;

	pthread_mutex_lock(&server->lock);
	while (server->open > 0 && failed == 0) {
		if (deadline_ms == 0)
			pthread_cond_wait(&server->is_empty, &server->lock);
		else
			failed = pthread_cond_clockwait(&server->is_empty, &server->lock, CLOCK_MONOTONIC, &until);
	}
	pthread_mutex_unlock(&server->lock);
}

/* Threads that wait for clients see the end of input; parked connections end at once. */
static void
close_all(struct net_server *server)
{
	int64_t now_ms = clock_mono_ms();

	atomic_store(&server->is_forced, true);
	pthread_mutex_lock(&server->lock);
	for (uint32_t i = 0; i < server->limits.connections; i++) {
		if (server->slots[i].conn == NULL)
			continue;
		shutdown(server->slots[i].conn->fd, SHUT_RDWR);
		timers_sooner(&server->timers, i, now_ms);
	}
	pthread_mutex_unlock(&server->lock);
}

void
net_server_free(struct net_server *server)
{
	if (server == NULL)
		return;
	if (server->pool.threads > 0) {
		net_server_drain(server);
		wait_empty(server, atomic_load(&server->drain_ms) + server->limits.drain_ms + DRAIN_GRACE_MS);
		close_all(server);
		wait_empty(server, 0);
		pool_stop(server);
	}
	for (size_t i = 0; i < server->listener_count; i++)
		close(server->listeners[i].fd);
	close(server->epoll_fd);
	close(server->stop_fd);
	timers_clear(&server->timers);
	tally_clear(&server->addresses);
	tally_clear(&server->users);
	pthread_mutex_destroy(&server->lock);
	pthread_mutex_destroy(&server->pool.lock);
	pthread_cond_destroy(&server->is_empty);
	pthread_cond_destroy(&server->pool.ended);
	free(server->slots);
	free(server->free_slots);
	free(server->trusted.items);
	free(server->xclients.items);
	free(server);
}
