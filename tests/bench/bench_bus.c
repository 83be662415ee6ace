/*
 * libcommon/bus measured, and stressed without Criterion (which does not start under ThreadSanitizer).
 *
 *	bus rate URL SECONDS [DIR]    calls of 200 bytes a second, 1, 16 and 64 at once; bodies in chunks of 256 KiB, 1 and 4 at once;
 *	                              by tls+tcp with DIR/all.pem, which deploy/certificates makes
 *	bus kill URL URL SECONDS      16 callers of two replicas that are killed, or drained, and started again all the time.
 *	                              Exit 1: a call failed. Best with SAN=thread and SAN=address.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libcommon/config/config.h"
#include "libcommon/core/clock.h"
#include "proto/blob.client.h"
#include "proto/blob.server.h"
#include "proto/metadata.client.h"
#include "proto/metadata.server.h"

enum { CALL_BYTES = 200, CALLERS_MAX = 64, KILL_CALLERS = 16, KILL_EVERY_MS = 150, DOWN_MS = 20, WORK_US = 500 };

static struct bus *client;
static _Atomic bool is_over;

struct caller {
	pthread_t thread;
	void (*call)(struct bus_call *call, struct caller *caller);
	uint64_t done, failed, slow;
};

static enum err
login_run(struct rpc *rpc, const MetadataLoginRequest *req, MetadataLoginReply *reply)
{
	(void)rpc;
	reply->user = req->user;
	return ERR_OK;
}

static enum err
store_run(struct rpc *rpc, const MetadataStoreRequest *req, MetadataStoreReply *reply)
{
	(void)rpc;
	(void)req;
	(void)reply;
	usleep(WORK_US);
	return ERR_OK;
}

static enum err
get_run(struct rpc *rpc, const BlobGetRequest *req, BlobGetReply *reply)
{
	rpc->reply_chunk = str_from(arena_alloc(rpc->arena, req->length), req->length);
	reply->size = req->length;
	return ERR_OK;
}

static const struct metadata_handlers metadata = { .login = login_run, .store = store_run };
static const struct blob_handlers blob = { .get = get_run };

static void
call_small(struct bus_call *call, struct caller *caller)
{
	static const char user[CALL_BYTES];
	MetadataLoginRequest req = METADATA_LOGIN_REQUEST__INIT;
	MetadataLoginReply *reply;

	req.user = (ProtobufCBinaryData){ sizeof(user), (uint8_t *)user };
	caller->failed += metadata_login(call, &req, &reply) != ERR_OK;
}

static void
call_chunk(struct bus_call *call, struct caller *caller)
{
	BlobGetRequest req = BLOB_GET_REQUEST__INIT;
	BlobGetReply *reply;
	struct str chunk;

	req.length = BUS_CHUNK_MAX;
	caller->failed += blob_get(call, &req, &reply, &chunk) != ERR_OK;
}

static void
call_store(struct bus_call *call, struct caller *caller)
{
	MetadataStoreRequest req = METADATA_STORE_REQUEST__INIT;
	int64_t began = clock_mono_ms();

	caller->failed += metadata_store(call, &req, NULL) != ERR_OK;
	caller->slow += clock_mono_ms() - began > 500;
}

static void *
run_caller(void *arg)
{
	struct caller *caller = arg;
	struct arena arena = { 0 };
	struct bus_call call = { .bus = client, .arena = &arena, .role = BUS_ROLE_IMAP };

	for (; !is_over; caller->done++) {
		call.route = random_u64();
		caller->call(&call, caller);
		arena_reset(&arena);
	}
	arena_clear(&arena);
	return NULL;
}

static void
start(struct caller *callers, size_t count, void (*call)(struct bus_call *call, struct caller *caller))
{
	is_over = false;
	for (size_t i = 0; i < count; i++) {
		callers[i] = (struct caller){ .call = call };
		pthread_create(&callers[i].thread, NULL, run_caller, &callers[i]);
	}
}

static struct caller
stop(struct caller *callers, size_t count)
{
	struct caller total = { 0 };

	is_over = true;
	for (size_t i = 0; i < count; i++) {
		pthread_join(callers[i].thread, NULL);
		total.done += callers[i].done;
		total.failed += callers[i].failed;
		total.slow += callers[i].slow;
	}
	return total;
}

static void
rate(const char *what, size_t count, void (*call)(struct bus_call *call, struct caller *caller), int64_t seconds)
{
	struct caller callers[CALLERS_MAX], total;

	start(callers, count, call);
	usleep((useconds_t)(seconds * 1000000));
	total = stop(callers, count);
	printf("%s, %2zu at once: %6llu/s, %llu failed\n", what, count, (unsigned long long)total.done / (unsigned long long)seconds,
	    (unsigned long long)total.failed);
}

/* For tls+tcp: every process with every role. */
static void
certify(struct config *config, const char *directory)
{
	static struct arena arena;

	config->bus_tls_certificate = arena_printf(&arena, "%s/all.pem", directory);
	config->bus_tls_key = arena_printf(&arena, "%s/all.key", directory);
	config->bus_tls_ca = arena_printf(&arena, "%s/ca.pem", directory);
}

