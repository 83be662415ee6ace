/* Framing, output and wakes of a connection. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/clock.h"
#include "libcommon/net/internal.h"
#include "tests/libcommon/net/fixture.h"

static struct fixture f;

static struct client
greeted(void)
{
	struct client c = client_connect(f.port);

	cr_assert_str_eq(client_line(&c), "* hello");
	return c;
}

Test(net, requests_are_framed_across_every_split)
{
	struct str input = STR("ECHO first\r\nECHO second\r\n");

	fixture_init(&f);
	fixture_start_plain(&f);
	for (size_t cut = 1; cut < input.len; cut++) {
		struct client c = greeted();

		f.framed = 0;
		client_send(&c, str_sub(input, 0, cut));
		if (cut != 12)
			fixture_wait(&f, &f.framed, cut < 12 ? cut : cut - 12);
		client_send(&c, str_sub(input, cut, SIZE_MAX));
		cr_expect_str_eq(client_line(&c), "first", "cut at %zu", cut);
		cr_expect_str_eq(client_line(&c), "second", "cut at %zu", cut);
		client_close(&c);
	}
	fixture_stop(&f);
}

Test(net, a_half_closed_client_gets_its_answers)
{
	struct client c;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	client_send(&c, STR("ECHO one\r\nBIG 3000000\r\nECHO two\r\nECHO unfini"));
	shutdown(c.fd, SHUT_WR);
	cr_expect_str_eq(client_line(&c), "one");
	client_line(&c);
	cr_expect_str_eq(client_line(&c), "two");
	cr_expect_str_eq(client_line(&c), "(closed)");
	cr_expect(fixture_wait(&f, &f.closed, 1));
	cr_expect_eq(f.last_end, NET_END_CLIENT);
	client_close(&c);
	fixture_stop(&f);
}

Test(net, a_client_that_goes_while_parked_is_closed)
{
	struct client c;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	client_close(&c);
	cr_expect(fixture_wait(&f, &f.closed, 1));
	cr_expect_eq(f.last_end, NET_END_CLIENT);
	fixture_stop(&f);
}

Test(net, quit_is_answered_and_ends)
{
	struct client c;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	cr_expect_str_eq(client_ask(&c, "ECHO x"), "x");
	cr_expect_str_eq(client_ask(&c, "QUIT"), "bye");
	cr_expect_str_eq(client_line(&c), "(closed)");
	cr_expect(fixture_wait(&f, &f.closed, 1));
	cr_expect_eq(f.last_end, NET_END_QUIT);
	cr_expect_eq(f.last_in, sizeof("ECHO x\r\nQUIT\r\n") - 1);
	cr_expect_eq(f.last_out, sizeof("* hello\r\nx\r\n") - 1, "the last answer is not yet sent");
	client_close(&c);
	fixture_stop(&f);
}

Test(net, a_line_without_end_is_told_so_although_more_is_on_its_way)
{
	char endless[200 * 1024];
	struct client c;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	memset(endless, 'a', sizeof(endless));
	client_send(&c, str_from(endless, sizeof(endless)));
	cr_expect_str_eq(client_line(&c), "too long");
	cr_expect_str_eq(client_line(&c), "(closed)");
	cr_expect_eq(f.last_end, NET_END_LIMIT);
	client_close(&c);
	fixture_stop(&f);
}

Test(net, a_thread_reads_what_is_larger_than_the_parked_input)
{
	static char body[300000];
	struct client c;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	memset(body, 'b', sizeof(body));
	client_send(&c, STR("READ 300000\r\n"));
	client_send(&c, str_from(body, sizeof(body)));
	cr_expect_str_eq(client_line(&c), "got 300000");
	cr_expect_str_eq(client_ask(&c, "ECHO after"), "after");
	cr_expect_str_eq(client_ask(&c, "READ 5"), "(closed)", "nothing comes for a second");
	client_close(&c);
	fixture_stop(&f);
}

Test(net, the_end_is_one_line_with_its_reason)
{
	char path[] = "/tmp/sora-test-XXXXXX", line[512] = "";
	int file = mkstemp(path), saved = dup(2);
	struct client c;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	cr_expect_str_eq(client_ask(&c, "USER tester"), "OK");
	log_setup(LOG_INFO, LOG_LOGFMT);
	dup2(file, 2);
	cr_expect_str_eq(client_ask(&c, "QUIT"), "bye");
	client_close(&c);
	fixture_stop(&f);
	dup2(saved, 2);
	cr_assert(pread(file, line, sizeof(line) - 1, 0) > 0);
	cr_expect(strstr(line, "event=net.closed service=test session=") != NULL, "%s", line);
	cr_expect(strstr(line, " user=tester reason=quit peer=127.0.0.1 ") != NULL, "%s", line);
	cr_expect(strstr(line, " bytes_in=19 bytes_out=18\n") != NULL, "%s", line);
	unlink(path);
}

/* ---- output */

