#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "libcommon/core/clock.h"
#include "peers.h"

static MetadataStoreRequest store = METADATA_STORE_REQUEST__INIT;
static MetadataEmpty empty = METADATA_EMPTY__INIT;

Test(bus_call, works_over_every_transport)
{
	for (int t = 0; t < TRANSPORTS; t++) {
		struct peer peer = { 0 };
		struct caller caller;
		MetadataLoginRequest login = METADATA_LOGIN_REQUEST__INIT;
		MetadataLoginReply *reply;

		peer_start(&peer, "one", fresh_url((enum transport)t));
		caller_start(&caller, 1, &peer.url);
		cr_assert_str_eq(ping(&caller), "one", "%s", transport_names[t]);
		login.user = (ProtobufCBinaryData){ 5, (uint8_t *)"a\0b\xff!" };
		caller.call.token = STR("secret");
		caller.call.log.trace = 0x1234;
		cr_assert_eq(metadata_login(&caller.call, &login, &reply), ERR_OK);
		cr_assert(str_equal(str_from(reply->user.data, reply->user.len), str_from("a\0b\xff!", 5)));
		cr_assert(str_equal(str_from(reply->token.data, reply->token.len), STR("secret")));
		cr_assert_eq(reply->account, 0x1234);
		cr_assert_eq(caller.call.replica, str_hash(peer.url));
		caller_stop(&caller);
		peer_stop(&peer);
	}
}

Test(bus_call, chunks_travel_both_ways)
{
	for (int t = 0; t < TRANSPORTS; t++) {
		static char bytes[BUS_CHUNK_MAX];
		struct peer peer = { 0 };
		struct caller caller;
		BlobPutRequest put = BLOB_PUT_REQUEST__INIT;
		BlobPutReply *put_reply;
		BlobGetRequest get = BLOB_GET_REQUEST__INIT;
		BlobGetReply *get_reply;
		struct str chunk;

		peer_start(&peer, "blob", fresh_url((enum transport)t));
		caller_start(&caller, 1, &peer.url);
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)(i * 7);
		cr_assert_eq(blob_put(&caller.call, &put, str_from(bytes, sizeof(bytes)), &put_reply), ERR_OK);
		cr_assert_eq(put_reply->upload, str_hash(str_from(bytes, sizeof(bytes))));
		get.length = BUS_CHUNK_MAX;
		cr_assert_eq(blob_get(&caller.call, &get, &get_reply, &chunk), ERR_OK);
		cr_assert(chunk.len == BUS_CHUNK_MAX && chunk.ptr[0] == 'x' && chunk.ptr[chunk.len - 1] == 'x');
		get.length++;
		cr_assert_eq(blob_get(&caller.call, &get, &get_reply, &chunk), ERR_TOO_BIG);
		get.length = 0;
		cr_assert_eq(blob_get(&caller.call, &get, &get_reply, &chunk), ERR_OK);
		cr_assert_eq(chunk.len, 0);
		caller_stop(&caller);
		peer_stop(&peer);
	}
}

Test(bus_call, whom_a_call_would_go_to_is_known_before)
{
	const struct bus_method *method = &metadata_methods[METADATA_METHOD_PING];
	struct peer peers[3] = { 0 };
	struct str urls[3];
	struct caller caller;

	for (int i = 0; i < 3; i++) {
		urls[i] = fresh_url(INPROC);
		peer_start(&peers[i], "one", urls[i]);
	}
	caller_start(&caller, 3, urls);
	cr_assert_eq(bus_replica_of(caller.bus, method, 1), 0, "nobody was connected to yet");
	await_replicas(&caller, 3);
	for (uint64_t route = 1; route <= 50; route++) {
		uint64_t expected = bus_replica_of(caller.bus, method, route);

		caller.call.route = route;
		ping(&caller);
		cr_assert_eq(caller.call.replica, expected, "%llu", (unsigned long long)route);
	}
	caller_stop(&caller);
	for (int i = 0; i < 3; i++)
		peer_stop(&peers[i]);
}

