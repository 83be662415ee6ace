/* The ManageSieve service: its listeners, from start to stop. */
#include "services/managesieve/service.h"

#include "libcommon/core/mem.h"
#include "services/managesieve/session.h"

static enum err
open_net(struct managesieve_server *server)
{
	const struct config *config = server->context->config;
	struct net_limits limits = { .threads_min = 2, .threads_max = (size_t)config->net_threads,
		.connections = (size_t)config->net_connections, .per_address = (size_t)config->net_per_address,
		.per_user = (size_t)config->net_per_user, .login_ms = config->net_login_time, .idle_ms = config->managesieve_idle,
		.write_ms = config->net_write_time, .drain_ms = config->drain_time };

	TRY(net_server_new(&managesieve_protocol, server, &limits, server->context->tls, config->net_proxy_from.items,
	    config->net_proxy_from.count, &server->net));
	for (size_t i = 0; i < config->managesieve_listen.count; i++) {
		struct net_listen listen = { .address = config->managesieve_listen.items[i],
			.is_proxy = config->net_proxy_from.count > 0 };
		uint16_t port;

		TRY(net_server_listen(server->net, &listen, &port));
	}
	return net_server_start(server->net);
}

static void
managesieve_drain(void *self)
{
	struct managesieve_server *server = self;

	net_server_drain(server->net);
}

static void
managesieve_stop(void *self)
{
	struct managesieve_server *server = self;

	net_server_free(server->net);
	managesieve_engine_clear(&server->engine);
	free(server);
}

static enum err
managesieve_start(const struct service_context *context, void **ret_self)
{
	struct managesieve_server *server = MEM_NEW(struct managesieve_server);
	enum err err;

	server->context = context;
	managesieve_engine_init(&server->engine);
	err = open_net(server);
	if (err == ERR_OK)
		*ret_self = server;
	else
		managesieve_stop(server);
	return err;
}

const struct service managesieve_service = {
	.name = "managesieve",
	.start = managesieve_start,
	.drain = managesieve_drain,
	.stop = managesieve_stop,
};
