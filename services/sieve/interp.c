/* The interpreter: walks the tree, under limits; and the run from its first script to its result. */
#include "services/sieve/run.h"

#include <time.h>

#include "libcommon/crypto/encode.h"
#include "libcommon/crypto/hash.h"

/* ---- limits */

enum { STEPS_A_LOOK = 2048, BYTES_A_STEP = 256, NEEDS_A_ROUND = 100 };

static int64_t
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static enum err
used_up(struct sieve_run *run, const char *what)
{
	sieve_fail(run, NULL, "the script was stopped: it takes too much %s", what);
	return ERR_LIMIT;
}

enum err
sieve_spend(struct sieve_run *run, uint64_t steps)
{
	const struct sieve_limits *limits = run->limits;

	run->steps += steps;
	if (limits->steps > 0 && run->steps > limits->steps)
		return used_up(run, "work");
	if (limits->memory_bytes > 0 && run->arena->used_bytes - run->arena_start > limits->memory_bytes)
		return used_up(run, "memory");
	if (run->steps < run->steps_to_look)
		return ERR_OK;
	run->steps_to_look = run->steps + STEPS_A_LOOK;
	return limits->cpu_ms > 0 && cpu_ns() > run->cpu_end_ns ? used_up(run, "time") : ERR_OK;
}

enum err
sieve_spend_bytes(struct sieve_run *run, size_t bytes)
{
	if (run->limits->memory_bytes > 0 && bytes > run->limits->memory_bytes)
		return used_up(run, "memory");
	return sieve_spend(run, bytes / BYTES_A_STEP);
}

/* ---- what the extensions see of a run */

const struct sieve_input *
sieve_input(const struct sieve_run *run)
{
	return run->input;
}

const struct sieve_limits *
sieve_limits(const struct sieve_run *run)
{
	return run->limits;
}

struct arena *
sieve_arena(struct sieve_run *run)
{
	return run->arena;
}

/* Texts of scripts and of mails are in it: what is no UTF-8, or a control, becomes "?". */
static struct str
readable(struct str text)
{
	bool is_utf8 = str_is_utf8(text);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
			((char *)text.ptr)[i] = '?';
	}
	return text;
}

bool
sieve_is_owner(const struct sieve_run *run, struct str address)
{
	const struct sieve_input *input = run->input;
	bool is_own = str_equal_nocase(input->address, address) || str_equal_nocase(input->recipient, address);

	for (size_t i = 0; i < input->address_count && !is_own; i++)
		is_own = str_equal_nocase(input->addresses[i], address);
	return is_own && address.len > 0;
}

enum err
sieve_fail(struct sieve_run *run, const struct sieve_node *node, const char *format, ...)
{
	va_list args;

	if (node == NULL)
		node = run->node;
	va_start(args, format);
	run->failure = (struct sieve_failure){ .script = run->frame->name, .line = node != NULL ? node->line : 0,
		.text = readable(arena_vprintf(run->arena, format, args)) };
	va_end(args);
	return ERR_INVALID;
}

/* The place of the extension in sieve_extensions; it is there. */
static size_t
extension_index(const struct sieve_extension *extension)
{
	size_t i = 0;

	while (sieve_extensions[i] != extension)
		i++;
	return i;
}

void *
sieve_state(struct sieve_run *run, const struct sieve_extension *extension, enum sieve_lifetime lifetime)
{
	void ***states = lifetime == SIEVE_PER_FILE ? &run->frame->states : &run->states[lifetime];
	size_t i = extension_index(extension);

	if (*states == NULL)
		*states = ARENA_ARRAY(run->arena, void *, SIEVE_EXTENSIONS_MAX);
	if ((*states)[i] == NULL)
		(*states)[i] = arena_alloc(run->arena, extension->state_bytes[lifetime]);
	return (*states)[i];
}

struct str
sieve_message_id(struct sieve_run *run)
{
	struct str hostname = run->input->hostname.len > 0 ? run->input->hostname : STR("localhost");
	struct str what = arena_printf(run->arena, "%llu:%.*s", (unsigned long long)++run->messages, STR_ARG(run->input->seed));
	uint8_t hash[SHA256_BYTES];

	sha256(what, hash);
	return arena_printf(run->arena, "<%.*s@%.*s>", STR_ARG(hex_encode(run->arena, str_from(hash, 16))), STR_ARG(hostname));
}

bool
sieve_has(const struct sieve_run *run, const char *extension)
{
	struct sieve_found found = sieve_find_extension(str_c(extension));

	return found.row != NULL && (run->frame->enabled >> found.extension & 1);
}

