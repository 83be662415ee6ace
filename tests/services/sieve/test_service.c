/* The service over the bus: scripts by hash, needs, failures; and the cache behind it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "libcommon/config/config.h"
#include "proto/sieve.client.h"
#include "services/sieve/server.h"
#include "services/sieve/service.h"

struct stage {
	struct config *config;
	struct service_context context;
	void *self;
	struct arena arena;
	struct bus_call call;
};

static void
open_stage(struct stage *stage)
{
	struct buffer problems = { 0 };
	static unsigned count;
	char yaml[200];

	*stage = (struct stage){ 0 };
	snprintf(yaml, sizeof(yaml), "bus:\n  sieve: [inproc://sieve-test-%d-%u]\nsieve:\n  listen: [inproc://sieve-test-%d-%u]\n", getpid(), count, getpid(),
	    count);
	count++;
	cr_assert_eq(config_parse(str_c(yaml), "test", true, &stage->config, &problems), ERR_OK, "%.*s", STR_ARG(buffer_str(&problems)));
	buffer_clear(&problems);
	stage->context.config = stage->config;
	stage->context.bus = bus_new(stage->config);
	cr_assert_eq(sieve_service.start(&stage->context, &stage->self), ERR_OK);
	stage->call = (struct bus_call){ .bus = stage->context.bus, .arena = &stage->arena, .role = BUS_ROLE_LMTP };
}

static void
close_stage(struct stage *stage)
{
	sieve_service.stop(stage->self);
	bus_free(stage->context.bus);
	config_free(stage->config);
	arena_clear(&stage->arena);
}

static ProtobufCBinaryData
data(const char *text)
{
	return (ProtobufCBinaryData){ strlen(text), (uint8_t *)text };
}

/* A script with its hash, and with or without its source. */
static SieveScript *
script(struct stage *stage, const char *name, const char *source, bool has_source)
{
	SieveScript *wire = ARENA_NEW(&stage->arena, SieveScript);
	uint8_t *hash = arena_alloc(&stage->arena, SHA256_BYTES);

	sieve_script__init(wire);
	sha256(str_c(source), hash);
	wire->name = data(name);
	wire->hash = (ProtobufCBinaryData){ SHA256_BYTES, hash };
	if (has_source)
		wire->source = data(source);
	return wire;
}

static SieveFilterReply *
filter(struct stage *stage, SieveScript *one, SieveAnswer **answers, size_t answer_count)
{
	SieveFilterRequest req = SIEVE_FILTER_REQUEST__INIT;
	SieveInput input = SIEVE_INPUT__INIT;
	SieveFilterReply *reply = NULL;

	input.header = data("From: a@example.org\r\nSubject: hello\r\n\r\n");
	input.sender = data("a@example.org");
	input.recipient = data("b@example.org");
	req.input = &input;
	req.script = &one;
	req.n_script = 1;
	req.answer = answers;
	req.n_answer = answer_count;
	cr_assert_eq(sieve_filter(&stage->call, &req, &reply), ERR_OK, "%.*s", STR_ARG(stage->call.detail));
	return reply;
}

Test(sieve_service, a_script_is_sent_once_and_known_by_its_hash_then)
{
	static const char source[] = "require \"fileinto\"; fileinto \"x\";";
	struct stage stage;
	SieveFilterReply *reply;

	open_stage(&stage);
	reply = filter(&stage, script(&stage, "main", source, false), NULL, 0);
	cr_assert(reply->outcome == SIEVE_FILTER_REPLY__OUTCOME__NEED && reply->n_need == 1);
	cr_assert_eq(reply->need[0]->kind, SIEVE_NEED_KIND__SIEVE_KIND_SOURCE);
	cr_assert_eq(reply->need[0]->name.len, SHA256_BYTES);
	for (int i = 0; i < 2; i++) {
		reply = filter(&stage, script(&stage, "main", source, i == 0), NULL, 0);
		cr_assert(reply->outcome == SIEVE_FILTER_REPLY__OUTCOME__OK && reply->n_action == 1);
		cr_assert_eq(reply->action[0]->kind, SIEVE_ACTION__KIND__FILEINTO);
		cr_assert(str_equal(sieve_str(reply->action[0]->mailbox), STR("x")));
	}
	close_stage(&stage);
}

Test(sieve_service, an_empty_script_is_one)
{
	struct stage stage;
	SieveFilterReply *reply;

	open_stage(&stage);
	reply = filter(&stage, script(&stage, "main", "", false), NULL, 0);
	cr_assert(reply->outcome == SIEVE_FILTER_REPLY__OUTCOME__OK && reply->n_action == 1 && reply->action[0]->implicit);
	close_stage(&stage);
}

