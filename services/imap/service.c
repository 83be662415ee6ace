/* The IMAP service: its listeners and what its sessions share, from start to stop. */
#include "services/imap/service.h"

#include <stdlib.h>

#include "libcommon/core/mem.h"
#include "services/imap/session.h"
#include "services/imap/views.h"
#include "services/imap/watch.h"

static enum err
listen_all(struct imap_server *server, const struct str_list *addresses, bool is_tls)
{
	for (size_t i = 0; i < addresses->count; i++) {
		struct net_listen listen = {
			.address = addresses->items[i],
			.is_tls = is_tls,
			.is_proxy = server->config->net_proxy_from.count > 0,
		};
		uint16_t port;

		TRY(net_server_listen(server->net, &listen, &port));
	}
	return ERR_OK;
}

static enum err
open_net(struct imap_server *server, struct net_tls *tls)
{
	const struct config *config = server->config;
	struct net_limits limits = {
		.threads_min = 4,
		.threads_max = (size_t)config->net_threads,
		.connections = (size_t)config->net_connections,
		.per_address = (size_t)config->net_per_address,
		.per_user = (size_t)config->net_per_user,
		.login_ms = config->net_login_time,
		.idle_ms = config->imap_idle,
		.write_ms = config->net_write_time,
		.drain_ms = config->drain_time,
	};

	TRY(net_server_new(&imap_protocol, server, &limits, tls, config->net_proxy_from.items, config->net_proxy_from.count, &server->net));
	TRY(listen_all(server, &config->imap_listen, false));
	if (tls)
		TRY(listen_all(server, &config->imap_tls_listen, true));
	return net_server_start(server->net);
}

static void
imap_stop(void *self)
{
	struct imap_server *server = self;

	net_server_free(server->net);
	imap_watch_free(server->watch);
	imap_views_free(server->views);
	free(server);
}

static enum err
imap_start(const struct service_context *context, void **ret_self)
{
	struct imap_server *server = MEM_NEW(struct imap_server);
	enum err err;

	server->config = context->config;
	server->bus = context->bus;
	server->hostname = context->hostname;
	server->views = imap_views_new((size_t)context->config->imap_view_cache);
	server->watch = imap_watch_new(server->bus, server->views);
	err = open_net(server, context->tls);
	if (err == ERR_OK)
		*ret_self = server;
	else
		imap_stop(server);
	return err;
}

static void
imap_drain(void *self)
{
	struct imap_server *server = self;

	net_server_drain(server->net);
}

const struct service imap_service = {
	.name = "imap",
	.start = imap_start,
	.drain = imap_drain,
	.stop = imap_stop,
};
