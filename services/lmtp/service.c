/* The LMTP service: its listeners, from start to stop. */
#include "services/lmtp/service.h"

#include "libcommon/core/mem.h"
#include "services/lmtp/session.h"

static enum err
listen_all(struct lmtp_server *server, const struct config *config)
{
	for (size_t i = 0; i < config->lmtp_listen.count; i++) {
		struct net_listen listen = { .address = config->lmtp_listen.items[i],
			.is_proxy = config->net_proxy_from.count > 0 };
		uint16_t port;

		TRY(net_server_listen(server->net, &listen, &port));
	}
	return net_server_start(server->net);
}

static void
server_free(struct lmtp_server *server)
{
	net_server_free(server->net);
	free(server);
}

static enum err
lmtp_start(const struct service_context *context, void **ret_self)
{
	const struct config *config = context->config;
	/* There is no login: what holds for one who has logged in holds from the beginning. */
	struct net_limits limits = { .threads_min = 2, .threads_max = (size_t)config->net_threads,
		.connections = (size_t)config->net_connections, .per_address = (size_t)config->net_per_address,
		.login_ms = 0, .idle_ms = config->lmtp_idle, .write_ms = config->net_write_time,
		.drain_ms = config->drain_time };
	struct lmtp_server *server = MEM_NEW(struct lmtp_server);
	enum err err;

	server->context = context;
	err = net_server_new(&lmtp_protocol, server, &limits, context->tls, config->net_proxy_from.items,
	    config->net_proxy_from.count, &server->net);
	if (err == ERR_OK)
		err = net_server_believe_xclient(server->net, config->lmtp_xclient_from.items, config->lmtp_xclient_from.count);
	if (err == ERR_OK)
		err = listen_all(server, config);
	if (err != ERR_OK) {
		server_free(server);
		return err;
	}
	*ret_self = server;
	return ERR_OK;
}

static void
lmtp_drain(void *self)
{
	struct lmtp_server *server = self;

	net_server_drain(server->net);
}

static void
lmtp_stop(void *self)
{
	server_free(self);
}

const struct service lmtp_service = {
	.name = "lmtp",
	.start = lmtp_start,
	.drain = lmtp_drain,
	.stop = lmtp_stop,
};