Test(net, output_beyond_the_queue_arrives_whole)
{
	struct client c;
	size_t total = 0;
	char block[4096];
	ssize_t got;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	client_send(&c, STR("BIG 20000000\r\nQUIT\r\n"));
	while ((got = recv(c.fd, block, sizeof(block), 0)) > 0) {
		for (ssize_t i = 0; i < got && total + (size_t)i < 20000000; i++)
			cr_assert_eq(block[i], 'x', "at %zu", total + (size_t)i);
		total += (size_t)got;
	}
	cr_expect_eq(total, 20000000 + 2 + 5, "%zu", total);
	client_close(&c);
	fixture_stop(&f);
}

Test(net, queued_output_holds_no_thread_and_stops_new_input)
{
	enum { CLIENTS = 10, BIGS = 20 };
	struct client c[CLIENTS];

	fixture_init(&f);
	f.limits.threads_min = f.limits.threads_max = 1;
	fixture_start_plain(&f);
	for (size_t i = 0; i < CLIENTS; i++) {
		c[i] = greeted();
		for (int n = 0; n < BIGS; n++)
			client_send(&c[i], STR("BIG 1000000\r\n"));
		client_send(&c[i], STR("ECHO last\r\n"));
	}
	/* Each gets to run, though none reads and there is one thread. */
	for (size_t i = 0; i < CLIENTS; i++)
		cr_expect_eq(recv(c[i].fd, (char[1]){ 0 }, 1, MSG_PEEK), 1, "%zu", i);
	cr_expect(f.ran < CLIENTS * (BIGS + 1), "%zu ran", f.ran);
	for (size_t i = 0; i < CLIENTS; i++) {
		for (int n = 0; n < BIGS; n++)
			client_line(&c[i]);
		cr_expect_str_eq(client_line(&c[i]), "last");
		client_close(&c[i]);
	}
	fixture_stop(&f);
}

Test(net, a_client_that_does_not_read_is_ended_as_slow)
{
	static const char *const sizes[] = { "BIG 100000000\r\n", "BIG 1000000\r\nBIG 1000000\r\nBIG 1000000\r\nBIG 1000000\r\nBIG 1000000\r\n"
		"BIG 1000000\r\nBIG 1000000\r\nBIG 1000000\r\n" };

	fixture_init(&f);
	f.limits.write_ms = 100;
	fixture_start_plain(&f);
	for (size_t i = 0; i < 2; i++) {
		struct client c = greeted();

		client_send(&c, str_c(sizes[i]));
		cr_expect(fixture_wait(&f, &f.closed, i + 1));
		cr_expect_eq(f.last_end, NET_END_SLOW, "%s: %s", sizes[i], net_end_name(f.last_end));
		client_close(&c);
	}
	fixture_stop(&f);
}

