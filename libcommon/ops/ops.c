/* Metrics and probes by HTTP. */
#include "libcommon/ops/ops.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "libcommon/core/arena.h"
#include "libcommon/core/log.h"
#include "libcommon/core/mem.h"
#include "libcommon/core/metrics.h"

enum { CONNECTIONS_MAX = 64, CONNECTION_TIMEOUT_S = 10 };

struct ops {
	struct MHD_Daemon **daemons;
	size_t count;
	_Atomic bool is_ready;
};

static const struct log ops_log = { .service = "ops" };

/* A page: its path, and what fills it; returns the HTTP status. */
struct page {
	const char *path;
	unsigned (*print)(struct ops *ops, struct buffer *out);
};

static unsigned
print_metrics(struct ops *ops, struct buffer *out)
{
	(void)ops;
	metrics_print(out);
	return MHD_HTTP_OK;
}

static unsigned
print_live(struct ops *ops, struct buffer *out)
{
	(void)ops;
	buffer_add(out, STR("alive\n"));
	return MHD_HTTP_OK;
}

static unsigned
print_ready(struct ops *ops, struct buffer *out)
{
	buffer_add(out, ops->is_ready ? STR("ready\n") : STR("starting or draining\n"));
	return ops->is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static const struct page pages[] = {
	{ "/metrics", print_metrics },
	{ "/livez", print_live },
	{ "/readyz", print_ready },
};

static enum MHD_Result
answer(void *self, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_len, void **state)
{
	struct buffer out = { 0 };
	unsigned status = MHD_HTTP_NOT_FOUND;
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)version, (void)upload, (void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 || *upload_len != 0)
		return MHD_NO;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strcmp(url, pages[i].path) == 0)
			status = pages[i].print(self, &out);
	if (status == MHD_HTTP_NOT_FOUND)
		buffer_add(&out, STR("/metrics, /livez and /readyz are here\n"));
	response = MHD_create_response_from_buffer(buffer_len(&out), (void *)(uintptr_t)buffer_str(&out).ptr,
	    MHD_RESPMEM_MUST_COPY);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	buffer_clear(&out);
	return result;
}

bool
ops_split_address(struct str address, struct str *ret_host, uint16_t *ret_port)
{
	size_t colon = str_rindex(address, ':');
	struct str host = str_sub(address, 0, colon);
	uint32_t port;

	if (colon == address.len || !str_to_u32(str_sub(address, colon + 1, SIZE_MAX), &port) || port > UINT16_MAX)
		return false;
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = str_sub(host, 1, host.len - 2);
	*ret_host = host;
	*ret_port = (uint16_t)port;
	return true;
}

static enum err
listen_at(struct ops *ops, struct str address)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	struct arena arena = { 0 };
	struct str host;
	uint16_t port;
	const char *node, *service;
	bool is_found;
	struct MHD_Daemon *daemon = NULL;

	if (ops_split_address(address, &host, &port)) {
		node = host.len == 0 || str_equal(host, STR("*")) ? NULL : arena_cstr(&arena, host);
		service = arena_printf(&arena, "%u", (unsigned)port).ptr;
		if (getaddrinfo(node, service, &hints, &found) == 0)
			daemon = MHD_start_daemon(
			    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | (found->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0),
			    port, NULL, NULL, answer, ops, MHD_OPTION_SOCK_ADDR, found->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
			    (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
			    MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	}
	is_found = found != NULL;
	if (is_found)
		freeaddrinfo(found);
	arena_clear(&arena);
	if (daemon == NULL) {
		log_error(&ops_log, "ops.listen", KV_STR("address", address), KV_C("reason", !is_found ? "not host:port" :
			errno == EADDRINUSE ? "in use by another process" : "not an address of this host"));
		return ERR_CONFIG;
	}
	ops->daemons[ops->count++] = daemon;
	return ERR_OK;
}

enum err
ops_new(const struct str *listen, size_t count, struct ops **ret_ops)
{
	struct ops *ops = MEM_NEW(struct ops);

	ops->daemons = mem_calloc(count, sizeof(*ops->daemons));
	for (size_t i = 0; i < count; i++) {
		if (listen_at(ops, listen[i]) != ERR_OK) {
			ops_free(ops);
			return ERR_CONFIG;
		}
	}
	*ret_ops = ops;
	return ERR_OK;
}

void
ops_set_ready(struct ops *ops, bool is_ready)
{
	ops->is_ready = is_ready;
}

void
ops_free(struct ops *ops)
{
	if (ops == NULL)
		return;
	for (size_t i = 0; i < ops->count; i++)
		MHD_stop_daemon(ops->daemons[i]);
	free(ops->daemons);
	free(ops);
}
