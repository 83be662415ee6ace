#include "peers.h"

#include <criterion/criterion.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libcommon/core/mem.h"
#include "libcommon/core/random.h"
#include "proto/blob.server.h"
#include "proto/metadata.server.h"
#include "proto/sieve.server.h"
#include "services/lmtp/service.h"
#include "tests/harness/free_port.h"

static struct str
view(ProtobufCBinaryData data)
{
	return str_from(data.data, data.len);
}

static void
add_script(MetadataResolveReply__Result *result, struct arena *arena)
{
	result->n_script = 1;
	result->script = ARENA_ARRAY(arena, MetadataScript *, 1);
	result->script[0] = ARENA_NEW(arena, MetadataScript);
	metadata_script__init(result->script[0]);
	result->script[0]->active = true;
	result->script[0]->name = (ProtobufCBinaryData){ 4, (uint8_t *)"main" };
	result->script[0]->hash = (ProtobufCBinaryData){ 3, (uint8_t *)"old" };
}

static enum err
resolve_run(struct rpc *rpc, const MetadataResolveRequest *req, MetadataResolveReply *reply)
{
	struct peers *peers = rpc->service;

	peers->resolves++;
	reply->n_result = req->n_address;
	reply->result = ARENA_ARRAY(rpc->arena, MetadataResolveReply__Result *, req->n_address);
	for (size_t i = 0; i < req->n_address; i++) {
		struct str address = view(req->address[i]);
		uint64_t account = 0;

		reply->result[i] = ARENA_NEW(rpc->arena, MetadataResolveReply__Result);
		metadata_resolve_reply__result__init(reply->result[i]);
		if ((address.ptr[0] != 'a' && address.ptr[0] != 's') || !str_to_u64(str_sub(address, 1, str_index(address, '@') - 1), &account))
			reply->result[i]->status = ERR_NO_ACCOUNT;
		reply->result[i]->account = account;
		reply->result[i]->address = req->address[i];
		if (address.ptr[0] == 's')
			add_script(reply->result[i], rpc->arena);
	}
	return peers->resolve;
}

/* Room for `count` mailboxes, none of which is there. */
static MetadataLookupReply__Found **
found_nothing(struct arena *arena, size_t count)
{
	MetadataLookupReply__Found **found = ARENA_ARRAY(arena, MetadataLookupReply__Found *, count + 1);

	for (size_t i = 0; i < count; i++) {
		found[i] = ARENA_NEW(arena, MetadataLookupReply__Found);
		metadata_lookup_reply__found__init(found[i]);
	}
	return found;
}

/* Every name is there, and has every special use; of numbers 7 alone. */
static enum err
lookup_run(struct rpc *rpc, const MetadataLookupRequest *req, MetadataLookupReply *reply)
{
	struct peers *peers = rpc->service;

	peers->lookups++;
	reply->n_name = req->n_name;
	reply->name = found_nothing(rpc->arena, req->n_name);
	for (size_t i = 0; i < req->n_name; i++) {
		reply->name[i]->mailbox = i + 1;
		reply->name[i]->name = req->name[i];
	}
	reply->n_special_use = req->n_special_use;
	reply->special_use = found_nothing(rpc->arena, req->n_special_use);
	for (size_t i = 0; i < req->n_special_use_of && req->n_special_use_of == req->n_special_use; i++) {
		reply->special_use[i]->mailbox = i + 1;
		reply->special_use[i]->name = req->special_use_of[i];
	}
	reply->n_mailbox = req->n_mailbox;
	reply->mailbox = found_nothing(rpc->arena, req->n_mailbox);
	for (size_t i = 0; i < req->n_mailbox; i++)
		reply->mailbox[i]->mailbox = req->mailbox[i] == 7 ? 7 : 0;
	reply->n_taken = req->n_mark;
	reply->taken = ARENA_ARRAY(rpc->arena, protobuf_c_boolean, req->n_mark + 1);
	return ERR_OK;
}

