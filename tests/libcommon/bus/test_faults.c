#include <criterion/criterion.h>
#include <pthread.h>

#include "libcommon/bus/remote.h"
#include "libcommon/core/clock.h"
#include "peers.h"

static MetadataStoreRequest store = METADATA_STORE_REQUEST__INIT;
static MetadataEmpty empty = METADATA_EMPTY__INIT;
static MetadataWatchRequest watch = METADATA_WATCH_REQUEST__INIT;

/* Two replicas over `transport`, and a caller whose route leads to the first. */
static void
pair_start(struct peer *peers, struct caller *caller, enum transport transport)
{
	peer_start(&peers[0], "one", fresh_url(transport));
	peer_start(&peers[1], "two", fresh_url(transport));
	caller_start(caller, 2, (struct str[]){ peers[0].url, peers[1].url });
	await_replicas(caller, 2);
	caller->call.route = route_to(caller, peers[0].url);
}

static void
pair_stop(struct peer *peers, struct caller *caller)
{
	caller_stop(caller);
	peer_stop(&peers[0]);
	peer_stop(&peers[1]);
}

static void *
stop_within_a_call(void *peer)
{
	await_runs(peer, 1);
	peer_stop(peer);
	return NULL;
}

Test(bus_faults, a_peer_killed_in_the_middle_is_followed_by_the_next_with_the_same_key)
{
	for (int t = 0; t < TRANSPORTS; t++) {
		struct peer peers[2] = { 0 };
		struct caller caller;
		pthread_t thread;
		int64_t began;

		pair_start(peers, &caller, (enum transport)t);
		peers[0].sleep_ms = 600;
		began = clock_mono_ms();
		pthread_create(&thread, NULL, stop_within_a_call, &peers[0]);
		cr_assert_eq(metadata_store(&caller.call, &store, NULL), ERR_OK, "%s", transport_names[t]);
		cr_assert_lt(clock_mono_ms() - began, 500, "%s: the loss is noticed at once", transport_names[t]);
		pthread_join(thread, NULL);
		cr_assert(peers[0].key_count == 1 && peers[1].key_count == 1);
		cr_assert(memcmp(&peers[0].keys[0], &peers[1].keys[0], sizeof(struct uuid)) == 0);
		cr_assert_eq(caller.call.replica, str_hash(peers[1].url));
		pair_stop(peers, &caller);
	}
}

Test(bus_faults, what_was_perhaps_done_is_said_so_when_nobody_else_can_be_asked)
{
	struct peer peer = { 0 };
	struct caller caller;
	pthread_t thread;

	peer_start(&peer, "one", fresh_url(TCP));
	caller_start(&caller, 1, &peer.url);
	peer.sleep_ms = 300;
	pthread_create(&thread, NULL, stop_within_a_call, &peer);
	cr_assert_eq(metadata_store(&caller.call, &store, NULL), ERR_UNKNOWN_OUTCOME);
	pthread_join(thread, NULL);
	cr_assert_str_eq(ping(&caller), "UNAVAILABLE", "a read has no outcome to be unknown");
	caller_stop(&caller);
}

Test(bus_faults, a_restarted_peer_is_asked_again_with_the_same_key)
{
	struct peer peer = { 0 }, next = { 0 };
	struct caller caller;
	struct bus_future *future;

	peer_start(&peer, "one", fresh_url(TCP));
	caller_start(&caller, 1, &peer.url);
	cr_assert_str_eq(ping(&caller), "one");
	peer.sleep_ms = 200;
	future = metadata_store_start(&caller.call, &store);
	await_runs(&peer, 2);
	peer_stop(&peer);
	peer_start(&next, "next", peer.url);
	cr_assert_eq(metadata_store_wait(future, NULL), ERR_OK);
	cr_assert_eq(next.key_count, 1);
	cr_assert(memcmp(&peer.keys[0], &next.keys[0], sizeof(struct uuid)) == 0);
	caller_stop(&caller);
	peer_stop(&next);
}

Test(bus_faults, a_draining_peer_sends_callers_to_the_next_and_ends_what_it_has)
{
	struct peer peers[2] = { 0 };
	struct caller caller;
	struct bus_future *future;

	pair_start(peers, &caller, TCP);
	peers[0].sleep_ms = 300;
	future = metadata_ping_start(&caller.call, &empty);
	await_runs(&peers[0], 1);
	bus_drain(peers[0].bus);
	cr_assert_str_eq(ping(&caller), "two");
	{
		MetadataPingReply *reply;

		cr_assert_eq(metadata_ping_wait(future, &reply), ERR_OK);
		cr_assert_str_eq(reply->version, "one");
	}
	cr_assert_eq(peers[0].runs, 1);
	pair_stop(peers, &caller);
}

