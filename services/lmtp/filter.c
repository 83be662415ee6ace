/* What a recipient's scripts say of a mail: the Sieve service is asked until it has decided. */
#include "services/lmtp/filter.h"

#include <time.h>

#include "libcommon/core/clock.h"
#include "libcommon/crypto/hash.h"
#include "proto/metadata.client.h"
#include "proto/sieve.client.h"
#include "services/lmtp/body.h"
#include "services/lmtp/head.h"
#include "services/lmtp/needs.h"
#include "services/lmtp/wire.h"

enum { ITEMS_MAX = 6 };

/* ---- the first question */

static void
add_item(SieveInput *input, const char *name, struct str value, struct arena *arena)
{
	SieveItem *item;

	if (value.len == 0)
		return;
	item = ARENA_NEW(arena, SieveItem);
	sieve_item__init(item);
	item->name = lmtp_wire(str_c(name));
	item->value = lmtp_wire(value);
	input->environment[input->n_environment++] = item;
}

/* RFC 5183 s. 4.1; "name" and "version" are the engine's own. */
static void
set_environment(const struct lmtp_transaction *mail, SieveInput *input, struct arena *arena)
{
	const struct lmtp_client *client = lmtp_origin_client(&mail->origin);
	struct str host = mail->origin.context->hostname;

	input->environment = ARENA_ARRAY(arena, SieveItem *, ITEMS_MAX);
	add_item(input, "domain", str_sub(host, str_index(host, '.') + 1, SIZE_MAX), arena);
	add_item(input, "host", host, arena);
	add_item(input, "location", STR("MDA"), arena);
	add_item(input, "phase", STR("during"), arena);
	add_item(input, "remote-host", str_c(client->name), arena);
	add_item(input, "remote-ip", str_c(client->address), arena);
}

/* The same when the MTA sends this mail again, where that can be known. */
static struct str
seed_of(const struct lmtp_transaction *mail, const struct lmtp_recipient *recipient, struct arena *arena)
{
	uint8_t *digest = arena_alloc(arena, SHA256_BYTES);
	struct str text = arena_printf(arena, "%llu %.*s %016llx ", (unsigned long long)recipient->account, STR_ARG(recipient->address),
	    mail->transaction.len > 0 ? 0ull : (unsigned long long)mail->origin.log->trace);
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, text);
	sha256_add(&hash, mail->transaction);
	sha256_finish(&hash, digest);
	return str_from(digest, SHA256_BYTES);
}

static int32_t
zone_minutes(int64_t now_ms)
{
	time_t now = (time_t)(now_ms / 1000);
	struct tm local;

	localtime_r(&now, &local);
	return (int32_t)(local.tm_gmtoff / 60);
}

static void
set_input(const struct lmtp_transaction *mail, struct lmtp_filter *filter, struct arena *arena)
{
	const MetadataResolveReply__Result *found = filter->recipient->found;
	struct str fields = lmtp_head_fields(mail);
	SieveInput *input = &filter->input;

	sieve_input__init(input);
	input->header = lmtp_wire(arena_printf(arena, "%.*s%.*s", STR_ARG(filter->prefix), STR_ARG(fields)));
	input->size = filter->prefix.len + mail->body->size;
	input->sender = lmtp_wire(mail->sender);
	input->recipient = lmtp_wire(filter->recipient->address);
	input->address = found->n_own > 0 ? found->own[0] : found->address;
	input->n_addresses = found->n_own;
	input->addresses = found->own;
	input->detail_separator = lmtp_wire(lmtp_transaction_config(mail)->address_detail);
	input->hostname = lmtp_wire(mail->origin.context->hostname);
	input->seed = lmtp_wire(seed_of(mail, filter->recipient, arena));
	input->now_ms = clock_wall_ms();
	input->zone_minutes = zone_minutes(input->now_ms);
	set_environment(mail, input, arena);
}

/* By hash alone: the service asks for the sources of those that it does not have. */
static void
set_scripts(struct lmtp_filter *filter, struct arena *arena)
{
	const MetadataResolveReply__Result *found = filter->recipient->found;
	SieveFilterRequest *request = &filter->request;

	request->script = ARENA_ARRAY(arena, SieveScript *, found->n_script);
	filter->scripts = ARENA_ARRAY(arena, const MetadataScript *, found->n_script);
	for (size_t i = 0; i < found->n_script; i++) {
		SieveScript *script = ARENA_NEW(arena, SieveScript);

		sieve_script__init(script);
		script->name = found->script[i]->name;
		script->hash = found->script[i]->hash;
		filter->scripts[i] = found->script[i];
		request->script[request->n_script++] = script;
	}
}

static void
begin(const struct lmtp_transaction *mail, struct lmtp_filter *filter, int64_t deadline_ms, struct arena *arena)
{
	sieve_filter_request__init(&filter->request);
	filter->request.input = &filter->input;
	set_scripts(filter, arena);
	set_input(mail, filter, arena);
	filter->call = lmtp_transaction_call(mail, arena);
	filter->call.deadline_ms = deadline_ms;
	/* So that not every replica has to compile every script. */
	filter->call.route = str_hash(lmtp_str(filter->request.script[0]->hash));
	filter->err = ERR_OK;
	filter->reply = NULL;
}

/* ---- the end */