Test(sieve_service, what_an_include_needs_comes_with_an_answer)
{
	struct stage stage;
	SieveAnswer answer = SIEVE_ANSWER__INIT, *answers = &answer;
	SieveScript *main_script;
	SieveFilterReply *reply;

	open_stage(&stage);
	main_script = script(&stage, "main", "require \"include\"; include :global \"other\";", true);
	reply = filter(&stage, main_script, NULL, 0);
	cr_assert(reply->outcome == SIEVE_FILTER_REPLY__OUTCOME__NEED && reply->n_need == 1);
	cr_assert_eq(reply->need[0]->kind, SIEVE_NEED_KIND__SIEVE_KIND_INCLUDE_GLOBAL);
	answer.need = reply->need[0];
	answer.exists = true;
	answer.script = script(&stage, "other", "discard;", true);
	reply = filter(&stage, main_script, &answers, 1);
	cr_assert(reply->outcome == SIEVE_FILTER_REPLY__OUTCOME__OK && reply->n_action == 1);
	cr_assert_eq(reply->action[0]->kind, SIEVE_ACTION__KIND__DISCARD);
	close_stage(&stage);
}

Test(sieve_service, a_script_that_does_not_compile_fails_and_keeps_the_mail)
{
	struct stage stage;
	SieveFilterReply *reply;

	open_stage(&stage);
	reply = filter(&stage, script(&stage, "main", "keep;\r\nfrobnicate;", true), NULL, 0);
	cr_assert(reply->outcome == SIEVE_FILTER_REPLY__OUTCOME__FAILED && reply->n_action == 1);
	cr_assert(reply->action[0]->kind == SIEVE_ACTION__KIND__KEEP && reply->action[0]->implicit);
	cr_assert(str_equal(sieve_str(reply->failure->script), STR("main")));
	cr_assert(str_find(sieve_str(reply->failure->text), STR("frobnicate")) < reply->failure->text.len);
	close_stage(&stage);
}

Test(sieve_service, a_source_of_another_hash_is_refused)
{
	struct stage stage;
	SieveFilterRequest req = SIEVE_FILTER_REQUEST__INIT;
	SieveInput input = SIEVE_INPUT__INIT;
	SieveScript *wrong;

	open_stage(&stage);
	wrong = script(&stage, "main", "keep;", true);
	wrong->source = data("discard;");
	req.input = &input;
	req.script = &wrong;
	req.n_script = 1;
	cr_assert_eq(sieve_filter(&stage.call, &req, NULL), ERR_INVALID);
	close_stage(&stage);
}

Test(sieve_service, check_says_what_is_wrong_and_capabilities_what_there_is)
{
	struct stage stage;
	SieveCheckRequest req = SIEVE_CHECK_REQUEST__INIT;
	SieveCheckReply *reply;
	SieveEmpty empty = SIEVE_EMPTY__INIT;
	SieveCapabilitiesReply *capabilities;
	bool has_fileinto = false;

	open_stage(&stage);
	stage.call.role = BUS_ROLE_MANAGESIEVE;
	req.source = data("keep;");
	cr_assert_eq(sieve_check(&stage.call, &req, &reply), ERR_OK);
	cr_assert(reply->ok && reply->n_problem == 0);
	req.source = data("keep");
	cr_assert_eq(sieve_check(&stage.call, &req, &reply), ERR_OK);
	cr_assert(!reply->ok && reply->n_problem == 1 && reply->problem[0]->line == 1);
	cr_assert_eq(sieve_capabilities(&stage.call, &empty, &capabilities), ERR_OK);
	for (size_t i = 0; i < capabilities->n_extension; i++)
		has_fileinto |= str_equal(sieve_str(capabilities->extension[i]), STR("fileinto"));
	cr_assert(has_fileinto && capabilities->redirects == 4);
	close_stage(&stage);
}

/* ---- the cache */

static struct sieve_script *
compiled(struct arena *arena)
{
	struct sieve_problems problems;
	struct sieve_script *made;

	cr_assert_eq(sieve_compile(STR("keep;"), &sieve_limits_default, arena, &made, &problems), ERR_OK);
	return made;
}

Test(sieve_cache, the_one_used_longest_ago_goes_first)
{
	struct arena arena = { 0 };
	struct sieve_script *made = compiled(&arena), *found;
	struct sieve_cache *cache = sieve_cache_new(3 * (sieve_script_bytes(made) + 200));
	uint8_t hash[SHA256_BYTES] = { 0 };

	for (hash[0] = 1; hash[0] <= 3; hash[0]++)
		sieve_cache_put(cache, hash, made);
	hash[0] = 1;
	found = sieve_cache_get(cache, hash);
	cr_assert_eq(found, made);
	sieve_script_unref(found);
	for (hash[0] = 4; hash[0] <= 5; hash[0]++)
		sieve_cache_put(cache, hash, made);
	hash[0] = 2;
	cr_assert_null(sieve_cache_get(cache, hash));
	hash[0] = 1;
	found = sieve_cache_get(cache, hash);
	cr_assert_eq(found, made);
	sieve_script_unref(found);
	sieve_cache_free(cache);
	sieve_script_unref(made);
	arena_clear(&arena);
}