bool
sieve_enable(struct sieve_run *run, struct str extension)
{
	struct sieve_found found = sieve_find_extension(extension);

	const char *brings = found.row != NULL ? sieve_extensions[found.extension]->brings : NULL;

	if (found.row != NULL)
		run->frame->enabled |= UINT64_C(1) << found.extension;
	return found.row != NULL && (brings == NULL || sieve_enable(run, str_c(brings)));
}

void
sieve_stop(struct sieve_run *run)
{
	run->is_stopped = true;
}

void
sieve_return(struct sieve_run *run)
{
	run->frame->is_returning = true;
}

/* ---- needs */

static bool
is_same_need(const struct sieve_need *a, const struct sieve_need *b)
{
	return a->kind == b->kind && str_equal(a->name, b->name) && str_equal(a->scope, b->scope);
}

static const struct sieve_answer *
find_answer(const struct sieve_run *run, const struct sieve_need *need)
{
	for (size_t i = 0; i < run->input->answer_count; i++)
		if (is_same_need(&run->input->answers[i].need, need))
			return &run->input->answers[i];
	return NULL;
}

/* It has no answer: the caller will be asked for one, once. */
static enum err
note_need(struct sieve_run *run, const struct sieve_need *need)
{
	TRY(sieve_spend(run, 1 + (run->input->answer_count + run->need_count) / 16));
	for (size_t i = 0; i < run->need_count; i++)
		if (is_same_need(&run->needs[i], need))
			return ERR_OK;
	run->needs = sieve_grow(run->arena, run->needs, run->need_count, &run->need_room, sizeof(*run->needs));
	run->needs[run->need_count++] = (struct sieve_need){ need->kind, arena_copy(run->arena, need->name), arena_copy(run->arena, need->scope) };
	return ERR_OK;
}

/* What the script that runs may ask for later: see sieve_check_will_ask. */
static enum err
note_others(struct sieve_run *run)
{
	const struct sieve_script *script = run->frame->script;

	for (size_t i = 0; i < script->need_count && run->need_count < NEEDS_A_ROUND; i++)
		if (find_answer(run, &script->needs[i]) == NULL)
			TRY(note_need(run, &script->needs[i]));
	return ERR_OK;
}

enum err
sieve_ask(struct sieve_run *run, enum sieve_need_kind kind, struct str name, struct str scope, const struct sieve_answer **ret_answer)
{
	const struct sieve_need need = { kind, name, scope };

	*ret_answer = find_answer(run, &need);
	if (*ret_answer != NULL)
		return ERR_OK;
	TRY(note_need(run, &need));
	TRY(note_others(run));
	return ERR_AGAIN;
}

/* ---- the trace */

/* A new entry; its number, from 1. 0: nobody asked. */
static size_t
trace_begin(struct sieve_run *run, const struct sieve_node *node, bool is_test)
{
	if (!run->input->explain)
		return 0;
	run->trace = sieve_grow(run->arena, run->trace, run->trace_count, &run->trace_room, sizeof(*run->trace));
	run->trace[run->trace_count++] = (struct sieve_trace){ .script = run->frame->name, .line = node->line, .depth = run->depth,
		.is_test = is_test, .name = str_c(node->row->name) };
	run->trace_at = run->trace_count;
	return run->trace_count;
}

void
sieve_explain(struct sieve_run *run, const char *format, ...)
{
	struct str *text, more;
	va_list args;

	if (run->trace_at == 0)
		return;
	text = &run->trace[run->trace_at - 1].text;
	va_start(args, format);
	more = arena_vprintf(run->arena, format, args);
	va_end(args);
	*text = arena_printf(run->arena, "%.*s%s%.*s", STR_ARG(*text), text->len > 0 ? "; " : "", STR_ARG(more));
}

/* ---- nodes */

/* With `ihave` a node may need what has not come into effect (RFC 5463 s. 4). */
static enum err
check_extensions(struct sieve_run *run, const struct sieve_node *node)
{
	uint64_t lacks = node->extensions & ~run->frame->enabled;

	if (!run->frame->script->has_ihave || lacks == 0)
		return ERR_OK;
	return sieve_fail(run, node, "'%s' needs the extension \"%s\", which no 'ihave' has found yet", node->row->name,
	    sieve_extensions[__builtin_ctzll(lacks)]->name);
}

enum err
sieve_run_test(struct sieve_run *run, const struct sieve_node *test, bool *ret_is_true)
{
	const struct sieve_node *outer = run->node;
	size_t entry = trace_begin(run, test, true), outer_at = run->trace_at;

	run->node = test;
	run->depth++;
	TRY(sieve_spend(run, 1));
	TRY(check_extensions(run, test));
	TRY(test->row->test(run, test, ret_is_true));
	run->depth--;
	run->node = outer;
	if (entry > 0)
		run->trace[entry - 1].is_true = *ret_is_true;
	run->trace_at = outer_at;
	return ERR_OK;
}

