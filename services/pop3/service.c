/* The POP3 service: its listeners, from start to stop. */
#include "services/pop3/service.h"

#include "libcommon/core/mem.h"
#include "services/pop3/session.h"

static enum err
listen_all(struct pop3_server *server, const struct str_list *addresses, bool is_tls)
{
	const struct config *config = server->context->config;

	for (size_t i = 0; i < addresses->count; i++) {
		struct net_listen listen = { .address = addresses->items[i], .is_tls = is_tls,
			.is_proxy = config->net_proxy_from.count > 0 };
		uint16_t port;

		TRY(net_server_listen(server->net, &listen, &port));
	}
	return ERR_OK;
}

static enum err
open_net(struct pop3_server *server)
{
	const struct config *config = server->context->config;
	/* RFC 1939 s. 3: the timer is of ten minutes at least, before the login too. */
	struct net_limits limits = { .threads_min = 2, .threads_max = (size_t)config->net_threads,
		.connections = (size_t)config->net_connections, .per_address = (size_t)config->net_per_address,
		.per_user = (size_t)config->net_per_user, .login_ms = config->pop3_idle, .idle_ms = config->pop3_idle,
		.write_ms = config->net_write_time, .drain_ms = config->drain_time };

	TRY(net_server_new(&pop3_protocol, server, &limits, server->context->tls, config->net_proxy_from.items,
	    config->net_proxy_from.count, &server->net));
	TRY(listen_all(server, &config->pop3_listen, false));
	TRY(net_server_believe_xclient(server->net, config->pop3_xclient_from.items, config->pop3_xclient_from.count));
	if (server->context->tls != NULL)
		TRY(listen_all(server, &config->pop3_tls_listen, true));
	return net_server_start(server->net);
}

static void
pop3_drain(void *self)
{
	struct pop3_server *server = self;

	net_server_drain(server->net);
}

static void
pop3_stop(void *self)
{
	struct pop3_server *server = self;

	net_server_free(server->net);
	free(server);
}

static enum err
pop3_start(const struct service_context *context, void **ret_self)
{
	struct pop3_server *server = MEM_NEW(struct pop3_server);
	enum err err;

	server->context = context;
	err = open_net(server);
	if (err == ERR_OK)
		*ret_self = server;
	else
		pop3_stop(server);
	return err;
}

const struct service pop3_service = {
	.name = "pop3",
	.start = pop3_start,
	.drain = pop3_drain,
	.stop = pop3_stop,
};
