/* A thread for each connection, which ends with it. */
#include "tests/services/metadata/proxy.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/free_port.h"

static struct sockaddr_in target;
static atomic_int mode, cuts;

static struct sockaddr_in
local(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static bool
write_all(int fd, const char *bytes, ssize_t len)
{
	for (ssize_t n; len > 0; bytes += n, len -= n)
		if ((n = send(fd, bytes, (size_t)len, MSG_NOSIGNAL)) <= 0)
			return false;
	return true;
}

/* The mode is there and ours to act upon. */
static bool
is_due(int which)
{
	if (!atomic_compare_exchange_strong(&mode, &which, PROXY_PASS))
		return false;
	atomic_fetch_add(&cuts, 1);
	return true;
}

/* A Bind of the prepared "commit", without a portal's name; the server's CommandComplete. */
static const char bind_commit[] = "\0commit", complete_commit[] = "COMMIT";

static bool
to_server(int fd, char *bytes, ssize_t len)
{
	char *at = memmem(bytes, (size_t)len, bind_commit, sizeof(bind_commit));

	if (at && is_due(PROXY_CUT_BEFORE_COMMIT)) {
		(void)write_all(fd, bytes, at - bytes - 5);
		return false;
	}
	return write_all(fd, bytes, len);
}

static bool
to_client(int fd, char *bytes, ssize_t len)
{
	if (memmem(bytes, (size_t)len, complete_commit, sizeof(complete_commit)) && is_due(PROXY_CUT_AFTER_COMMIT))
		return false;
	return write_all(fd, bytes, len);
}

static void *
serve(void *arg)
{
	int client = (int)(long)arg, server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct pollfd fds[] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };
	bool goes_on = connect(server, (struct sockaddr *)&target, sizeof(target)) == 0;
	static _Thread_local char bytes[65536];

	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (goes_on && poll(fds, 2, -1) > 0)
		for (int i = 0; goes_on && i < 2; i++) {
			ssize_t n = fds[i].revents ? recv(fds[i].fd, bytes, sizeof(bytes), 0) : 0;

			if (fds[i].revents)
				goes_on = n > 0 && (i == 0 ? to_server(server, bytes, n) : to_client(client, bytes, n));
		}
	close(server);
	close(client);
	return NULL;
}

static void *
accept_forever(void *arg)
{
	int listener = (int)(long)arg;
	pthread_t thread;

	for (;;) {
		int client = accept(listener, NULL, NULL);

		if (client >= 0 && pthread_create(&thread, NULL, serve, (void *)(long)client) == 0)
			pthread_detach(thread);
	}
	return NULL;
}

int
proxy_start(int port)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), mine;
	struct sockaddr_in at;
	pthread_t thread;

	target = local(port);
	do {
		mine = (int)free_port();
		at = local(mine);
	} while (bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0);
	if (listen(listener, 64) != 0 || pthread_create(&thread, NULL, accept_forever, (void *)(long)listener) != 0)
		abort();
	pthread_detach(thread);
	return mine;
}

void
proxy_set(enum proxy_mode which)
{
	atomic_store(&mode, (int)which);
}

int
proxy_cuts(void)
{
	return atomic_load(&cuts);
}
