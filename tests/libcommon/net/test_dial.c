/* Connections that we make: when the caller is asked whether it still wants to wait. */
#include "libcommon/net/dial.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"

enum { PIECE_BYTES = 64 * 1024, BODY_BYTES = 32 * 1024 * 1024 };

/* A peer that takes what comes slowly but all the time, then says "x". */
struct peer {
	int listener;
	pthread_t thread;
	struct net_dial_options options;
	struct arena arena;
	struct net_dialled *dialled;
	int asked;
	enum err answer; /* of the patience */
};

static void *
peer_main(void *self)
{
	struct peer *peer = self;
	int fd = accept(peer->listener, NULL, NULL);
	char *bytes = mem_alloc(PIECE_BYTES);
	size_t got = 0;
	ssize_t n = 1;

	while (got < BODY_BYTES && n > 0) {
		n = recv(fd, bytes, PIECE_BYTES, 0);
		got += n > 0 ? (size_t)n : 0;
		usleep(5000);
	}
	usleep(50000);
	(void)send(fd, "x", 1, MSG_NOSIGNAL);
	free(bytes);
	close(fd);
	return NULL;
}

static enum err
patience(void *self)
{
	struct peer *peer = self;

	peer->asked++;
	return peer->answer;
}

static void
peer_start(struct peer *peer)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	struct str reason;

	peer->listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(peer->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(peer->listener, 1), 0);
	cr_assert_eq(getsockname(peer->listener, (struct sockaddr *)&address, &len), 0);
	cr_assert_eq(pthread_create(&peer->thread, NULL, peer_main, peer), 0);
	peer->options = (struct net_dial_options){ .host = "127.0.0.1", .port = ntohs(address.sin_port), .connect_ms = 5000,
		.patience = patience, .self = peer };
	cr_assert_eq(net_dial(&peer->options, &peer->dialled, &peer->arena, &reason), ERR_OK);
}

static void
peer_stop(struct peer *peer)
{
	net_dialled_free(peer->dialled);
	pthread_join(peer->thread, NULL);
	close(peer->listener);
	arena_clear(&peer->arena);
}

Test(dial, who_waits_for_a_peer_that_is_slow_but_never_silent_is_asked_too, .timeout = 60)
{
	struct peer peer = { .answer = ERR_OK };
	char *body = mem_calloc(1, BODY_BYTES);

	peer_start(&peer);
	peer.asked = 0;
	cr_assert_eq(net_dialled_write(peer.dialled, str_from(body, BODY_BYTES), clock_mono_ms() + 30000), ERR_OK);
	cr_assert_geq(peer.asked, 1);
	cr_assert_leq(peer.asked, 60, "and not all the time");
	free(body);
	peer_stop(&peer);
}

Test(dial, what_has_come_is_taken_though_nobody_wants_to_wait, .timeout = 60)
{
	struct peer peer = { .answer = ERR_GOING_AWAY };
	char *body = mem_calloc(1, BODY_BYTES), got = 0;
	size_t len;

	peer_start(&peer);
	cr_assert_eq(net_dialled_write(peer.dialled, str_from(body, BODY_BYTES), clock_mono_ms() + 30000), ERR_OK);
	cr_assert_eq(net_dialled_read(peer.dialled, &got, 1, clock_mono_ms() + 30000, &len), ERR_OK);
	cr_assert_eq(got, 'x');
	free(body);
	peer_stop(&peer);
}