Test(bus_call, an_error_comes_with_its_detail)
{
	struct peer peer = { 0 };
	struct caller caller;

	peer_start(&peer, "one", fresh_url(INPROC));
	caller_start(&caller, 1, &peer.url);
	peer.answer = ERR_OVERQUOTA;
	cr_assert_eq(metadata_store(&caller.call, &store, NULL), ERR_OVERQUOTA);
	cr_assert(str_equal(caller.call.detail, STR("as told")));
	peer.answer = ERR_OK;
	cr_assert_eq(metadata_store(&caller.call, &store, NULL), ERR_OK);
	cr_assert_eq(caller.call.detail.len, 0);
	caller_stop(&caller);
	peer_stop(&peer);
}

Test(bus_call, a_method_without_handler_is_not_supported)
{
	struct peer peer = { 0 };
	struct caller caller;
	MetadataListRequest list = METADATA_LIST_REQUEST__INIT;

	peer_start(&peer, "one", fresh_url(INPROC));
	caller_start(&caller, 1, &peer.url);
	cr_assert_eq(metadata_list(&caller.call, &list, NULL), ERR_NOT_SUPPORTED);
	caller_stop(&caller);
	peer_stop(&peer);
}

Test(bus_call, one_key_for_one_call_unless_it_is_given)
{
	struct peer peer = { 0 };
	struct caller caller;

	peer_start(&peer, "one", fresh_url(INPROC));
	caller_start(&caller, 1, &peer.url);
	cr_assert_eq(metadata_store(&caller.call, &store, NULL), ERR_OK);
	cr_assert_eq(metadata_store(&caller.call, &store, NULL), ERR_OK);
	bus_call_key(&caller.call);
	cr_assert_eq(metadata_store(&caller.call, &store, NULL), ERR_OK);
	cr_assert_eq(metadata_store(&caller.call, &store, NULL), ERR_OK);
	cr_assert_eq(peer.key_count, 4);
	cr_assert(memcmp(&peer.keys[0], &peer.keys[1], sizeof(struct uuid)) != 0);
	cr_assert(memcmp(&peer.keys[1], &peer.keys[2], sizeof(struct uuid)) != 0);
	cr_assert(memcmp(&peer.keys[2], &peer.keys[3], sizeof(struct uuid)) == 0);
	cr_assert(memcmp(&peer.keys[2], &caller.call.key, sizeof(struct uuid)) == 0);
	caller_stop(&caller);
	peer_stop(&peer);
}

Test(bus_call, what_is_too_big_is_not_sent)
{
	static char bytes[BUS_MESSAGE_MAX + 1];
	struct peer peer = { 0 };
	struct caller caller;
	MetadataLoginRequest login = METADATA_LOGIN_REQUEST__INIT;
	MetadataLoginReply *reply;

	peer_start(&peer, "one", fresh_url(TCP));
	caller_start(&caller, 1, &peer.url);
	login.user = (ProtobufCBinaryData){ sizeof(bytes), (uint8_t *)bytes };
	cr_assert_eq(metadata_login(&caller.call, &login, NULL), ERR_TOO_BIG);
	cr_assert_eq(peer.runs, 0);
	login.user.len -= 16;
	cr_assert_eq(metadata_login(&caller.call, &login, &reply), ERR_OK);
	cr_assert_eq(reply->user.len, login.user.len);
	caller_stop(&caller);
	peer_stop(&peer);
}

Test(bus_call, a_slow_handler_meets_the_deadline)
{
	struct peer peer = { 0 };
	struct caller caller;
	int64_t began;

	peer_start(&peer, "one", fresh_url(INPROC));
	caller_start(&caller, 1, &peer.url);
	cr_assert_str_eq(ping(&caller), "one", "they are connected");
	peer.sleep_ms = 500;
	began = clock_mono_ms();
	caller.call.deadline_ms = began + 150;
	cr_assert_str_eq(ping(&caller), "DEADLINE");
	cr_assert(clock_mono_ms() - began >= 150 && clock_mono_ms() - began < 400);
	cr_assert_str_eq(ping(&caller), "DEADLINE", "already passed");
	cr_assert_eq(peer.runs, 2);
	caller_stop(&caller);
	peer_stop(&peer);
}

Test(bus_call, nobody_there_is_unavailable_soon)
{
	for (int t = 0; t < TRANSPORTS; t++) {
		struct caller caller;
		struct str url = fresh_url((enum transport)t);
		int64_t began = clock_mono_ms();

		caller_start(&caller, 1, &url);
		cr_assert_str_eq(ping(&caller), "UNAVAILABLE", "%s", transport_names[t]);
		cr_assert(clock_mono_ms() - began < 3000);
		caller_stop(&caller);
	}
}