Test(bus_faults, a_draining_peer_takes_the_next_part_of_what_it_has_until_its_end)
{
	struct peer peers[2] = { 0 };
	struct caller caller;

	pair_start(peers, &caller, TCP);
	bus_drain(peers[0].bus);
	caller.call.is_pinned = true;
	caller.call.replica = str_hash(peers[0].url);
	cr_assert_str_eq(ping(&caller), "one");
	bus_quiesce(peers[0].bus, clock_mono_ms() + 5000);
	cr_assert_str_eq(ping(&caller), "GOING_AWAY");
	pair_stop(peers, &caller);
}

Test(bus_faults, a_draining_process_still_serves_itself)
{
	struct peer peer = { 0 };
	struct caller caller;

	peer_start(&peer, "one", fresh_url(INPROC));
	caller_start(&caller, 1, &peer.url);
	bus_drain(peer.bus);
	cr_assert_str_eq(ping(&caller), "one");
	caller_stop(&caller);
	peer_stop(&peer);
}

Test(bus_faults, quiesce_waits_for_what_is_under_way)
{
	struct peer peer = { 0 };
	struct caller caller;
	struct bus_future *future;
	int64_t began;

	peer_start(&peer, "one", fresh_url(TCP));
	caller_start(&caller, 1, &peer.url);
	cr_assert_str_eq(ping(&caller), "one");
	peer.sleep_ms = 300;
	future = metadata_ping_start(&caller.call, &empty);
	await_runs(&peer, 2);
	began = clock_mono_ms();
	bus_quiesce(peer.bus, began + 50);
	cr_assert(clock_mono_ms() - began < 200, "but not past its deadline");
	bus_quiesce(peer.bus, began + 5000);
	cr_assert(clock_mono_ms() - began > 150 && clock_mono_ms() - began < 2000);
	cr_assert_eq(metadata_ping_wait(future, NULL), ERR_OK);
	caller_stop(&caller);
	peer_stop(&peer);
}

