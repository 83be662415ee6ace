#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "libcommon/bus/remote.h"
#include "libcommon/bus/sockets.h"
#include "libcommon/core/random.h"

enum { REPLICAS = 7, ROUTES = 70000 };

static int
first_choice(uint64_t route, const uint64_t *ids, int count)
{
	int best = 0;

	for (int i = 1; i < count; i++) {
		if (bus_weight(route, ids[i]) > bus_weight(route, ids[best]))
			best = i;
	}
	return best;
}

static void
name_replicas(uint64_t *ids)
{
	for (int i = 0; i < REPLICAS; i++) {
		char url[64];

		snprintf(url, sizeof(url), "tcp://10.0.0.%d:7101", i + 1);
		ids[i] = str_hash(str_c(url));
	}
}

Test(bus_remote, routes_are_spread_evenly)
{
	uint64_t ids[REPLICAS];
	int counts[REPLICAS] = { 0 };

	name_replicas(ids);
	/* Small numbers next to each other, as counters give. */
	for (uint64_t route = 0; route < ROUTES; route++)
		counts[first_choice(route, ids, REPLICAS)]++;
	for (int i = 0; i < REPLICAS; i++)
		cr_assert(abs(counts[i] - ROUTES / REPLICAS) < ROUTES / REPLICAS / 20, "replica %d has %d", i, counts[i]);
}

Test(bus_remote, when_one_goes_only_its_routes_move_and_they_spread)
{
	uint64_t ids[REPLICAS];
	int moved[REPLICAS] = { 0 };

	name_replicas(ids);
	for (uint64_t route = 0; route < ROUTES; route++) {
		int before = first_choice(route, ids, REPLICAS);
		int after = first_choice(route, ids, REPLICAS - 1);

		if (before != REPLICAS - 1)
			cr_assert_eq(before, after);
		else
			moved[after]++;
	}
	for (int i = 0; i < REPLICAS - 1; i++)
		cr_assert_gt(moved[i], ROUTES / REPLICAS / (REPLICAS - 1) / 2, "replica %d got %d", i, moved[i]);
}

Test(bus_sockets, plain_tcp_listens_on_loopback_only)
{
	static const struct {
		const char *url;
		enum err err;
	} rows[] = {
		{ "inproc://metadata", ERR_OK },
		{ "ipc:///run/sora/metadata", ERR_OK },
		{ "tcp://127.0.0.1:7101", ERR_OK },
		{ "tcp://127.3.2.1:7101", ERR_OK },
		{ "tcp://[::1]:7101", ERR_OK },
		{ "tcp://localhost:7101", ERR_OK },
		{ "tcp://*:7101", ERR_DENIED },
		{ "tcp://:7101", ERR_DENIED },
		{ "tcp://0.0.0.0:7101", ERR_DENIED },
		{ "tcp://[::]:7101", ERR_DENIED },
		{ "tcp://10.1.2.3:7101", ERR_DENIED },
		{ "tls+tcp://*:7101", ERR_OK },
		{ "tls+tcp://10.1.2.3:7101", ERR_OK },
		{ "tls+tcp://10.1.2.3", ERR_CONFIG },
		{ "tls+tcp://10.1.2.3:0", ERR_CONFIG },
		{ "tls://10.1.2.3:7101", ERR_CONFIG },
		{ "tcp://127.0.0.1", ERR_CONFIG },
		{ "tcp://127.0.0.1:0", ERR_CONFIG },
		{ "tcp://127.0.0.1:65536", ERR_CONFIG },
		{ "tcp://127.0.0.1:smtp", ERR_CONFIG },
		{ "http://127.0.0.1:80", ERR_CONFIG },
		{ "inproc://", ERR_CONFIG },
		{ "ipc://relative", ERR_CONFIG },
		{ "", ERR_CONFIG },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_assert_eq(bus_listen_check(str_c(rows[i].url)), rows[i].err, "%s", rows[i].url);
}

Test(bus_sockets, a_url_is_resolved_to_addresses)
{
	static const struct {
		const char *url, *first;
		enum err err;
		bool is_name;
	} rows[] = {
		{ "inproc://blob", "inproc://blob", ERR_OK, false },
		{ "tcp://127.0.0.1:7101", "tcp://127.0.0.1:7101", ERR_OK, false },
		{ "tcp://[::1]:7101", "tcp://[::1]:7101", ERR_OK, false },
		{ "tcp://localhost:7101", "tcp://127.0.0.1:7101", ERR_OK, true },
		{ "tcp://no-such-host.invalid:7101", NULL, ERR_UNAVAILABLE, true },
		{ "tcp://*:7101", NULL, ERR_CONFIG, false },
		{ "gopher://x", NULL, ERR_CONFIG, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena = { 0 };
		struct str *urls;
		size_t count = 0;

		cr_assert_eq(bus_resolve(str_c(rows[i].url), &arena, &urls, &count), rows[i].err, "%s", rows[i].url);
		if (rows[i].first != NULL)
			cr_assert(count == 1 && str_equal(urls[0], str_c(rows[i].first)), "%s", rows[i].url);
		if (rows[i].first != NULL || rows[i].err == ERR_UNAVAILABLE)
			cr_assert_eq(bus_url_is_name(str_c(rows[i].url)), rows[i].is_name, "%s", rows[i].url);
		arena_clear(&arena);
	}
}
