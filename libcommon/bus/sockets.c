/* What both ends of a socket share: its gate, its messages, URLs and addresses. */
#include "libcommon/bus/sockets.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ADDRESSES_MAX = 256, GATE_POLL_US = 50 };

struct tcp_url {
	const char *scheme; /* "tcp", "tls+tcp" */
	char *host; /* "" for all addresses */
	char *port;
};

bool
bus_gate_enter(struct bus_gate *gate)
{
	atomic_fetch_add(&gate->inside, 1);
	if (!atomic_load(&gate->is_closed))
		return true;
	atomic_fetch_sub(&gate->inside, 1);
	return false;
}

void
bus_gate_leave(struct bus_gate *gate)
{
	atomic_fetch_sub(&gate->inside, 1);
}

void
bus_gate_close(struct bus_gate *gate, nng_socket socket)
{
	atomic_store(&gate->is_closed, true);
	/* Nobody stays inside for longer than it takes to hand nng a message. */
	while (atomic_load(&gate->inside) > 0)
		usleep(GATE_POLL_US);
	nng_close(socket);
}

nng_msg *
bus_message_new(const ProtobufCMessage *header, const struct bus_body *body)
{
	nng_msg *msg;

	if (nng_msg_alloc(&msg, bus_frame_size(header, body)) != 0)
		abort();
	bus_frame_write(header, body, nng_msg_body(msg));
	return msg;
}

bool
bus_url_is_tls(struct str url)
{
	return str_starts_with(url, STR("tls+tcp://"));
}

/* "tcp://host:port", "tls+tcp://[::1]:port". */
static bool
parse_tcp(struct str url, struct arena *arena, struct tcp_url *ret)
{
	const char *scheme = bus_url_is_tls(url) ? "tls+tcp" : "tcp";
	struct str rest = str_sub(url, strlen(scheme) + strlen("://"), SIZE_MAX), host, port;
	size_t colon = str_rindex(rest, ':');
	uint32_t number;

	if ((!bus_url_is_tls(url) && !str_starts_with(url, STR("tcp://"))) || colon == rest.len)
		return false;
	host = str_sub(rest, 0, colon);
	port = str_sub(rest, colon + 1, SIZE_MAX);
	if (!str_to_u32(port, &number) || number == 0 || number > 65535)
		return false;
	if (str_starts_with(host, STR("[")) && str_ends_with(host, STR("]")))
		host = str_sub(host, 1, host.len - 2);
	if (str_equal(host, STR("*")))
		host = STR_NONE;
	ret->scheme = scheme;
	ret->host = arena_cstr(arena, host);
	ret->port = arena_cstr(arena, port);
	return true;
}

bool
bus_url_is_local(struct str url)
{
	return (str_starts_with(url, STR("inproc://")) && url.len > strlen("inproc://")) ||
	    (str_starts_with(url, STR("ipc:///")) && url.len > strlen("ipc:///"));
}

static enum err
look_up(const struct tcp_url *tcp, int flags, struct addrinfo **ret)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags };

	return getaddrinfo(tcp->host, tcp->port, &hints, ret) == 0 ? ERR_OK : ERR_UNAVAILABLE;
}

static struct str
url_of(const char *scheme, const struct addrinfo *at, struct arena *arena)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return STR_NONE;
	return arena_printf(arena, at->ai_family == AF_INET6 ? "%s://[%s]:%s" : "%s://%s:%s", scheme, host, port);
}

static bool
has_family(const struct addrinfo *at, int family)
{
	for (; at != NULL; at = at->ai_next) {
		if (at->ai_family == family)
			return true;
	}
	return false;
}

static size_t
urls_of(const char *scheme, const struct addrinfo *found, struct arena *arena, struct str *urls)
{
	int family = has_family(found, AF_INET) ? AF_INET : AF_INET6;
	size_t count = 0;

	for (const struct addrinfo *at = found; at != NULL && count < ADDRESSES_MAX; at = at->ai_next) {
		struct str url = at->ai_family == family ? url_of(scheme, at, arena) : STR_NONE;

		if (url.len > 0)
			urls[count++] = url;
	}
	return count;
}

enum err
bus_resolve(struct str url, struct arena *arena, struct str **ret_urls, size_t *ret_count)
{
	struct str *urls;
	struct tcp_url tcp;
	struct addrinfo *found;

	if (bus_url_is_local(url)) {
		urls = ARENA_ARRAY(arena, struct str, 1);
		urls[0] = arena_copy(arena, url);
		*ret_urls = urls;
		*ret_count = 1;
		return ERR_OK;
	}
	if (!parse_tcp(url, arena, &tcp) || tcp.host[0] == '\0')
		return ERR_CONFIG;
	TRY(look_up(&tcp, 0, &found));
	urls = ARENA_ARRAY(arena, struct str, ADDRESSES_MAX);
	*ret_count = urls_of(tcp.scheme, found, arena, urls);
	*ret_urls = urls;
	freeaddrinfo(found);
	return ERR_OK;
}

bool
bus_url_is_name(struct str url)
{
	struct arena arena = { 0 };
	struct tcp_url tcp;
	struct addrinfo *found;
	bool is_name = false;

	if (parse_tcp(url, &arena, &tcp)) {
		is_name = look_up(&tcp, AI_NUMERICHOST, &found) != ERR_OK;
		if (!is_name)
			freeaddrinfo(found);
	}
	arena_clear(&arena);
	return is_name;
}

static bool
is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	if (address->sa_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

enum err
bus_listen_check(struct str url)
{
	struct arena arena = { 0 };
	struct tcp_url tcp;
	struct addrinfo *found;
	enum err err = ERR_OK;

	if (bus_url_is_local(url))
		return ERR_OK;
	if (!parse_tcp(url, &arena, &tcp)) {
		err = ERR_CONFIG;
	} else if (bus_url_is_tls(url)) {
		err = ERR_OK;
	} else if (tcp.host[0] == '\0') {
		err = ERR_DENIED;
	} else if (look_up(&tcp, 0, &found) != ERR_OK) {
		err = ERR_CONFIG;
	} else {
		for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
			err = is_loopback(at->ai_addr) ? err : ERR_DENIED;
		freeaddrinfo(found);
	}
	arena_clear(&arena);
	return err;
}