Test(bus_faults, past_its_limits_a_peer_is_busy_and_the_next_is_asked)
{
	static const struct bus_limits rows[] = {
		{ .threads = 1, .queue = 1 },
		{ .threads = 4, .in_flight = 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer peers[2] = { { .limits = rows[i] } };
		struct caller caller;
		struct bus_future *futures[2];

		pair_start(peers, &caller, TCP);
		peers[0].sleep_ms = 400;
		for (int n = 0; n < 2; n++) {
			futures[n] = metadata_ping_start(&caller.call, &empty);
			sleep_ms(50);
		}
		cr_assert_str_eq(ping(&caller), "two", "row %zu", i);
		caller.call.is_pinned = true;
		caller.call.replica = str_hash(peers[0].url);
		cr_assert_str_eq(ping(&caller), "BUSY", "row %zu", i);
		for (int n = 0; n < 2; n++)
			cr_assert_eq(metadata_ping_wait(futures[n], NULL), ERR_OK);
		cr_assert_str_eq(ping(&caller), "one", "row %zu: and then it is free again", i);
		pair_stop(peers, &caller);
	}
}

Test(bus_faults, the_patient_ask_the_busy_again_until_their_time_is_over)
{
	struct peer peer = { .limits = { .threads = 1, .queue = 1 }, .sleep_ms = 300 };
	struct caller caller, other;
	struct bus_future *futures[2];

	peer_start(&peer, "one", fresh_url(TCP));
	caller_start(&caller, 1, &peer.url);
	caller_start(&other, 1, &peer.url);
	cr_assert_str_eq(ping(&caller), "one");
	for (int is_pinned = 0; is_pinned < 2; is_pinned++) {
		for (int n = 0; n < 2; n++) {
			futures[n] = metadata_ping_start(&other.call, &empty);
			sleep_ms(50);
		}
		caller.call.is_pinned = is_pinned;
		caller.call.replica = str_hash(peer.url);
		caller.call.is_patient = false;
		cr_assert_str_eq(ping(&caller), "BUSY", "pinned: %d", is_pinned);
		caller.call.is_patient = true;
		caller.call.deadline_ms = clock_mono_ms() + 50;
		cr_assert_str_eq(ping(&caller), "DEADLINE", "pinned: %d", is_pinned);
		cr_assert(clock_left_ms(caller.call.deadline_ms) == 0 && clock_mono_ms() < caller.call.deadline_ms + 100);
		caller.call.deadline_ms = 0;
		cr_assert_str_eq(ping(&caller), "one", "pinned: %d", is_pinned);
		for (int n = 0; n < 2; n++)
			cr_assert_eq(metadata_ping_wait(futures[n], NULL), ERR_OK);
	}
	caller_stop(&other);
	caller_stop(&caller);
	peer_stop(&peer);
}

Test(bus_faults, unavailable_is_asked_elsewhere_other_errors_are_answers)
{
	struct peer peers[2] = { 0 };
	struct caller caller;

	pair_start(peers, &caller, TCP);
	peers[0].answer = ERR_UNAVAILABLE;
	cr_assert_str_eq(ping(&caller), "two");
	peers[0].answer = ERR_NO_MAILBOX;
	cr_assert_str_eq(ping(&caller), "NO_MAILBOX");
	peers[0].answer = ERR_UNAVAILABLE;
	peers[1].answer = ERR_UNAVAILABLE;
	peers[0].runs = peers[1].runs = 0;
	cr_assert_str_eq(ping(&caller), "UNAVAILABLE");
	cr_assert(peers[0].runs == 1 && peers[1].runs == 1, "each was asked once");
	cr_assert(str_equal(caller.call.detail, STR("as told")));
	pair_stop(peers, &caller);
}

static void *
start_soon(void *arg)
{
	struct peer *peer = arg;

	sleep_ms(300);
	peer_start(peer, "two", peer->url);
	return NULL;
}

static void
expect_unavailable_at_once(struct caller *caller, const char *what)
{
	int64_t began = clock_mono_ms();

	cr_assert_str_eq(ping(caller), "UNAVAILABLE", "%s", what);
	cr_assert_lt(clock_mono_ms() - began, BUS_CONNECT_TIME_MS / 2, "%s", what);
}

/* When a process has just started, who is connected first may be the one that can not do it. */
Test(bus_faults, one_that_is_being_connected_is_waited_for)
{
	struct peer peers[2] = { { .answer = ERR_UNAVAILABLE }, { .url = fresh_url(TCP) } };
	struct caller caller;
	pthread_t thread;

	peer_start(&peers[0], "one", fresh_url(TCP));
	caller_start(&caller, 2, (struct str[]){ peers[0].url, peers[1].url });
	pthread_create(&thread, NULL, start_soon, &peers[1]);
	cr_assert_str_eq(ping(&caller), "two");
	pthread_join(thread, NULL);
	peer_stop(&peers[1]);
	expect_unavailable_at_once(&caller, "it was there and is gone");
	caller_stop(&caller);
	caller_start(&caller, 2, (struct str[]){ peers[0].url, peers[1].url });
	await_replicas(&caller, 1);
	sleep_ms(BUS_CONNECT_TIME_MS);
	expect_unavailable_at_once(&caller, "it was not there for long");
	caller_stop(&caller);
	peer_stop(&peers[0]);
}

Test(bus_faults, one_that_fails_three_times_is_left_alone_for_a_while)
{
	struct peer peers[2] = { 0 };
	struct caller caller;

	pair_start(peers, &caller, TCP);
	peers[0].answer = ERR_UNAVAILABLE;
	for (int i = 0; i < 6; i++)
		cr_assert_str_eq(ping(&caller), "two");
	cr_assert_eq(peers[0].runs, 3);
	peers[0].answer = ERR_OK;
	sleep_ms(1100);
	cr_assert_str_eq(ping(&caller), "one");
	pair_stop(peers, &caller);
}

Test(bus_faults, one_call_finds_out_whether_it_is_well_again)
{
	struct peer peers[2] = { 0 };
	struct caller caller;
	struct bus_future *futures[4];

	pair_start(peers, &caller, TCP);
	peers[0].answer = ERR_UNAVAILABLE;
	for (int i = 0; i < 3; i++)
		cr_assert_str_eq(ping(&caller), "two");
	sleep_ms(1100);
	peers[0].answer = ERR_OK;
	peers[0].sleep_ms = 300;
	peers[0].runs = 0;
	for (int i = 0; i < 4; i++)
		futures[i] = metadata_ping_start(&caller.call, &empty);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(metadata_ping_wait(futures[i], NULL), ERR_OK);
	cr_assert_eq(peers[0].runs, 1);
	cr_assert_str_eq(ping(&caller), "one");
	pair_stop(peers, &caller);
}

/* Of three, the first two choices fail. Two left alone would be more than half, so the second is asked for ever. */
Test(bus_faults, never_more_than_half_are_left_alone)
{
	struct peer peers[3] = { 0 };
	struct caller caller;
	static const char *const names[] = { "one", "two", "three" };

	for (int i = 0; i < 3; i++)
		peer_start(&peers[i], names[i], fresh_url(TCP));
	caller_start(&caller, 3, (struct str[]){ peers[0].url, peers[1].url, peers[2].url });
	await_replicas(&caller, 3);
	do
		caller.call.route++;
	while (bus_weight(caller.call.route, str_hash(peers[0].url)) < bus_weight(caller.call.route, str_hash(peers[1].url)) ||
	    bus_weight(caller.call.route, str_hash(peers[1].url)) < bus_weight(caller.call.route, str_hash(peers[2].url)));
	peers[0].answer = peers[1].answer = ERR_UNAVAILABLE;
	for (int i = 0; i < 8; i++)
		cr_assert_str_eq(ping(&caller), "three");
	cr_assert_eq(peers[0].runs, 3, "left alone");
	cr_assert_eq(peers[1].runs, 8, "and this one not");
	caller_stop(&caller);
	for (int i = 0; i < 3; i++)
		peer_stop(&peers[i]);
}

/* As a process that was stopped: connected, silent. */
Test(bus_faults, a_silent_peer_gets_half_of_the_time_when_there_is_another)
{
	struct peer peers[2] = { 0 };
	struct caller caller;
	int64_t began;

	pair_start(peers, &caller, TCP);
	peers[0].sleep_ms = 2500;
	began = clock_mono_ms();
	caller.call.deadline_ms = began + 1000;
	cr_assert_eq(metadata_store(&caller.call, &store, NULL), ERR_OK);
	cr_assert(clock_mono_ms() - began >= 450 && clock_mono_ms() - began < 800);
	cr_assert(memcmp(&peers[0].keys[0], &peers[1].keys[0], sizeof(struct uuid)) == 0);
	pair_stop(peers, &caller);
}

Test(bus_faults, of_a_long_call_a_silent_peer_gets_five_seconds)
{
	struct peer peers[2] = { 0 };
	struct caller caller;

	pair_start(peers, &caller, TCP);
	peers[0].sleep_ms = 9000;
	cr_assert_eq(metadata_store(&caller.call, &store, NULL), ERR_OK);
	cr_assert_eq(peers[1].runs, 1, "while the first still sleeps");
	pair_stop(peers, &caller);
}

Test(bus_faults, a_deferred_call_is_answered_later_by_another_thread)
{
	struct peer peer = { .limits = { .threads = 1 } };
	struct caller caller;
	struct bus_future *future;
	MetadataWatchReply *reply;

	peer_start(&peer, "one", fresh_url(INPROC));
	caller_start(&caller, 1, &peer.url);
	watch.after = 41;
	future = metadata_watch_start(&caller.call, &watch);
	while (peer.deferred == NULL)
		sleep_ms(1);
	cr_assert_str_eq(ping(&caller), "one", "its thread is free");
	rpc_finish(peer.deferred, ERR_OK);
	cr_assert_eq(metadata_watch_wait(future, &reply), ERR_OK);
	cr_assert_eq(reply->last, 42);
	caller_stop(&caller);
	peer_stop(&peer);
}

static void *
call_until_closed(void *arg)
{
	struct caller *caller = arg;

	return (void *)ping(caller);
}

Test(bus_faults, freeing_the_bus_ends_calls_under_way)
{
	struct peer peer = { 0 };
	struct caller caller;
	pthread_t thread;
	void *said;

	peer_start(&peer, "one", fresh_url(TCP));
	caller_start(&caller, 1, &peer.url);
	peer.sleep_ms = 500;
	pthread_create(&thread, NULL, call_until_closed, &caller);
	sleep_ms(100);
	bus_free(caller.bus);
	pthread_join(thread, &said);
	cr_assert_str_eq(said, "CLOSED");
	arena_clear(&caller.arena);
	peer_stop(&peer);
}
