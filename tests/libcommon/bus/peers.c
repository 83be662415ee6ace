#include "peers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libcommon/bus/remote.h"
#include "libcommon/core/clock.h"
#include "libcommon/core/random.h"
#include "tests/harness/free_port.h"

const char *const transport_names[TRANSPORTS] = { "inproc", "ipc", "tcp", "tls" };

void
sleep_ms(int ms)
{
	usleep((useconds_t)ms * 1000);
}

void
certify(struct config *config, const char *name)
{
	static struct arena arena;
	const char *directory = getenv("SORA_TEST_CERTIFICATES");
	struct str path;

	cr_assert_not_null(directory, "SORA_TEST_CERTIFICATES is not set: tests/run does it");
	path = name[0] == '/' ? str_c(name) : arena_printf(&arena, "%s/%s", directory, name);
	config->bus_tls_certificate = arena_printf(&arena, "%.*s.pem", STR_ARG(path));
	config->bus_tls_key = arena_printf(&arena, "%.*s.key", STR_ARG(path));
	config->bus_tls_ca = arena_printf(&arena, "%s/ca.pem", directory);
}

struct str
fresh_url(enum transport transport)
{
	static struct arena arena;
	unsigned long long n = random_u64();

	switch (transport) {
	case INPROC:
		return arena_printf(&arena, "inproc://test-%llx", n);
	case IPC:
		return arena_printf(&arena, "ipc:///tmp/sora-test-%llx", n);
	default:
		return arena_printf(&arena, "%s://127.0.0.1:%u", transport == TLS ? "tls+tcp" : "tcp", free_port());
	}
}

static enum err
work(struct rpc *rpc)
{
	struct peer *peer = rpc->service;

	peer->runs++;
	if (peer->sleep_ms > 0)
		sleep_ms(peer->sleep_ms);
	if (peer->answer != ERR_OK)
		rpc->detail = STR("as told");
	return (enum err)peer->answer;
}

static enum err
ping_run(struct rpc *rpc, const MetadataEmpty *req, MetadataPingReply *reply)
{
	struct peer *peer = rpc->service;

	(void)req;
	reply->version = (char *)peer->name;
	return work(rpc);
}

static enum err
store_run(struct rpc *rpc, const MetadataStoreRequest *req, MetadataStoreReply *reply)
{
	struct peer *peer = rpc->service;

	(void)req;
	(void)reply;
	peer->keys[peer->key_count++ % KEYS_MAX] = rpc->key;
	return work(rpc);
}

/* Answers what it was asked, and what it knows of the caller. */
static enum err
login_run(struct rpc *rpc, const MetadataLoginRequest *req, MetadataLoginReply *reply)
{
	struct str token = rpc->token;

	reply->account = rpc->log.trace;
	reply->token = (ProtobufCBinaryData){ token.len, (uint8_t *)token.ptr };
	reply->user = req->user;
	return work(rpc);
}

static enum err
watch_run(struct rpc *rpc, const MetadataWatchRequest *req, MetadataWatchReply *reply)
{
	struct peer *peer = rpc->service;

	reply->last = req->after + 1;
	peer->runs++;
	rpc_defer(rpc);
	peer->deferred = rpc;
	return ERR_INTERNAL;
}

static enum err
put_run(struct rpc *rpc, const BlobPutRequest *req, BlobPutReply *reply)
{
	reply->upload = str_hash(rpc->chunk) + req->offset;
	return work(rpc);
}

static enum err
get_run(struct rpc *rpc, const BlobGetRequest *req, BlobGetReply *reply)
{
	char *bytes = arena_alloc(rpc->arena, req->length);

	memset(bytes, 'x', req->length);
	rpc->reply_chunk = str_from(bytes, req->length);
	reply->size = req->length;
	return work(rpc);
}

static const struct metadata_handlers metadata = { .ping = ping_run, .store = store_run, .login = login_run, .watch = watch_run };
static const struct blob_handlers blob = { .put = put_run, .get = get_run };

void
peer_start(struct peer *peer, const char *name, struct str url)
{
	static struct arena arena;
	struct str *urls = ARENA_ARRAY(&arena, struct str, 2);

	urls[0] = url;
	peer->name = name;
	peer->url = url;
	peer->config.metadata_listen = (struct str_list){ &urls[0], 1 };
	peer->config.blob_listen = (struct str_list){ &urls[0], 1 };
	if (str_starts_with(url, STR("tls+tcp:")))
		certify(&peer->config, peer->certificate ? peer->certificate : "all");
	peer->bus = bus_new(&peer->config);
	cr_assert_not_null(peer->bus);
	if (str_equal_nocase(str_c(name), STR("blob")))
		cr_assert_eq(blob_serve(peer->bus, &blob, peer, &peer->limits), ERR_OK);
	else
		cr_assert_eq(metadata_serve(peer->bus, &metadata, peer, &peer->limits), ERR_OK);
}

void
peer_stop(struct peer *peer)
{
	bus_free(peer->bus);
	peer->bus = NULL;
}

void
caller_start(struct caller *caller, size_t count, const struct str *urls)
{
	caller_start_as(caller, "imap", count, urls);
}

void
caller_start_as(struct caller *caller, const char *certificate, size_t count, const struct str *urls)
{
	memset(caller, 0, sizeof(*caller));
	memcpy(caller->urls, urls, count * sizeof(*urls));
	caller->config.bus_metadata = (struct str_list){ caller->urls, count };
	caller->config.bus_blob = (struct str_list){ caller->urls, count };
	if (str_starts_with(urls[0], STR("tls+tcp:")))
		certify(&caller->config, certificate);
	caller->bus = bus_new(&caller->config);
	cr_assert_not_null(caller->bus);
	caller->call = (struct bus_call){ .bus = caller->bus, .arena = &caller->arena, .role = BUS_ROLE_IMAP };
}

void
caller_stop(struct caller *caller)
{
	bus_free(caller->bus);
	arena_clear(&caller->arena);
}

const char *
ping(struct caller *caller)
{
	MetadataEmpty req = METADATA_EMPTY__INIT;
	MetadataPingReply *reply;
	enum err err = metadata_ping(&caller->call, &req, &reply);

	return err == ERR_OK ? reply->version : err_row(err)->name;
}

uint64_t
route_to(const struct caller *caller, struct str url)
{
	for (uint64_t route = 1;; route++) {
		uint64_t mine = bus_weight(route, str_hash(url));
		bool is_best = true;

		for (size_t i = 0; i < caller->config.bus_metadata.count; i++)
			is_best &= bus_weight(route, str_hash(caller->urls[i])) <= mine;
		if (is_best)
			return route;
	}
}

void
await_replicas(struct caller *caller, size_t count)
{
	uint64_t ids[8];
	int64_t give_up_ms = clock_mono_ms() + 5000;

	while (bus_replicas(caller->bus, "metadata", ids, 8) < count) {
		cr_assert(clock_mono_ms() < give_up_ms, "replicas did not connect");
		sleep_ms(5);
	}
}

void
await_runs(struct peer *peer, int count)
{
	int64_t give_up_ms = clock_mono_ms() + 10000;

	while (peer->runs < count) {
		cr_assert(clock_mono_ms() < give_up_ms, "no call came");
		sleep_ms(1);
	}
}
