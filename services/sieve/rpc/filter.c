/* Filter: one recipient's scripts and a message, into actions. Scripts that came before are known by their hash. */
#include "libcommon/core/clock.h"
#include "libcommon/core/metrics.h"
#include "services/sieve/server.h"

/* A script of this call: from the cache, or compiled of the source that came along. */
struct given {
	struct str name;
	uint8_t hash[SHA256_BYTES];
	struct sieve_script *script; /* NULL: not here, or it has a problem */
	struct str problem;          /* why it can not be run; empty: none */
};

struct filter {
	struct rpc *rpc;
	struct sieve_server *server;
	struct given *given;         /* all scripts of the request: those to run, then those of the answers */
	size_t given_count;
};

static void
release(void *value)
{
	sieve_script_unref(value);
}

static void
compile(struct filter *filter, struct str source, struct given *given)
{
	struct sieve_problems problems;
	enum err err = sieve_compile(source, &filter->server->limits, filter->rpc->arena, &given->script, &problems);

	metric_add(METRIC_SIEVE_COMPILED, 1);
	if (err == ERR_OK) {
		sieve_cache_put(filter->server->cache, given->hash, given->script);
		return;
	}
	for (size_t i = 0; i < problems.count && given->problem.len == 0; i++)
		if (!problems.items[i].is_warning)
			given->problem = arena_printf(filter->rpc->arena, "line %u: %.*s", problems.items[i].line, STR_ARG(problems.items[i].text));
}

/*
 * The script in `wire` as one of those given. Without a source it is the one of that hash; the source of an empty script is empty.
 * ERR_INVALID: it says that its source has a hash which it has not.
 */
static enum err
take_script(struct filter *filter, const SieveScript *wire)
{
	struct given *given = &filter->given[filter->given_count++];
	bool has_source, is_right;

	given->name = sieve_str(wire->name);
	sha256(sieve_str(wire->source), given->hash);
	is_right = wire->hash.len == SHA256_BYTES && memcmp(given->hash, wire->hash.data, SHA256_BYTES) == 0;
	has_source = wire->source.len > 0 || wire->hash.len == 0 || is_right;
	if (wire->hash.len > 0 && !is_right && (has_source || wire->hash.len != SHA256_BYTES))
		return ERR_INVALID;
	if (!has_source)
		memcpy(given->hash, wire->hash.data, SHA256_BYTES);
	given->script = sieve_cache_get(filter->server->cache, given->hash);
	if (given->script == NULL && has_source)
		compile(filter, sieve_str(wire->source), given);
	if (given->script != NULL)
		arena_defer(filter->rpc->arena, release, given->script);
	return ERR_OK;
}

static enum err
take_scripts(struct filter *filter, const SieveFilterRequest *req)
{
	filter->given = ARENA_ARRAY(filter->rpc->arena, struct given, req->n_script + req->n_answer + 1);
	for (size_t i = 0; i < req->n_script; i++)
		TRY(take_script(filter, req->script[i]));
	for (size_t i = 0; i < req->n_answer; i++)
		if (req->answer[i]->script != NULL)
			TRY(take_script(filter, req->answer[i]->script));
	return ERR_OK;
}

/* The one with this hash that has a script or a problem: an answer to NEED SOURCE may have brought it. */
static const struct given *
find_given(const struct filter *filter, const struct given *like)
{
	for (size_t i = 0; i < filter->given_count; i++)
		if (memcmp(filter->given[i].hash, like->hash, SHA256_BYTES) == 0 &&
		    (filter->given[i].script != NULL || filter->given[i].problem.len > 0))
			return &filter->given[i];
	return NULL;
}

/* Ask for the sources that are missing. ERR_AGAIN: some are. */
static enum err
check_sources(const struct filter *filter, struct sieve_result *result)
{
	struct sieve_need *needs = ARENA_ARRAY(filter->rpc->arena, struct sieve_need, filter->given_count + 1);
	size_t count = 0;

	for (size_t i = 0; i < filter->given_count; i++)
		if (find_given(filter, &filter->given[i]) == NULL)
			needs[count++] = (struct sieve_need){ .kind = SIEVE_NEED_SOURCE, .name = str_from(filter->given[i].hash, SHA256_BYTES) };
	*result = (struct sieve_result){ .outcome = SIEVE_NEED, .needs = needs, .need_count = count };
	return count > 0 ? ERR_AGAIN : ERR_OK;
}

static void
take_answers(const struct filter *filter, const SieveFilterRequest *req, struct sieve_input *input)
{
	struct sieve_answer *answers = ARENA_ARRAY(filter->rpc->arena, struct sieve_answer, req->n_answer + 1);
	const struct given *given = filter->given + req->n_script;

	for (size_t i = 0; i < req->n_answer; i++) {
		if (req->answer[i]->need != NULL)
			sieve_wire_need(req->answer[i]->need, &answers[i].need);
		answers[i].exists = req->answer[i]->exists;
		answers[i].text = sieve_str(req->answer[i]->mailbox);
		if (req->answer[i]->script != NULL) {
			const struct given *found = find_given(filter, given++);

			answers[i].script = found->script;
			answers[i].text = found->problem;
		}
	}
	input->answers = answers;
	input->answer_count = req->n_answer;
}

/* A script that does not compile (any more) is kept as one that fails: the mail goes into INBOX, and the owner is told. */
static bool
is_broken(const struct filter *filter, size_t count, struct sieve_result *result)
{
	for (size_t i = 0; i < count; i++) {
		const struct given *given = find_given(filter, &filter->given[i]);
		struct sieve_action *keep;

		if (given->script != NULL)
			continue;
		keep = ARENA_NEW(filter->rpc->arena, struct sieve_action);
		keep->kind = SIEVE_KEEP;
		*result = (struct sieve_result){ .outcome = SIEVE_FAILED, .actions = keep, .action_count = 1,
			.failure = { .script = filter->given[i].name, .text = given->problem } };
		return true;
	}
	return false;
}

static void
run(const struct filter *filter, const SieveFilterRequest *req, struct sieve_result *result)
{
	struct sieve_program *programs = ARENA_ARRAY(filter->rpc->arena, struct sieve_program, req->n_script + 1);
	struct sieve_input input;
	int64_t start = clock_mono_us();

	sieve_wire_input(req->input, filter->rpc->arena, &input);
	take_answers(filter, req, &input);
	for (size_t i = 0; i < req->n_script; i++)
		programs[i] = (struct sieve_program){ filter->given[i].name, find_given(filter, &filter->given[i])->script };
	sieve_run(programs, req->n_script, &input, &filter->server->limits, filter->rpc->arena, result);
	metric_latency(METRIC_SIEVE_RUN_US, clock_mono_us() - start);
}

enum err
sieve_filter_rpc(struct rpc *rpc, const SieveFilterRequest *req, SieveFilterReply *reply)
{
	struct filter filter = { .rpc = rpc, .server = rpc->service };
	struct sieve_result result;

	if (req->input == NULL)
		return ERR_INVALID;
	TRY(take_scripts(&filter, req));
	if (check_sources(&filter, &result) == ERR_OK && !is_broken(&filter, req->n_script, &result))
		run(&filter, req, &result);
	if (result.outcome == SIEVE_FAILED)
		metric_add(METRIC_SIEVE_FAILED, 1);
	sieve_wire_result(&result, rpc->arena, reply);
	return ERR_OK;
}