static int
bench_rate(const char *url, int64_t seconds, const char *certificates)
{
	char second[256];
	struct str urls[2] = { str_c(url) };
	struct config config = { .metadata_listen = { urls, 1 }, .bus_metadata = { urls, 1 },
		.blob_listen = { urls + 1, 1 }, .bus_blob = { urls + 1, 1 } };
	struct bus *server;

	snprintf(second, sizeof(second), "%s1", url);
	urls[1] = str_c(second);
	certify(&config, certificates);
	server = bus_new(&config);
	if (server == NULL || metadata_serve(server, &metadata, NULL, NULL) != ERR_OK || blob_serve(server, &blob, NULL, NULL) != ERR_OK)
		return 2;
	client = bus_new(&config);
	rate("calls ", 1, call_small, seconds);
	rate("calls ", 16, call_small, seconds);
	rate("calls ", 64, call_small, seconds);
	rate("chunks", 1, call_chunk, seconds);
	rate("chunks", 4, call_chunk, seconds);
	bus_free(client);
	bus_free(server);
	return 0;
}

static struct bus *
serve(const struct config *config)
{
	struct bus *bus = bus_new(config);

	/* A port may take a moment to be free again. */
	while (metadata_serve(bus, &metadata, NULL, NULL) != ERR_OK)
		usleep(DOWN_MS * 1000);
	return bus;
}

static int
bench_kill(char **argv, int64_t seconds)
{
	struct str urls[2] = { str_c(argv[0]), str_c(argv[1]) };
	struct config configs[2] = { { .metadata_listen = { &urls[0], 1 } }, { .metadata_listen = { &urls[1], 1 } } };
	struct config config = { .bus_metadata = { urls, 2 } };
	struct bus *servers[2] = { serve(&configs[0]), serve(&configs[1]) };
	struct caller callers[KILL_CALLERS], total;
	int64_t end_ms = clock_mono_ms() + seconds * 1000;
	unsigned kills = 0;

	client = bus_new(&config);
	start(callers, KILL_CALLERS, call_store);
	for (; clock_mono_ms() < end_ms; kills++) {
		unsigned i = kills % 2;

		usleep(KILL_EVERY_MS * 1000);
		if (kills % 3 == 0) {
			bus_drain(servers[i]);
			bus_quiesce(servers[i], clock_mono_ms() + 1000);
		}
		bus_free(servers[i]);
		usleep(DOWN_MS * 1000);
		servers[i] = serve(&configs[i]);
	}
	total = stop(callers, KILL_CALLERS);
	printf("%u kills: %llu calls, %llu failed, %llu took more than 500 ms\n", kills, (unsigned long long)total.done,
	    (unsigned long long)total.failed, (unsigned long long)total.slow);
	bus_free(client);
	bus_free(servers[0]);
	bus_free(servers[1]);
	return total.failed > 0;
}

int
main(int argc, char **argv)
{
	uint32_t seconds;

	log_setup(LOG_ERROR, LOG_LOGFMT);
	if ((argc == 4 || argc == 5) && strcmp(argv[1], "rate") == 0 && str_to_u32(str_c(argv[3]), &seconds))
		return bench_rate(argv[2], seconds, argc == 5 ? argv[4] : ".");
	if (argc == 5 && strcmp(argv[1], "kill") == 0 && str_to_u32(str_c(argv[4]), &seconds))
		return bench_kill(argv + 2, seconds);
	fprintf(stderr, "usage: %s rate URL SECONDS [DIR] | kill URL URL SECONDS\n", argv[0]);
	return 2;
}