static void *
start_late(void *arg)
{
	struct peer *peer = arg;

	sleep_ms(300);
	peer_start(peer, "late", peer->url);
	return NULL;
}

Test(bus_call, waits_for_one_that_starts_later)
{
	for (int t = 0; t < TRANSPORTS; t++) {
		struct peer peer = { .url = fresh_url((enum transport)t) };
		struct caller caller;
		pthread_t thread;

		caller_start(&caller, 1, &peer.url);
		pthread_create(&thread, NULL, start_late, &peer);
		cr_assert_str_eq(ping(&caller), "late", "%s", transport_names[t]);
		pthread_join(thread, NULL);
		caller_stop(&caller);
		peer_stop(&peer);
	}
}

Test(bus_call, futures_overlap)
{
	enum { COUNT = 8 };
	struct peer peer = { .limits = { .threads = COUNT } };
	struct caller caller;
	struct bus_future *futures[COUNT];
	int64_t began;

	peer_start(&peer, "one", fresh_url(TCP));
	caller_start(&caller, 1, &peer.url);
	cr_assert_str_eq(ping(&caller), "one");
	peer.sleep_ms = 200;
	began = clock_mono_ms();
	for (int i = 0; i < COUNT; i++)
		futures[i] = metadata_ping_start(&caller.call, &empty);
	for (int i = 0; i < COUNT; i++) {
		MetadataPingReply *reply;

		cr_assert_eq(metadata_ping_wait(futures[i], &reply), ERR_OK);
		cr_assert_str_eq(reply->version, "one");
	}
	cr_assert_lt(clock_mono_ms() - began, 1000);
	caller_stop(&caller);
	peer_stop(&peer);
}

Test(bus_call, a_request_may_go_once_the_future_has_started)
{
	struct peer peer = { 0 };
	struct caller caller;
	MetadataLoginRequest login = METADATA_LOGIN_REQUEST__INIT;
	MetadataLoginReply *reply;
	char user[] = "anna";
	struct bus_future *future;

	peer_start(&peer, "one", fresh_url(INPROC));
	caller_start(&caller, 1, &peer.url);
	login.user = (ProtobufCBinaryData){ 4, (uint8_t *)user };
	future = metadata_login_start(&caller.call, &login);
	memset(user, 'z', 4);
	memset(&login, 0xff, sizeof(login));
	cr_assert_eq(metadata_login_wait(future, &reply), ERR_OK);
	cr_assert(memcmp(reply->user.data, "anna", 4) == 0);
	caller_stop(&caller);
	peer_stop(&peer);
}

static void *
many_calls(void *arg)
{
	struct caller *shared = arg;
	struct arena arena = { 0 };
	struct bus_call call = { .bus = shared->bus, .arena = &arena, .role = BUS_ROLE_IMAP };
	size_t failed = 0;

	for (int i = 0; i < 50; i++) {
		MetadataLoginRequest login = METADATA_LOGIN_REQUEST__INIT;
		MetadataLoginReply *reply;
		char user[32];

		snprintf(user, sizeof(user), "%p-%d", (void *)&arena, i);
		login.user = (ProtobufCBinaryData){ strlen(user), (uint8_t *)user };
		call.route = random_u64();
		failed += metadata_login(&call, &login, &reply) != ERR_OK || reply->user.len != strlen(user) ||
		    memcmp(reply->user.data, user, strlen(user)) != 0;
		arena_reset(&arena);
	}
	arena_clear(&arena);
	return (void *)failed;
}

Test(bus_call, sixty_four_at_once_get_their_own_answers)
{
	enum { COUNT = 64 };

	for (int t = 0; t < TRANSPORTS; t++) {
		struct peer peers[2] = { 0 };
		struct caller caller;
		pthread_t threads[COUNT];

		peer_start(&peers[0], "one", fresh_url((enum transport)t));
		peer_start(&peers[1], "two", fresh_url((enum transport)t));
		caller_start(&caller, 2, (struct str[]){ peers[0].url, peers[1].url });
		await_replicas(&caller, 2);
		for (int i = 0; i < COUNT; i++)
			pthread_create(&threads[i], NULL, many_calls, &caller);
		for (int i = 0; i < COUNT; i++) {
			void *failed;

			pthread_join(threads[i], &failed);
			cr_assert_null(failed, "%s", transport_names[t]);
		}
		cr_assert_eq(peers[0].runs + peers[1].runs, COUNT * 50);
		cr_assert(peers[0].runs > COUNT * 10 && peers[1].runs > COUNT * 10);
		caller_stop(&caller);
		peer_stop(&peers[0]);
		peer_stop(&peers[1]);
	}
}