static enum err
fetch_scripts_run(struct rpc *rpc, const MetadataFetchScriptsRequest *req, MetadataFetchScriptsReply *reply)
{
	struct peers *peers = rpc->service;

	peers->fetches++;
	reply->n_script = req->n_script;
	reply->script = ARENA_ARRAY(rpc->arena, MetadataScript *, req->n_script + 1);
	for (size_t i = 0; i < req->n_script; i++) {
		reply->script[i] = ARENA_NEW(rpc->arena, MetadataScript);
		metadata_script__init(reply->script[i]);
		reply->script[i]->name = req->script[i]->active ? (ProtobufCBinaryData){ 5, (uint8_t *)"other" } : req->script[i]->name;
		reply->script[i]->hash = (ProtobufCBinaryData){ 3, (uint8_t *)"new" };
		reply->script[i]->source = (ProtobufCBinaryData){ 5, (uint8_t *)"keep;" };
	}
	return ERR_OK;
}

static enum err
note_sieve_run(struct rpc *rpc, const MetadataNoteSieveRequest *req, MetadataEmpty *reply)
{
	struct peers *peers = rpc->service;

	(void)req;
	(void)reply;
	peers->notes++;
	return ERR_OK;
}

static enum err
filter_run(struct rpc *rpc, const SieveFilterRequest *req, SieveFilterReply *reply)
{
	struct peers *peers = rpc->service;
	int try = peers->filters++;

	if (peers->decide != NULL)
		peers->decide(try, req, reply, rpc->arena);
	return peers->filter;
}

static enum err
deliver_run(struct rpc *rpc, const MetadataDeliverRequest *req, MetadataDeliverReply *reply)
{
	struct peers *peers = rpc->service;

	peers->delivers++;
	peers->transaction_len = req->transaction.len;
	reply->result = ARENA_ARRAY(rpc->arena, MetadataDeliverReply__Result *, req->n_recipient);
	for (size_t i = 0; i < req->n_recipient; i++) {
		reply->result[i] = ARENA_NEW(rpc->arena, MetadataDeliverReply__Result);
		metadata_deliver_reply__result__init(reply->result[i]);
		reply->result[i]->status = peers->reruns > 0 ? ERR_RERUN : i < 16 ? peers->results[i] : ERR_OK;
		peers->action_count = req->recipient[i]->n_action;
		for (size_t k = 0; k < req->recipient[i]->n_action; k++)
			peers->actions[k] = *req->recipient[i]->action[k];
		peers->accounts[peers->copy_count++ % PEER_COPIES_MAX] = req->recipient[i]->account;
		peers->prefix = arena_copy(&peers->arena, view(req->recipient[i]->prefix));
	}
	reply->n_result = req->n_recipient - peers->results_missing;
	peers->reruns -= peers->reruns > 0;
	return peers->deliver;
}

static enum err
put_run(struct rpc *rpc, const BlobPutRequest *req, BlobPutReply *reply)
{
	struct peers *peers = rpc->service;

	peers->puts++;
	usleep((useconds_t)peers->put_ms * 1000);
	if (req->offset == 0)
		peers->body_len = 0;
	if (peers->body_len + rpc->chunk.len <= PEER_BODY_MAX && rpc->chunk.len > 0)
		memcpy(peers->body + peers->body_len, rpc->chunk.ptr, rpc->chunk.len);
	peers->body_len += rpc->chunk.len;
	reply->upload = 1;
	reply->blob = (ProtobufCBinaryData){ 3, (uint8_t *)"ref" };
	return peers->put;
}

static enum err
abort_run(struct rpc *rpc, const BlobAbortRequest *req, BlobEmpty *reply)
{
	struct peers *peers = rpc->service;

	(void)req;
	(void)reply;
	peers->aborts++;
	return ERR_OK;
}

static const struct metadata_handlers metadata = { .resolve = resolve_run, .deliver = deliver_run,
	.lookup = lookup_run, .fetch_scripts = fetch_scripts_run, .note_sieve = note_sieve_run };