/* Whose it is, among those that were run; what they included is taken for the user's own. */
static void
set_script(const struct lmtp_filter *filter, ProtobufCBinaryData name, MetadataScript *ret_script)
{
	metadata_script__init(ret_script);
	ret_script->name = name;
	for (size_t i = 0; i < filter->request.n_script; i++) {
		if (!str_equal(lmtp_str(filter->scripts[i]->name), lmtp_str(name)))
			continue;
		ret_script->global = filter->scripts[i]->global;
		ret_script->kind = filter->scripts[i]->kind;
	}
}

void
lmtp_filter_note(const struct lmtp_transaction *mail, const struct lmtp_recipient *recipient, const MetadataScript *script, uint32_t line,
    struct str problem)
{
	MetadataNoteSieveRequest request = METADATA_NOTE_SIEVE_REQUEST__INIT;
	struct arena arena = { 0 };
	struct bus_call call = lmtp_transaction_call(mail, &arena);
	enum err err;

	request.account = call.route = recipient->account;
	request.script = (MetadataScript *)script;
	request.line = line;
	request.text = lmtp_wire(problem);
	err = metadata_note_sieve(&call, &request, NULL);
	log_warn(mail->origin.log, "lmtp.sieve_failed", KV_STR("to", recipient->address), KV_STR("script", lmtp_str(script->name)),
	    KV_INT("line", line), KV_STR("problem", problem), KV_ERR(err));
	arena_clear(&arena);
}

bool
lmtp_is_scripts_fault(enum err err)
{
	return err == ERR_LIMIT || err == ERR_TOO_BIG || err == ERR_INVALID;
}

static void
fail(struct lmtp_filter *filter, struct arena *arena)
{
	SieveFilterReply *reply = ARENA_NEW(arena, SieveFilterReply);
	SieveFailure *failure = ARENA_NEW(arena, SieveFailure);

	sieve_filter_reply__init(reply);
	sieve_failure__init(failure);
	failure->script = filter->request.n_script > 0 ? filter->request.script[0]->name : lmtp_wire(STR(""));
	failure->text = lmtp_wire(arena_printf(arena, "the scripts can not be run with this mail: %s", err_row(filter->err)->text));
	reply->outcome = SIEVE_FILTER_REPLY__OUTCOME__FAILED;
	reply->failure = failure;
	filter->reply = reply;
	filter->err = ERR_OK;
}

static void
note(const struct lmtp_transaction *mail, const struct lmtp_filter *filter)
{
	const SieveFailure *failure = filter->reply->failure;
	MetadataScript script;

	set_script(filter, failure->script, &script);
	lmtp_filter_note(mail, filter->recipient, &script, failure->line, lmtp_str(failure->text));
}

static void
end(const struct lmtp_transaction *mail, struct lmtp_filter *filter, struct arena *arena)
{
	if (filter->err == ERR_OK && filter->reply->outcome == SIEVE_FILTER_REPLY__OUTCOME__NEED)
		filter->err = ERR_LIMIT;
	if (lmtp_is_scripts_fault(filter->err))
		fail(filter, arena);
	if (filter->err != ERR_OK)
		log_warn(mail->origin.log, "lmtp.sieve", KV_STR("to", filter->recipient->address), KV_ERR(filter->err),
		    KV_STR("detail", filter->call.detail));
	else if (filter->reply->outcome == SIEVE_FILTER_REPLY__OUTCOME__FAILED && filter->reply->failure != NULL)
		note(mail, filter);
}

/* ---- rounds */

static void
ask(struct lmtp_filter *const *open, size_t count)
{
	for (size_t i = 0; i < count; i++)
		open[i]->future = sieve_filter_start(&open[i]->call, &open[i]->request);
	for (size_t i = 0; i < count; i++) {
		SieveFilterReply *reply = NULL;

		open[i]->err = sieve_filter_wait(open[i]->future, &reply);
		open[i]->reply = reply;
	}
}

/* Those that need to know more stay in `open`; returns how many. */
static size_t
keep_open(struct lmtp_filter **open, size_t count, bool with_reply)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (open[i]->err == ERR_OK && (!with_reply || open[i]->reply->outcome == SIEVE_FILTER_REPLY__OUTCOME__NEED))
			open[kept++] = open[i];
	return kept;
}

void
lmtp_filter_run(struct lmtp_transaction *mail, struct lmtp_filter *filters, size_t count, struct arena *arena)
{
	int64_t deadline_ms = clock_mono_ms() + LMTP_FILTER_MS;
	struct lmtp_filter **open = ARENA_ARRAY(arena, struct lmtp_filter *, count);
	size_t left = count;

	for (size_t i = 0; i < count; i++) {
		begin(mail, &filters[i], deadline_ms, arena);
		open[i] = &filters[i];
	}
	for (int round = 0; left > 0 && round < LMTP_FILTER_ROUNDS_MAX; round++) {
		ask(open, left);
		left = keep_open(open, left, true);
		lmtp_needs_answer(mail, open, left, arena);
		left = keep_open(open, left, false);
	}
	for (size_t i = 0; i < count; i++)
		end(mail, &filters[i], arena);
}

size_t
lmtp_filter_bytes(const struct lmtp_transaction *mail)
{
	return lmtp_head_fields(mail).len + (mail->body->size < LMTP_TEXT_MAX ? (size_t)mail->body->size : LMTP_TEXT_MAX) + LMTP_PREFIX_MAX;
}