Test(bus_call, a_route_always_leads_to_the_same_replica)
{
	struct peer peers[3] = { 0 };
	struct caller caller;
	static const char *const names[] = { "one", "two", "three" };

	for (int i = 0; i < 3; i++)
		peer_start(&peers[i], names[i], fresh_url(TCP));
	caller_start(&caller, 3, (struct str[]){ peers[0].url, peers[1].url, peers[2].url });
	await_replicas(&caller, 3);
	for (int i = 0; i < 3; i++) {
		caller.call.route = route_to(&caller, peers[i].url);
		for (int n = 0; n < 5; n++)
			cr_assert_str_eq(ping(&caller), names[i]);
	}
	caller_stop(&caller);
	for (int i = 0; i < 3; i++)
		peer_stop(&peers[i]);
}

Test(bus_call, a_pinned_call_talks_to_its_replica_alone)
{
	struct peer peers[2] = { 0 };
	struct caller caller;
	uint64_t ids[2];

	peer_start(&peers[0], "one", fresh_url(TCP));
	peer_start(&peers[1], "two", fresh_url(TCP));
	caller_start(&caller, 2, (struct str[]){ peers[0].url, peers[1].url });
	await_replicas(&caller, 2);
	cr_assert_eq(bus_replicas(caller.bus, "metadata", ids, 1), 2, "says how many there are, not how many fit");
	caller.call.is_pinned = true;
	for (int i = 0; i < 2; i++) {
		caller.call.replica = str_hash(peers[i].url);
		cr_assert_str_eq(ping(&caller), peers[i].name);
	}
	peer_stop(&peers[1]);
	caller.call.deadline_ms = clock_mono_ms() + 300;
	cr_assert_str_neq(ping(&caller), "one");
	caller_stop(&caller);
	peer_stop(&peers[0]);
}

Test(bus_call, a_name_is_looked_up)
{
	struct peer peer = { 0 };
	struct caller caller;
	struct str url = fresh_url(TCP), name;
	struct arena arena = { 0 };

	name = arena_printf(&arena, "tcp://localhost:%.*s", STR_ARG(str_sub(url, str_rindex(url, ':') + 1, SIZE_MAX)));
	peer_start(&peer, "one", name);
	caller_start(&caller, 1, &name);
	cr_assert_str_eq(ping(&caller), "one");
	caller_stop(&caller);
	peer_stop(&peer);
	arena_clear(&arena);
}

Test(bus_call, an_ipc_socket_is_for_its_user_alone)
{
	struct peer peer = { 0 };
	struct stat st;

	peer_start(&peer, "one", fresh_url(IPC));
	cr_assert_eq(stat(peer.url.ptr + strlen("ipc://"), &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	peer_stop(&peer);
}

Test(bus_call, a_taken_or_open_address_is_a_wrong_configuration)
{
	struct peer peer = { 0 }, other = { 0 };
	struct bus_handler none = { &metadata_methods[METADATA_METHOD_PING], NULL, NULL };
	struct str everywhere = STR("tcp://0.0.0.0:31999");

	peer_start(&peer, "one", fresh_url(TCP));
	other.bus = bus_new(&other.config);
	cr_assert_eq(bus_serve(other.bus, "metadata", &peer.url, 1, &none, 1, NULL, NULL), ERR_CONFIG);
	cr_assert_eq(bus_serve(other.bus, "metadata", &everywhere, 1, &none, 1, NULL, NULL), ERR_CONFIG);
	other.config.bus_insecure = true;
	cr_assert_eq(bus_serve(other.bus, "metadata", &everywhere, 1, &none, 1, NULL, NULL), ERR_OK);
	peer_stop(&other);
	peer_stop(&peer);
}