static const struct sieve_handlers sieve = { .filter = filter_run };
static const struct blob_handlers blob = { .put = put_run, .abort = abort_run };

static void
connect_client(struct peers *peers)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint32_t port;

	str_to_u32(str_c(peers->port), &port);
	address.sin_port = htons((uint16_t)port);
	peers->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(peers->client, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert(str_equal(peers_talk(peers, "LHLO mta.test\r\n", 2), STR("220 250 ")));
}

void
peers_start(struct peers *peers, const char *settings)
{
	static const struct bus_limits limits = { .threads = 2, .queue = 10, .in_flight = 10 };
	static const struct bus_limits ten_puts = { .threads = 2, .queue = 20, .in_flight = 10 }, usual = { .threads = 2 };
	unsigned long long n = random_u64();
	struct buffer problems = { 0 };
	struct str yaml;

	peers->body = mem_alloc(PEER_BODY_MAX);
	snprintf(peers->port, sizeof(peers->port), "%u", free_port());
	yaml = arena_printf(&peers->arena,
	    "bus: { metadata: [\"inproc://m%llx\"], blob: [\"inproc://b%llx\"], sieve: [\"inproc://s%llx\"] }\n"
	    "metadata: { listen: [\"inproc://m%llx\"] }\nblob: { listen: [\"inproc://b%llx\"] }\nsieve: { listen: [\"inproc://s%llx\"] }\n"
	    "log: { level: error }\ndrain: { time: 1s }\n"
	    "lmtp:\n  listen: [\"127.0.0.1:%s\"]\n  recipients: 2000\n%s",
	    n, n, n, n, n, n, peers->port, settings);
	log_setup(LOG_ERROR, LOG_LOGFMT);
	cr_assert_eq(config_parse(yaml, "test", true, &peers->config, &problems), ERR_OK, "%.*s", STR_ARG(buffer_str(&problems)));
	buffer_clear(&problems);
	peers->context = (struct service_context){ .config = peers->config, .bus = bus_new(peers->config),
		.hostname = STR("sora.test") };
	cr_assert_eq(metadata_serve(peers->context.bus, &metadata, peers, &limits), ERR_OK);
	cr_assert_eq(blob_serve(peers->context.bus, &blob, peers, &ten_puts), ERR_OK);
	cr_assert_eq(sieve_serve(peers->context.bus, &sieve, peers, &usual), ERR_OK);
	cr_assert_eq(lmtp_service.start(&peers->context, &peers->lmtp), ERR_OK);
	connect_client(peers);
}

void
peers_stop(struct peers *peers)
{
	close(peers->client);
	lmtp_service.drain(peers->lmtp);
	lmtp_service.stop(peers->lmtp);
	bus_free(peers->context.bus);
	config_free(peers->config);
	arena_clear(&peers->arena);
	free(peers->body);
}

/* One line, without its end; empty when the server has closed. */
static struct str
read_line(struct peers *peers)
{
	char line[1000];
	size_t len = 0;

	while (len < sizeof(line) && read(peers->client, line + len, 1) == 1)
		if (line[len++] == '\n')
			break;
	return arena_copy(&peers->arena, str_from(line, len));
}

struct str
peers_talk(struct peers *peers, const char *text, size_t replies)
{
	struct str codes = STR("");
	size_t len = strlen(text);

	cr_assert_eq(send(peers->client, text, len, MSG_NOSIGNAL), (ssize_t)len);
	while (replies > 0) {
		struct str line = read_line(peers);

		if (line.len < 4)
			return arena_printf(&peers->arena, "%.*sclosed", STR_ARG(codes));
		if (line.ptr[3] == '-')
			continue;
		codes = arena_printf(&peers->arena, "%.*s%.3s ", STR_ARG(codes), line.ptr);
		replies--;
	}
	return codes;
}

struct str
peers_rest(struct peers *peers)
{
	struct str all = STR(""), line;

	while ((line = read_line(peers)).len > 0)
		all = arena_printf(&peers->arena, "%.*s%.*s", STR_ARG(all), STR_ARG(line));
	return all;
}
