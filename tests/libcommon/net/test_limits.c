/* Timeouts, limits and the drain. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "libcommon/net/limits.h"
#include "tests/libcommon/net/fixture.h"

static struct fixture f;

static struct client
greeted(void)
{
	struct client c = client_connect(f.port);

	cr_assert_str_eq(client_line(&c), "* hello");
	return c;
}

Test(net_limits, names_are_counted_and_forgotten)
{
	struct tally tally;
	struct tally_name *a, *b, *other, *third;

	tally_init(&tally, 1);
	cr_expect_eq(tally_take(&tally, STR("a"), 2, &a), ERR_OK);
	cr_expect_eq(tally_take(&tally, STR("a"), 2, &b), ERR_OK);
	cr_expect_eq(a, b);
	cr_expect_eq(tally_take(&tally, STR("a"), 2, &third), ERR_LIMIT);
	cr_expect_eq(tally_take(&tally, STR("b"), 2, &other), ERR_OK);
	tally_drop(&tally, a);
	cr_expect_eq(tally_take(&tally, STR("a"), 2, &third), ERR_OK);
	cr_expect_eq(tally_take(&tally, STR("a"), 0, &third), ERR_OK, "no limit");
	tally_drop(&tally, b);
	tally_drop(&tally, third);
	tally_drop(&tally, third);
	tally_drop(&tally, other);
	tally_drop(&tally, NULL);
	for (size_t i = 0; i <= tally.mask; i++)
		cr_expect_null(tally.buckets[i]);
	tally_clear(&tally);
}

Test(net_limits, who_does_not_log_in_is_ended)
{
	struct client silent, talking, user;
	int64_t began_ms;

	fixture_init(&f);
	f.limits.login_ms = 300;
	fixture_start_plain(&f);
	silent = greeted();
	talking = greeted();
	user = greeted();
	cr_expect_str_eq(client_ask(&user, "USER u"), "OK");
	cr_expect_str_eq(client_ask(&talking, "ECHO x"), "x");
	cr_expect_str_eq(client_line(&silent), "* bye timeout");
	cr_expect_str_eq(client_line(&silent), "(closed)");
	cr_expect_str_eq(client_line(&talking), "* bye timeout", "talking is not logging in");
	cr_expect_eq(f.last_end, NET_END_TIMEOUT);
	began_ms = clock_mono_ms();
	cr_expect_str_eq(client_ask(&user, "NOBODY"), "OK");
	cr_expect_str_eq(client_line(&user), "* bye timeout");
	cr_expect_geq(clock_mono_ms() - began_ms, 300, "who logs out has the time again");
	client_close(&silent);
	client_close(&talking);
	client_close(&user);
	fixture_stop(&f);
}

Test(net_limits, reading_on_a_thread_counts_for_the_login_too)
{
	struct client c;

	fixture_init(&f);
	f.limits.login_ms = 200;
	fixture_start_plain(&f);
	c = greeted();
	client_send(&c, STR("READ 100\r\n"));
	cr_expect_str_eq(client_line(&c), "(closed)");
	client_close(&c);
	fixture_stop(&f);
}

/* A thread waits for it: a byte now and then does not keep it. */
Test(net_limits, who_sends_a_little_now_and_then_is_given_up, .timeout = 60)
{
	struct client c;
	int64_t until_ms = clock_mono_ms() + WAIT_MS;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	client_send(&c, STR("READ 1000000\r\n"));
	while (recv(c.fd, (char[1]){ 0 }, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN) {
		cr_assert_lt(clock_mono_ms(), until_ms, "it still reads");
		client_send(&c, STR("x"));
		usleep(20000);
	}
	cr_expect(fixture_wait(&f, &f.closed, 1));
	client_close(&c);
	fixture_stop(&f);
}

/* Waited for longer than once, but never for so long without a step. */
Test(net_limits, who_sends_enough_is_not_given_up, .timeout = 60)
{
	static char step[70000];
	struct client c;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	memset(step, 'x', sizeof(step));
	client_send(&c, STR("READ 700000\r\n"));
	for (int i = 0; i < 10; i++) {
		usleep(150000);
		client_send(&c, str_from(step, sizeof(step)));
	}
	cr_expect_str_eq(client_line(&c), "got 700000");
	client_close(&c);
	fixture_stop(&f);
}

Test(net_limits, idle_is_measured_from_the_last_request)
{
	struct client c;
	int64_t began_ms;

	fixture_init(&f);
	f.limits.idle_ms = 300;
	fixture_start_plain(&f);
	c = greeted();
	cr_expect_str_eq(client_ask(&c, "USER u"), "OK");
	for (int i = 0; i < 3; i++) {
		int64_t until_ms = clock_mono_ms() + 150;

		net_conn_wake(f.conns[0]);
		cr_expect_str_eq(client_line(&c), "* wake");
		while (clock_mono_ms() < until_ms)
			cr_assert_str_eq(client_ask(&c, "ECHO x"), "x");
	}
	began_ms = clock_mono_ms();
	client_send(&c, STR("ECHO not fini"));
	cr_expect_str_eq(client_line(&c), "* bye timeout");
	cr_expect(clock_mono_ms() - began_ms >= 250, "%ld ms", (long)(clock_mono_ms() - began_ms));
	cr_expect_str_eq(client_line(&c), "(closed)");
	client_close(&c);
	fixture_stop(&f);
}

Test(net_limits, connections_in_all_are_bounded)
{
	struct client a, b, c;
	int64_t refused = metric_get(METRIC_CONN_REFUSED);

	fixture_init(&f);
	f.limits.connections = 2;
	fixture_start_plain(&f);
	a = greeted();
	b = greeted();
	c = client_connect(f.port);
	cr_expect_str_eq(client_line(&c), "(closed)");
	cr_expect_eq(metric_get(METRIC_CONN_REFUSED), refused + 1);
	client_close(&c);
	client_close(&a);
	while (net_server_connections(f.server) > 1)
		usleep(1000);
	c = greeted();
	cr_expect_str_eq(client_ask(&c, "ECHO x"), "x", "in the slot of the first");
	client_close(&b);
	client_close(&c);
	fixture_stop(&f);
}

Test(net_limits, connections_of_an_address_are_bounded)
{
	struct client a, b, c;

	fixture_init(&f);
	f.limits.per_address = 2;
	fixture_start_plain(&f);
	a = greeted();
	b = greeted();
	c = client_connect(f.port);
	cr_expect_str_eq(client_line(&c), "(closed)");
	client_close(&c);
	client_close(&b);
	while (net_server_connections(f.server) > 1)
		usleep(1000);
	b = greeted();
	client_close(&a);
	client_close(&b);
	fixture_stop(&f);
}

Test(net_limits, connections_of_a_user_are_bounded)
{
	struct client a, b, c;

	fixture_init(&f);
	f.limits.per_user = 2;
	fixture_start_plain(&f);
	a = greeted();
	b = greeted();
	c = greeted();
	cr_expect_str_eq(client_ask(&a, "USER u"), "OK");
	cr_expect_str_eq(client_ask(&b, "USER u"), "OK");
	cr_expect_str_eq(client_ask(&c, "USER u"), "NO");
	cr_expect_str_eq(client_ask(&c, "USER v"), "OK");
	client_close(&a);
	cr_expect(fixture_wait(&f, &f.closed, 1));
	while (net_server_connections(f.server) > 2)
		usleep(1000);
	cr_expect_str_eq(client_ask(&c, "USER u"), "OK");
	cr_expect_str_eq(client_ask(&b, "NOBODY"), "OK");
	a = greeted();
	cr_expect_str_eq(client_ask(&a, "USER u"), "OK", "who has logged out has left his place");
	cr_expect_str_eq(client_ask(&b, "USER u"), "NO");
	client_close(&a);
	client_close(&b);
	client_close(&c);
	fixture_stop(&f);
}

Test(net_limits, a_drain_says_goodbye_to_the_parked_and_lets_the_busy_finish)
{
	struct client parked[50], busy;

	fixture_init(&f);
	f.limits.drain_ms = 300;
	fixture_start_plain(&f);
	for (size_t i = 0; i < 50; i++)
		parked[i] = greeted();
	busy = greeted();
	client_send(&busy, STR("BLOCK\r\n"));
	cr_assert(fixture_wait(&f, &f.running, 1));
	net_server_drain(f.server);
	for (size_t i = 0; i < 50; i++) {
		cr_expect_str_eq(client_line(&parked[i]), "* bye drain");
		cr_expect_str_eq(client_line(&parked[i]), "(closed)");
		client_close(&parked[i]);
	}
	while (net_server_connections(f.server) > 1)
		usleep(1000);
	cr_expect_eq(f.running, 1);
	fixture_open_gate(&f);
	cr_expect_str_eq(client_line(&busy), "done");
	cr_expect_str_eq(client_line(&busy), "* bye drain");
	cr_expect_str_eq(client_line(&busy), "(closed)");
	client_close(&busy);
	fixture_stop(&f);
}

Test(net_limits, the_goodbyes_of_a_drain_are_spread)
{
	enum { COUNT = 100, DRAIN_MS = 500 };
	static struct client parked[COUNT];
	int64_t began_ms;
	size_t early;

	fixture_init(&f);
	f.limits.drain_ms = DRAIN_MS;
	fixture_start_plain(&f);
	for (size_t i = 0; i < COUNT; i++)
		parked[i] = greeted();
	began_ms = clock_mono_ms();
	net_server_drain(f.server);
	cr_expect(fixture_wait(&f, &f.closed, COUNT / 4));
	early = f.closed;
	cr_expect(early < COUNT * 3 / 4 || clock_mono_ms() - began_ms > DRAIN_MS / 4, "%zu at once", early);
	cr_expect(fixture_wait(&f, &f.closed, COUNT));
	cr_expect(clock_mono_ms() - began_ms >= DRAIN_MS * 3 / 4, "over after %ld ms", (long)(clock_mono_ms() - began_ms));
	for (size_t i = 0; i < COUNT; i++)
		client_close(&parked[i]);
	fixture_stop(&f);
}

Test(net_limits, the_end_closes_those_that_do_not_go)
{
	struct client reading, silent;
	int64_t began_ms;

	fixture_init(&f);
	f.limits.drain_ms = 50;
	fixture_start_plain(&f);
	silent = greeted();
	reading = greeted();
	client_send(&reading, STR("BIG 100000000\r\n"));
	client_send(&silent, STR("BIG 900000\r\n"));
	began_ms = clock_mono_ms();
	fixture_stop(&f);
	cr_expect(clock_mono_ms() - began_ms < 5000, "%ld ms", (long)(clock_mono_ms() - began_ms));
	client_close(&reading);
	client_close(&silent);
}
