/* A port for a test's own server. */
#ifndef TEST_FREE_PORT_H
#define TEST_FREE_PORT_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/random.h"

/* That nobody listens on, at any address: below the ephemeral range, where some client would take it, and none that processes.py gives. */
static inline unsigned
free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int failed, on = 1;

	do {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		address.sin_port = htons((uint16_t)(10000 + random_u64() % 10000));
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		failed = bind(fd, (struct sockaddr *)&address, sizeof(address));
		close(fd);
	} while (failed);
	return ntohs(address.sin_port);
}

#endif