/* The kernel holds little, on both sides: what the client takes, the server sees. */
static struct client
greeted_with_small_buffers(size_t number)
{
	struct client c = client_connect_small(f.port);
	int bytes = 8192;

	cr_assert_str_eq(client_line(&c), "* hello");
	cr_assert(fixture_wait(&f, &f.opened, number + 1));
	setsockopt(f.conns[number]->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return c;
}

/* Waited for by a thread, and parked. */
Test(net, a_client_that_takes_a_little_now_and_then_is_ended_as_slow, .timeout = 60)
{
	static const char *const sizes[] = { "BIG 100000000\r\n", "BIG 1000000\r\nBIG 1000000\r\nBIG 1000000\r\nBIG 1000000\r\nBIG 1000000\r\n"
		"BIG 1000000\r\nBIG 1000000\r\nBIG 1000000\r\n" };

	fixture_init(&f);
	f.limits.write_ms = 2000;
	fixture_start_plain(&f);
	for (size_t i = 0; i < 2; i++) {
		struct client c = greeted_with_small_buffers(i);
		int64_t until_ms = clock_mono_ms() + WAIT_MS;
		char some[200];

		client_send(&c, str_c(sizes[i]));
		/* At most 20 KB a second; a step of 64 KiB would have to be done in two. */
		while (f.closed <= i && recv(c.fd, some, sizeof(some), 0) > 0) {
			cr_assert_lt(clock_mono_ms(), until_ms, "%s: still there", sizes[i]);
			usleep(10000);
		}
		cr_expect(fixture_wait(&f, &f.closed, i + 1));
		cr_expect_eq(f.last_end, NET_END_SLOW, "%s: %s", sizes[i], net_end_name(f.last_end));
		client_close(&c);
	}
	fixture_stop(&f);
}

/* Slower than at once, faster than too slow: however long it takes in all. */
Test(net, a_client_that_takes_its_steps_in_time_is_not_ended, .timeout = 60)
{
	enum { TOTAL = 3000000 };
	struct client c;
	size_t total = 0;
	char some[20000];
	ssize_t got;

	fixture_init(&f);
	f.limits.write_ms = 5000;
	fixture_start_plain(&f);
	c = greeted_with_small_buffers(0);
	client_send(&c, STR("BIG 1000000\r\nBIG 1000000\r\nBIG 1000000\r\nQUIT\r\n"));
	while ((got = recv(c.fd, some, sizeof(some), 0)) > 0) {
		total += (size_t)got;
		usleep(5000);
	}
	cr_expect_eq(total, TOTAL + 3 * 2 + 5, "%zu", total);
	client_close(&c);
	fixture_stop(&f);
}

/* ---- wakes */

Test(net, a_wake_reaches_a_parked_connection)
{
	struct client c;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	net_conn_wake(f.conns[0]);
	cr_expect_str_eq(client_line(&c), "* wake");
	cr_expect_str_eq(client_ask(&c, "ECHO x"), "x");
	client_close(&c);
	fixture_stop(&f);
}

Test(net, a_wake_during_run_comes_after_it)
{
	struct client c;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	cr_expect_str_eq(client_ask(&c, "SELFWAKE"), "ran");
	cr_expect_str_eq(client_line(&c), "* wake");
	client_close(&c);
	fixture_stop(&f);
}

Test(net, wakes_while_output_is_queued_come_when_it_is_sent)
{
	enum { BIGS = 20 };
	struct client c;
	size_t before;
	const char *line;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	for (int n = 0; n < BIGS; n++)
		client_send(&c, STR("BIG 1000000\r\n"));
	cr_assert(fixture_wait(&f, &f.ran, 1));
	for (int n = 0; n < 100; n++)
		net_conn_wake(f.conns[0]);
	before = f.wakes;
	net_conn_wake(f.conns[0]);
	for (int n = 0; n < BIGS; n += line[0] == 'x')
		line = client_line(&c);
	cr_expect(fixture_wait(&f, &f.wakes, before + 1));
	client_close(&c);
	fixture_stop(&f);
}

/* Once, so long after the last request; a request that comes before puts it off. */
Test(net, who_rests_is_woken_once)
{
	struct client c;
	int64_t last_ms = 0;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = greeted();
	cr_expect_str_eq(client_ask(&c, "REST 300"), "OK");
	for (int i = 0; i < 4; i++) {
		usleep(100000);
		last_ms = clock_mono_ms();
		cr_expect_str_eq(client_ask(&c, "ECHO x"), "x");
	}
	cr_expect_str_eq(client_line(&c), "* wake");
	cr_expect(clock_mono_ms() - last_ms >= 300, "%ld ms", (long)(clock_mono_ms() - last_ms));
	usleep(700000);
	cr_expect_str_eq(client_ask(&c, "ECHO y"), "y", "it is woken once");
	cr_expect_eq(f.wakes, 1);
	client_close(&c);
	fixture_stop(&f);
}

/* But not before it has taken what it was sent. */
Test(net, who_rests_and_does_not_read_is_woken_when_it_has)
{
	enum { BIGS = 10 };
	struct client c;
	size_t bigs = 0;

	fixture_init(&f);
	fixture_start_plain(&f);
	c = client_connect_small(f.port);
	cr_assert_str_eq(client_line(&c), "* hello");
	cr_expect_str_eq(client_ask(&c, "REST 100"), "OK");
	for (int i = 0; i < BIGS; i++)
		client_send(&c, STR("BIG 1000000\r\n"));
	usleep(500000);
	cr_expect_eq(f.wakes, 0);
	for (int i = 0; i < BIGS + 1; i++)
		bigs += client_line(&c)[0] == 'x';
	cr_expect_eq(bigs, BIGS);
	cr_expect_eq(f.wakes, 1);
	client_close(&c);
	fixture_stop(&f);
}

enum { WAKERS = 4, SESSIONS = 40, ROUNDS = 3000 };

static _Atomic bool is_over;

/* Wake, then wait until a wake() that began later has been: one that is lost is waited for in vain. */
static void *
waker(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct net_conn *conn = f.conns[(unsigned)rand_r(&seed) % SESSIONS];
		struct session *session = net_session(conn);
		int64_t mine = atomic_fetch_add(&session->wanted, 1) + 1;
		int64_t deadline_ms = clock_mono_ms() + WAIT_MS;

		net_conn_wake(conn);
		while (atomic_load(&session->seen) < mine) {
			if (clock_mono_ms() > deadline_ms)
				return "a wake was lost";
			sched_yield();
		}
	}
	return NULL;
}