static enum err
run_command(struct sieve_run *run, const struct sieve_node *node)
{
	run->node = node;
	trace_begin(run, node, false);
	TRY(sieve_spend(run, 1));
	TRY(check_extensions(run, node));
	return node->row->run(run, node);
}

enum err
sieve_run_block(struct sieve_run *run, const struct sieve_block *block)
{
	run->depth++;
	for (size_t i = 0; i < block->count && !run->is_stopped && !run->frame->is_returning; i++)
		TRY(run_command(run, block->nodes[i]));
	run->depth--;
	return ERR_OK;
}

/* Does any string of it have variables? */
static bool
has_captures(const struct sieve_script *script)
{
	struct sieve_found variables = sieve_find_extension(STR("variables"));

	return variables.row != NULL && (script->enabled >> variables.extension & 1);
}

static void
enter(struct sieve_run *run, struct sieve_frame *frame)
{
	frame->above = run->frame;
	run->frame = frame;
	run->wants_captures = has_captures(frame->script);
}

static void
leave(struct sieve_run *run)
{
	run->frame = run->frame->above;
	run->wants_captures = has_captures(run->frame->script);
}

enum err
sieve_run_script(struct sieve_run *run, struct sieve_script *script, struct str name)
{
	struct sieve_frame frame = { .script = script, .name = name, .enabled = script->enabled };
	struct str captures[SIEVE_CAPTURES_MAX];
	size_t count = run->capture_count;

	/* RFC 6609 s. 3.4: what a script matched is its own. */
	memcpy(captures, run->captures, sizeof(captures));
	run->capture_count = 0;
	enter(run, &frame);
	TRY(sieve_run_block(run, &script->block));
	leave(run);
	memcpy(run->captures, captures, sizeof(captures));
	run->capture_count = count;
	return ERR_OK;
}

/* ---- the whole */

static enum err
run_program(struct sieve_run *run, const struct sieve_program *program, bool is_last)
{
	struct sieve_frame frame = { .script = program->script, .name = program->name, .enabled = program->script->enabled };

	run->is_stopped = run->is_keep_cancelled = run->is_kept = false;
	run->states[SIEVE_PER_SCRIPT] = NULL;
	run->capture_count = 0;
	enter(run, &frame);
	TRY(sieve_run_block(run, &program->script->block));
	if (is_last)
		TRY(sieve_keep_implicitly(run));
	leave(run);
	return ERR_OK;
}

static enum err
run_programs(struct sieve_run *run, const struct sieve_program *programs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		TRY(run_program(run, &programs[i], i + 1 == count));
		if (run->is_keep_cancelled && !run->is_kept)
			return ERR_OK;
	}
	return ERR_OK;
}

static void
give_result(struct sieve_run *run, enum sieve_outcome outcome, struct sieve_result *ret_result)
{
	*ret_result = (struct sieve_result){ .outcome = outcome, .actions = run->actions, .action_count = run->action_count,
		.failure = run->failure, .trace = run->trace, .trace_count = run->trace_count, .steps = run->steps };
	if (outcome == SIEVE_NEED) {
		ret_result->action_count = 0;
		ret_result->needs = run->needs;
		ret_result->need_count = run->need_count;
	}
}

void
sieve_run(const struct sieve_program *programs, size_t count, const struct sieve_input *input, const struct sieve_limits *limits,
    struct arena *arena, struct sieve_result *ret_result)
{
	static const struct sieve_script nothing;
	struct sieve_frame outermost = { .script = &nothing, .name = STR("") };
	struct sieve_run run = { .input = input, .limits = limits, .arena = arena, .arena_start = arena->used_bytes,
		.steps_to_look = STEPS_A_LOOK, .cpu_end_ns = limits->cpu_ms > 0 ? cpu_ns() + (int64_t)limits->cpu_ms * 1000000 : 0,
		.message = { .header = input->header }, .frame = &outermost };
	enum err err = run_programs(&run, programs, count);

	if (err == ERR_OK && count == 0)
		err = sieve_keep_implicitly(&run);
	if (err == ERR_AGAIN) {
		give_result(&run, SIEVE_NEED, ret_result);
		return;
	}
	if (err != ERR_OK) {
		/* Nothing is done to the mail, but that it is kept as it came (RFC 5228 s. 2.10.6, RFC 5293 s. 7). */
		run.action_count = 0;
		run.message = (struct sieve_message){ .header = input->header };
		run.frame = &outermost;
		run.limits = &(struct sieve_limits){ 0 };
		run.is_keep_cancelled = false;
		sieve_keep_implicitly(&run);
	}
	give_result(&run, err == ERR_OK ? SIEVE_OK : SIEVE_FAILED, ret_result);
}
