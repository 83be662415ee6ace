/* Names whose addresses change: in a mount namespace of its own each test writes the file that getaddrinfo reads. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/bus/remote.h"
#include "libcommon/core/clock.h"
#include "peers.h"

enum { REPLICAS = 3, SOON_MS = 10000 };

/* Replicas at 127.0.0.2, .3 and .4, and a caller of the name for them. */
struct named {
	char hosts[32];
	struct peer peers[REPLICAS];
	struct caller caller;
	struct arena arena;
};

/* `count` addresses from the `first` of the replicas on; 0: there is no such name. */
static void
set_addresses(const struct named *n, int first, int count)
{
	char text[256];
	size_t len = (size_t)snprintf(text, sizeof(text), "127.0.0.1 localhost\n");
	int fd = open(n->hosts, O_WRONLY);

	for (int i = first; i < first + count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "127.0.0.%d replicas.test\n", i + 2);
	/* Never empty: whoever reads it in the middle finds the old or the new names. */
	cr_assert(fd >= 0 && pwrite(fd, text, len, 0) == (ssize_t)len && ftruncate(fd, (off_t)len) == 0);
	close(fd);
}

static void
named_start(struct named *n)
{
	static const char *const names[REPLICAS] = { "one", "two", "three" };
	struct str url = fresh_url(TCP), port = str_sub(url, str_rindex(url, ':') + 1, SIZE_MAX);
	int fd;

	memset(n, 0, sizeof(*n));
	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0)
		cr_skip_test("no mount namespaces here");
	strcpy(n->hosts, "/tmp/sora-test-hosts-XXXXXX");
	cr_assert((fd = mkstemp(n->hosts)) >= 0);
	fchmod(fd, 0644);
	close(fd);
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount(n->hosts, "/etc/hosts", NULL, MS_BIND, NULL), 0);
	for (int i = 0; i < REPLICAS; i++)
		peer_start(&n->peers[i], names[i], arena_printf(&n->arena, "tcp://127.0.0.%d:%.*s", i + 2, STR_ARG(port)));
	url = arena_printf(&n->arena, "tcp://replicas.test:%.*s", STR_ARG(port));
	caller_start(&n->caller, 1, &url);
}

static void
named_stop(struct named *n)
{
	caller_stop(&n->caller);
	for (int i = 0; i < REPLICAS; i++)
		peer_stop(&n->peers[i]);
	unlink(n->hosts);
	arena_clear(&n->arena);
}

/* Who answers: bits. Asks over many routes, so that each replica is somebody's first choice. */
static unsigned
who_answers(struct named *n)
{
	unsigned bits = 0;

	for (uint64_t route = 1; route <= 32; route++) {
		const char *name;

		n->caller.call.route = route;
		name = ping(&n->caller);
		for (int i = 0; i < REPLICAS; i++)
			bits |= strcmp(name, n->peers[i].name) == 0 ? 1u << i : 0;
		cr_assert_str_neq(name, "UNAVAILABLE");
	}
	return bits;
}

static void
await_answers(struct named *n, unsigned bits)
{
	int64_t give_up_ms = clock_mono_ms() + SOON_MS;

	while (who_answers(n) != bits) {
		cr_assert(clock_mono_ms() < give_up_ms, "%x is not %x", who_answers(n), bits);
		sleep_ms(20);
	}
}

Test(bus_names, replicas_come_and_go_with_their_addresses, .timeout = 60)
{
	struct named n;

	named_start(&n);
	set_addresses(&n, 0, 1);
	cr_assert_str_eq(ping(&n.caller), "one");
	set_addresses(&n, 0, 3);
	await_answers(&n, 7);
	set_addresses(&n, 1, 2);
	await_answers(&n, 6);
	set_addresses(&n, 2, 1);
	await_answers(&n, 4);
	named_stop(&n);
}

Test(bus_names, a_name_that_says_nothing_takes_nobody_away, .timeout = 60)
{
	struct named n;

	named_start(&n);
	set_addresses(&n, 0, 2);
	await_answers(&n, 3);
	set_addresses(&n, 0, 0);
	/* Longer than two looks at the name take. */
	for (int i = 0; i < 8; i++) {
		cr_assert_eq(who_answers(&n), 3);
		sleep_ms(1000);
	}
	named_stop(&n);
}

Test(bus_names, a_name_that_comes_late_is_found, .timeout = 60)
{
	struct named n;

	named_start(&n);
	set_addresses(&n, 0, 0);
	cr_assert_str_eq(ping(&n.caller), "UNAVAILABLE");
	set_addresses(&n, 1, 1);
	await_answers(&n, 2);
	named_stop(&n);
}

Test(bus_names, one_that_dies_before_its_address_does_is_not_waited_for, .timeout = 60)
{
	struct named n;

	named_start(&n);
	set_addresses(&n, 0, 2);
	await_answers(&n, 3);
	peer_stop(&n.peers[0]);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(who_answers(&n), 2);
	peer_start(&n.peers[0], "one", n.peers[0].url);
	await_answers(&n, 3);
	named_stop(&n);
}