/* Meanwhile every other session is not always parked; at the rest nothing happens but wakes, so that nothing hides a lost one. */
static void *
talker(void *arg)
{
	struct client *clients = arg;

	for (unsigned i = 0; !atomic_load(&is_over); i = (i + 2) % SESSIONS) {
		struct client *c = &clients[i];

		client_send(c, STR("ECHO x\r\nECHO y\r\n"));
		while (strcmp(client_line(c), "y") != 0)
			;
	}
	return NULL;
}

Test(net, no_wake_is_lost)
{
	static struct client clients[SESSIONS];
	pthread_t wakers[WAKERS], talkers;
	void *problem;

	fixture_init(&f);
	fixture_start_plain(&f);
	for (size_t i = 0; i < SESSIONS; i++)
		clients[i] = greeted();
	pthread_create(&talkers, NULL, talker, clients);
	for (uintptr_t i = 0; i < WAKERS; i++)
		pthread_create(&wakers[i], NULL, waker, (void *)(i + 1));
	for (size_t i = 0; i < WAKERS; i++) {
		pthread_join(wakers[i], &problem);
		cr_expect_null(problem, "%s", (char *)problem);
	}
	is_over = true;
	pthread_join(talkers, NULL);
	for (size_t i = 0; i < SESSIONS; i++)
		client_close(&clients[i]);
	fixture_stop(&f);
}
