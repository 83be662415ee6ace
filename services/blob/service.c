/* The blob service: start, drain, end. */
#include "services/blob/service.h"

#include <stdlib.h>

#include "libcommon/core/clock.h"
#include "libcommon/core/mem.h"
#include "services/blob/pack.h"

enum { CHECK_MS = 5000, LAST_CALLS_MS = 35 * 1000 };

/* What the bus calls. */
struct blob_service_state {
	struct blob *blob;
	const struct service_context *context;
};

static const struct blob_handlers handlers = {
	.put = put_rpc,
	.abort = abort_rpc,
	.get = get_rpc,
	.get_many = get_many_rpc,
	.delete = delete_rpc,
	.list = list_rpc,
	.compact = compact_rpc,
	.ping = ping_rpc,
};

/* ---- the service's parts */

enum err
blob_new(const struct config *config, struct buffer *problems, struct blob **ret_blob)
{
	const struct store_ops *ops = store_find(config->blob_store);
	struct seal_keys keys;
	struct blob *blob;
	void *store;

	if (ops == NULL) {
		buffer_printf(problems, "blob.store: dir or s3 is expected, not \"%.*s\"\n", STR_ARG(config->blob_store));
		return ERR_CONFIG;
	}
	TRY(cache_settings_check(config, problems));
	TRY(seal_keys_read(config->blob_seal_keys.items, config->blob_seal_keys.count, &keys, problems));
	TRY(ops->open(config, problems, &store));
	blob = MEM_NEW(struct blob);
	blob->ops = ops;
	blob->store = store;
	blob->log.service = "blob";
	blob->seal_keys = keys;
	blob->parked_end = &blob->parked;
	blob->idle_ms = BLOB_UPLOAD_IDLE_MS;
	index_cache_init(&blob->indexes);
	pthread_mutex_init(&blob->lock, NULL);
	pthread_cond_init(&blob->changed, NULL);
	blob->packer = packer_new(blob);
	*ret_blob = blob;
	return ERR_OK;
}

void
blob_free(struct blob *blob)
{
	if (blob == NULL)
		return;
	packer_free(blob->packer);
	upload_drop_parked(blob);
	blob->ops->close(blob->store);
	index_cache_clear(&blob->indexes);
	cache_close(blob->cache);
	pthread_mutex_destroy(&blob->lock);
	pthread_cond_destroy(&blob->changed);
	free(blob);
}

int64_t
blob_store_deadline(const struct rpc *rpc)
{
	return rpc->deadline_ms - BLOB_ANSWER_MS;
}

bool
blob_clock_is_good(struct blob *blob)
{
	const struct store_clock *clock = blob->ops->clock(blob->store);
	int64_t refused;

	if (!store_clock_is_apart(clock) || clock_mono_ms() - clock->seen_ms >= STORE_CLOCK_KEPT_MS)
		return true;
	refused = log_seldom(&blob->clock_refused);
	if (refused > 0)
		log_error(&blob->log, "blob.clock", KV_INT("ahead_ms", clock->ahead_ms), KV_INT("refused", refused),
		    KV_C("text", "the store's clock and ours must agree within 10 minutes: run an NTP client such as chrony on both machines"));
	return false;
}

enum err
blob_unreadable(struct rpc *rpc, const struct blob_ref *ref, enum err err)
{
	char path[STORE_PATH_BYTES + 1];

	store_path(&ref->object, path);
	log_error(&rpc->log, "blob.get", KV_C("object", path), KV_STR("key", arena_printf(rpc->arena, "%08x", ref->key_id)), KV_ERR(err));
	return err;
}

/* ---- struct service */

/* Log each line of `problems`. */
static void
log_problems(const struct log *log, const struct buffer *problems)
{
	struct str rest = buffer_str(problems), line;

	while (str_split(&rest, '\n', &line)) {
		if (line.len > 0)
			log_error(log, "blob.store", KV_STR("problem", line));
	}
}

/* A store that is away now may be back in a minute: only what its operator has to change ends the start. */
static enum err
open_store(const struct config *config, struct blob **ret_blob)
{
	const struct log log = { .service = "blob" };
	struct buffer problems = { 0 };
	struct blob *blob = NULL;
	enum err err = blob_new(config, &problems, &blob);

	if (err == ERR_OK)
		err = blob->ops->check(blob->store, &problems, clock_mono_ms() + CHECK_MS);
	log_problems(&log, &problems);
	buffer_clear(&problems);
	if (err == ERR_CONFIG) {
		blob_free(blob);
		return err;
	}
	*ret_blob = blob;
	return ERR_OK;
}

static enum err
blob_start(const struct service_context *context, void **ret_self)
{
	size_t threads = (size_t)(context->config->blob_threads > 0 ? context->config->blob_threads : 1);
	struct bus_limits limits = { .threads = threads, .queue = threads * 16, .in_flight = threads * 17 };
	struct blob_service_state *state;
	struct blob *blob;
	enum err err;

	TRY(open_store(context->config, &blob));
	blob->cache = cache_open(context->config);
	err = blob_keeper_start(blob);
	if (err != ERR_OK) {
		blob_free(blob);
		return err;
	}
	state = MEM_NEW(struct blob_service_state);
	state->blob = blob;
	state->context = context;
	*ret_self = state;
	return blob_serve(context->bus, &handlers, blob, &limits);
}

static void
blob_stop(void *self)
{
	struct blob_service_state *state = self;
	struct bus *bus = state->context->bus;

	bus_quiesce(bus, clock_mono_ms() + state->context->config->drain_time);
	/* What is still under way waits for the store: now it fails, and no call outlives its own deadline. */
	blob_keeper_stop(state->blob);
	bus_quiesce(bus, clock_mono_ms() + LAST_CALLS_MS);
	blob_free(state->blob);
	free(state);
}

static enum err
blob_check(const struct service_context *context, struct buffer *problems)
{
	struct blob *blob;
	enum err err;

	TRY(blob_new(context->config, problems, &blob));
	err = blob->ops->check(blob->store, problems, clock_mono_ms() + CHECK_MS);
	blob_free(blob);
	return err;
}

const struct service blob_service = {
	.name = "blob",
	.start = blob_start,
	.stop = blob_stop,
	.check = blob_check,
};

/* ---- sora-blob create-bucket */

int
blob_create_bucket(const struct config *config, int argc, char **argv)
{
	struct buffer problems = { 0 };
	struct blob *blob = NULL;
	enum err err;

	(void)argv;
	if (argc > 1) {
		fprintf(stderr, "create-bucket takes no arguments\n");
		return 2;
	}
	err = blob_new(config, &problems, &blob);
	if (err == ERR_OK)
		err = blob->ops->create(blob->store, &problems, clock_mono_ms() + CHECK_MS);
	fprintf(stderr, "%.*s", STR_ARG(buffer_str(&problems)));
	buffer_clear(&problems);
	blob_free(blob);
	return err == ERR_OK ? 0 : 1;
}
