/* How many threads there are, and what goes on when all are busy. */
#include <criterion/criterion.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <dirent.h>
#include <netinet/in.h>
#include <fcntl.h>

#include "libcommon/core/metrics.h"
#include "tests/libcommon/net/fixture.h"

static struct fixture f;
static struct client clients[2000];

static void
connect_all(size_t count)
{
	for (size_t i = 0; i < count; i++)
		clients[i] = client_connect(f.port);
	for (size_t i = 0; i < count; i++)
		cr_assert_str_eq(client_line(&clients[i]), "* hello", "%zu", i);
}

static void
close_all(size_t count)
{
	for (size_t i = 0; i < count; i++)
		client_close(&clients[i]);
}

Test(net_threads, two_thousand_idle_sessions_add_none)
{
	size_t before;

	raise_file_limit();
	fixture_init(&f);
	f.limits.threads_max = 2;
	fixture_start_plain(&f);
	before = thread_count();
	connect_all(2000);
	for (size_t i = 0; i < 2000; i++)
		cr_assert_str_eq(client_ask(&clients[i], "ECHO x"), "x");
	cr_expect_eq(thread_count(), before, "%zu, then %zu", before, thread_count());
	cr_expect_eq(net_server_connections(f.server), 2000);
	close_all(2000);
	cr_expect(fixture_wait(&f, &f.closed, 2000));
	fixture_stop(&f);
}

Test(net_threads, the_pool_grows_when_sessions_block)
{
	fixture_init(&f);
	f.limits.threads_max = 40;
	fixture_start_plain(&f);
	connect_all(30);
	for (size_t i = 0; i < 30; i++)
		client_send(&clients[i], STR("BLOCK\r\n"));
	cr_expect(fixture_wait(&f, &f.running, 30), "%zu run", f.running);
	cr_expect_eq(metric_get(METRIC_NET_THREADS), 30);
	fixture_open_gate(&f);
	for (size_t i = 0; i < 30; i++)
		cr_expect_str_eq(client_line(&clients[i]), "done");
	close_all(30);
	fixture_stop(&f);
}

Test(net_threads, when_all_are_busy_framing_and_deadlines_go_on_and_the_rest_waits_its_turn)
{
	struct client idle;

	fixture_init(&f);
	f.limits.threads_max = 4;
	fixture_start_plain(&f);
	connect_all(30);
	idle = client_connect(f.port);
	cr_assert_str_eq(client_line(&idle), "* hello");
	cr_assert_str_eq(client_ask(&idle, "IDLE 50"), "OK");
	for (size_t i = 0; i < 29; i++)
		client_send(&clients[i], STR("BLOCK\r\n"));
	cr_expect(fixture_wait(&f, &f.running, 4));
	client_send(&clients[29], STR("ECHO unfinished"));
	cr_expect(fixture_wait(&f, &f.framed, 15), "framed though all are busy");
	cr_expect_str_eq(client_line(&idle), "* bye timeout", "its words come though all are busy");
	cr_expect_eq(f.running, 4);
	fixture_open_gate(&f);
	for (size_t i = 0; i < 29; i++)
		cr_expect_str_eq(client_line(&clients[i]), "done");
	cr_expect_str_eq(client_ask(&clients[29], ""), "unfinished");
	close_all(30);
	client_close(&idle);
	fixture_stop(&f);
}

static int
highest_descriptor(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

Test(net_threads, without_descriptors_accepting_pauses_and_goes_on)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct rlimit limit, none;

	fixture_init(&f);
	fixture_start_plain(&f);
	log_setup(LOG_ERROR + 1, LOG_LOGFMT);
	address.sin_port = htons(f.port);
	for (size_t i = 0; i < 10; i++)
		clients[i] = (struct client){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = (rlim_t)highest_descriptor();
	setrlimit(RLIMIT_NOFILE, &none);
	for (size_t i = 0; i < 10; i++)
		cr_assert_eq(connect(clients[i].fd, (struct sockaddr *)&address, sizeof(address)), 0);
	usleep(50000);
	cr_expect_eq(f.opened, 0);
	setrlimit(RLIMIT_NOFILE, &limit);
	for (size_t i = 0; i < 10; i++)
		cr_expect_str_eq(client_line(&clients[i]), "* hello");
	close_all(10);
	fixture_stop(&f);
}

Test(net_threads, one_user_cannot_have_them_all)
{
	struct client other;

	fixture_init(&f);
	f.limits.threads_max = 8;
	fixture_start_plain(&f);
	connect_all(30);
	for (size_t i = 0; i < 30; i++) {
		cr_assert_str_eq(client_ask(&clients[i], "USER greedy"), "OK");
		client_send(&clients[i], STR("BLOCK\r\nECHO after\r\n"));
	}
	cr_expect(fixture_wait(&f, &f.running, 4));
	other = client_connect(f.port);
	cr_expect_str_eq(client_line(&other), "* hello");
	cr_expect_str_eq(client_ask(&other, "USER modest"), "OK");
	cr_expect_str_eq(client_ask(&other, "ECHO x"), "x");
	cr_expect_eq(f.running, 4);
	fixture_open_gate(&f);
	for (size_t i = 0; i < 30; i++) {
		cr_expect_str_eq(client_line(&clients[i]), "done", "%zu", i);
		cr_expect_str_eq(client_line(&clients[i]), "after", "%zu", i);
	}
	close_all(30);
	client_close(&other);
	fixture_stop(&f);
}

/* Three who want all: half, half of the rest, and so on; the last thread is a fourth's. */
Test(net_threads, a_few_users_cannot_have_them_all_either)
{
	static const char *const users[] = { "USER a", "USER b", "USER c" };
	static const size_t running[] = { 4, 6, 7 };
	struct client other;

	fixture_init(&f);
	f.limits.threads_max = 8;
	fixture_start_plain(&f);
	connect_all(30);
	for (size_t i = 0; i < 30; i++) {
		cr_assert_str_eq(client_ask(&clients[i], users[i / 10]), "OK");
		client_send(&clients[i], STR("BLOCK\r\nECHO after\r\n"));
		if (i % 10 == 9)
			cr_expect(fixture_wait(&f, &f.running, running[i / 10]), "%zu run", f.running);
	}
	other = client_connect(f.port);
	cr_expect_str_eq(client_line(&other), "* hello");
	cr_expect_str_eq(client_ask(&other, "USER modest"), "OK");
	cr_expect_str_eq(client_ask(&other, "ECHO x"), "x");
	cr_expect_eq(f.running, 7);
	fixture_open_gate(&f);
	for (size_t i = 0; i < 30; i++) {
		cr_expect_str_eq(client_line(&clients[i]), "done", "%zu", i);
		cr_expect_str_eq(client_line(&clients[i]), "after", "%zu", i);
	}
	close_all(30);
	client_close(&other);
	fixture_stop(&f);
}
